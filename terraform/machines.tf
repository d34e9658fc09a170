# What servers and nodes have in common: their image, and how a fresh machine becomes one of them.

data "aws_ssm_parameter" "ubuntu" {
  count = var.ami_id == "" ? 1 : 0
  name  = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
}

locals {
  ami_id = var.ami_id == "" ? one(data.aws_ssm_parameter.ubuntu[*].insecure_value) : var.ami_id

  # Fixed addresses: a server that is replaced is found where the old one was.
  server_addresses = [for index in range(var.server_count) : cidrhost(local.server_ranges[index], 10)]

  machine = {
    STACK          = var.name
    AWS_REGION     = var.region
    SERVERS        = join(" ", local.server_addresses)
    NOMAD_VERSION  = var.nomad_version
    CONSUL_VERSION = var.consul_version
  }

  library = "/usr/local/lib/reviewapps"
  files = {
    for role in ["server", "node"] : role => concat(
      [for file in fileset("${path.module}/machines/common", "*") : "common/${file}"],
      [for file in fileset("${path.module}/machines/${role}", "*") : "${role}/${file}"],
    )
  }

  # Everything but the settings is the same file that the tests run; there is no secret in it.
  boot = {
    for role, files in local.files : role => {
      write_files = [
        for file in files : {
          path        = "${local.library}/${basename(file)}"
          permissions = "0644"
          content     = file("${path.module}/machines/${file}")
        }
      ]
      runcmd = [["bash", "${local.library}/machine.sh"]]
    }
  }

  # What differs between machines, and what cloud-init gets.
  roles = merge(
    {
      node = {
        ROLE               = "node"
        GROUP              = local.group
        HOOK_JOINED        = local.hooks.joined
        HOOK_DRAINED       = local.hooks.drained
        TARGET_GROUP       = aws_lb_target_group.routers.arn
        ROUTER_HEALTH_PORT = var.router_health_port
      }
    },
    { for index in range(var.server_count) : "server-${index}" => { ROLE = "server", SERVER_INDEX = index } },
  )
  user_data = {
    for name, own in local.roles : name => base64gzip(join("", ["#cloud-config\n", yamlencode(merge(local.boot[own.ROLE], {
      write_files = concat(local.boot[own.ROLE].write_files, [{
        path        = "/etc/reviewapps/machine.env"
        permissions = "0644"
        content     = join("", [for key, value in merge(local.machine, own) : "${key}='${value}'\n"])
      }])
    }))]))
  }
}
