# The places where secrets lie. Terraform makes them empty: the first server fills them at its first
# boot, so that no key, token or password ever passes through Terraform's state.

locals {
  secrets = {
    servers = "Keys of the certificates, gossip keys and first tokens: for servers only"
    node    = "What a node needs to join: gossip key, certificate, Consul's agent token"
    deploy  = "Tokens for Nomad and Consul with which CI deploys"
  }
}

resource "aws_secretsmanager_secret" "cluster" {
  for_each = local.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value
  recovery_window_in_days = var.keep_data ? 7 : 0
}
