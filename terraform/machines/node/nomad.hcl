// A Nomad client. What differs between machines, and what is secret, is in machine.json.
datacenter = "dc1"
data_dir   = "/var/lib/nomad"
bind_addr  = "{{ GetPrivateIP }}"

// The HTTP interface is for this machine only: containers cannot reach its loopback.
addresses {
  http = "127.0.0.1"
}

// Only says where the machine is; nobody listens there.
advertise {
  http = "{{ GetPrivateIP }}"
}

client {
  enabled = true

  // The range in which routes may point.
  min_dynamic_port = 20000
  max_dynamic_port = 32000

  // Stopping the agent drains the node with the node's own right: no machine holds a token with
  // which it could drain others. The router serves on until the machine ends.
  drain_on_shutdown {
    deadline           = "90s"
    ignore_system_jobs = true
  }

  reserved {
    memory = 384
    disk   = 4096
  }

  options = {
    "driver.allowlist"     = "docker"
    "fingerprint.denylist" = "consul"
  }
}

plugin "docker" {
  config {
    allow_privileged = false
    extra_labels     = ["job_name", "task_group_name", "task_name", "node_name"]

    // Images of a registry of AWS are pulled with the node's own role.
    auth {
      helper = "ecr-login"
    }

    volumes {
      enabled = false
    }

    gc {
      image_delay = "24h"
    }
  }
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

// Nomad holds no token for Consul that a branch's job could borrow.
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}

leave_on_terminate   = true
disable_update_check = true
