// A Nomad server. What differs between machines, and what is secret, is in machine.json.
datacenter = "dc1"
data_dir   = "/var/lib/nomad"
bind_addr  = "{{ GetPrivateIP }}"

// The HTTP interface is for this machine and for what Session Manager brings here.
addresses {
  http = "127.0.0.1"
}

// Only says where the machine is; nobody listens there.
advertise {
  http = "{{ GetPrivateIP }}"
}

server {
  enabled         = true
  heartbeat_grace = "20s"
}

acl {
  enabled = true
}

tls {
  rpc                    = true
  ca_file                = "/etc/nomad.d/tls/ca.pem"
  cert_file              = "/etc/nomad.d/tls/cert.pem"
  key_file               = "/etc/nomad.d/tls/key.pem"
  verify_server_hostname = true
}

// Nomad's own service discovery is used: it needs nothing from Consul, and has no token for it.
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}

disable_update_check = true
