# The router: reads where requests go, tells what it serves and whom it saw.
key_prefix "reviewapps/routes/" {
  policy = "read"
}

key_prefix "reviewapps/hosts/" {
  policy = "read"
}

key_prefix "reviewapps/routers/" {
  policy = "write"
}

key_prefix "reviewapps/wishes/" {
  policy = "write"
}

key_prefix "reviewapps/seen/" {
  policy = "write"
}
