// A Consul client. What differs between machines, and what is secret, is in machine.json.
datacenter  = "dc1"
data_dir    = "/var/lib/consul"
bind_addr   = "{{ GetPrivateIP }}"
client_addr = "127.0.0.1"

ports {
  dns      = -1
  grpc     = -1
  grpc_tls = -1
}

acl {
  enabled        = true
  default_policy = "deny"
}

tls {
  internal_rpc {
    ca_file                = "/etc/consul.d/tls/ca.pem"
    cert_file              = "/etc/consul.d/tls/cert.pem"
    key_file               = "/etc/consul.d/tls/key.pem"
    verify_incoming        = true
    verify_outgoing        = true
    verify_server_hostname = true
  }
}

leave_on_terminate   = true
disable_remote_exec  = true
disable_update_check = true
