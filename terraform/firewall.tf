# Who may speak to whom. Every rule is in this file, and each names a group, not an address range,
# but for visitors and for what machines fetch from outside.

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Visitors to the balancer"
  vpc_id      = aws_vpc.apps.id
  tags        = { Name = "${var.name}-balancer" }
}

resource "aws_security_group" "nodes" {
  name        = "${var.name}-nodes"
  description = "Machines that run apps"
  vpc_id      = aws_vpc.apps.id
  tags        = { Name = "${var.name}-nodes" }
}

resource "aws_security_group" "servers" {
  name        = "${var.name}-servers"
  description = "Servers of Nomad and Consul"
  vpc_id      = aws_vpc.apps.id
  tags        = { Name = "${var.name}-servers" }
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "The shared database"
  vpc_id      = aws_vpc.apps.id
  tags        = { Name = "${var.name}-database" }
}

locals {
  group_ids = {
    balancer = aws_security_group.balancer.id
    nodes    = aws_security_group.nodes.id
    servers  = aws_security_group.servers.id
    database = aws_security_group.database.id
  }

  # to, from, protocol, first port, last port. Nomad's and Consul's HTTP ports (4646, 8500) are not
  # here at all: they listen on each machine's loopback only.
  between = concat(
    [
      ["nodes", "balancer", "tcp", var.router_port, var.router_port],
      ["nodes", "balancer", "tcp", var.router_health_port, var.router_health_port],
      ["nodes", "nodes", "tcp", 20000, 32000], # routers to apps, apps to their Redis
      ["servers", "nodes", "tcp", 4647, 4647], # Nomad's calls
      ["servers", "nodes", "tcp", 8300, 8300], # Consul's calls
      ["servers", "servers", "tcp", 4647, 4648],
      ["servers", "servers", "udp", 4648, 4648],
      ["servers", "servers", "tcp", 8300, 8300],
    ],
    # Consul's gossip goes between all machines.
    [for pair in setproduct(["nodes", "servers"], ["nodes", "servers"], ["tcp", "udp"]) :
      [pair[0], pair[1], pair[2], 8301, 8301]
    ],
    # The tunnel from CI to the database starts at a server.
    [for from in ["nodes", "servers"] :
      ["database", from, "tcp", local.database_port, local.database_port]
      if var.database_engine != "none"
    ],
  )
  rules = { for rule in local.between : "${rule[1]} to ${rule[0]} ${rule[2]} ${rule[3]}" => rule }

  # Packages, images and AWS's own interfaces; what an app calls outside goes the same way.
  outside = { for pair in setproduct(["nodes", "servers"], [80, 443]) : "${pair[0]} ${pair[1]}" => pair }
}

resource "aws_vpc_security_group_ingress_rule" "between" {
  for_each = local.rules

  security_group_id            = local.group_ids[each.value[0]]
  referenced_security_group_id = local.group_ids[each.value[1]]
  ip_protocol                  = each.value[2]
  from_port                    = each.value[3]
  to_port                      = each.value[4]
  description                  = each.key
}

resource "aws_vpc_security_group_egress_rule" "between" {
  for_each = local.rules

  security_group_id            = local.group_ids[each.value[1]]
  referenced_security_group_id = local.group_ids[each.value[0]]
  ip_protocol                  = each.value[2]
  from_port                    = each.value[3]
  to_port                      = each.value[4]
  description                  = each.key
}

resource "aws_vpc_security_group_egress_rule" "outside" {
  for_each = local.outside

  security_group_id = local.group_ids[each.value[0]]
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value[1]
  to_port           = each.value[1]
  description       = "packages, images, AWS"
}

resource "aws_vpc_security_group_ingress_rule" "visitors" {
  for_each = { for pair in setproduct(var.visitors, [80, 443]) : "${pair[0]} ${pair[1]}" => pair }

  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = each.value[0]
  ip_protocol       = "tcp"
  from_port         = each.value[1]
  to_port           = each.value[1]
  description       = "visitors"
}
