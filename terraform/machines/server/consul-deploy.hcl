# CI and the controller: records, routes and locks, and the sessions that hold the locks.
key_prefix "reviewapps/" {
  policy = "write"
}

session_prefix "" {
  policy = "write"
}

node_prefix "" {
  policy = "read"
}

# `reviewapps doctor` asks the agent for its version.
agent_prefix "" {
  policy = "read"
}
