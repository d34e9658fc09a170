# Every agent: says that its machine is there, and finds the others.
node_prefix "" {
  policy = "write"
}

service_prefix "" {
  policy = "read"
}
