# Who reaches what. AWS is mocked: nothing is made.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  domain                   = "previews.test"
  circleci_organization_id = "11111111-1111-1111-1111-111111111111"
  projects = {
    shop = {
      repository          = "acme/shop"
      circleci_project_id = "22222222-2222-2222-2222-222222222222"
    }
    blog = {
      repository          = "acme/blog"
      circleci_project_id = "33333333-3333-3333-3333-333333333333"
      default_branch      = "trunk"
    }
  }
}

run "only_the_balancer_is_open" {
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.visitors : rule.from_port]) == toset([80, 443])
    error_message = "Visitors come to ports 80 and 443 only."
  }
  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.visitors :
      rule.security_group_id == aws_security_group.balancer.id
    ])
    error_message = "Visitors come to the balancer only."
  }
  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.between :
      rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.referenced_security_group_id != null
    ])
    error_message = "A machine is reached by our own groups only, never by an address range."
  }
  assert {
    condition     = alltrue([for subnet in concat(aws_subnet.servers, aws_subnet.nodes, aws_subnet.public) : subnet.map_public_ip_on_launch != true])
    error_message = "No machine gets a public address."
  }
  assert {
    condition     = aws_launch_template.node.network_interfaces[0].associate_public_ip_address == "false"
    error_message = "No node gets a public address."
  }
  assert {
    condition     = length(aws_default_security_group.unused.ingress) == 0 && length(aws_default_security_group.unused.egress) == 0
    error_message = "The default group lets nobody in or out."
  }
}

run "nomad_and_consul_are_closed" {
  assert {
    condition = alltrue(flatten([
      for port in [4646, 8500, 8501, 8502, 8503, 8600, 22] : [
        for rule in aws_vpc_security_group_ingress_rule.between : rule.from_port > port || rule.to_port < port
      ]
    ]))
    error_message = "Nomad's and Consul's HTTP and SSH are open to no group at all."
  }
  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.between :
      contains([aws_security_group.nodes.id, aws_security_group.servers.id], rule.referenced_security_group_id)
      if rule.to_port >= 4646 && rule.from_port <= 4648 || rule.to_port >= 8300 && rule.from_port <= 8302
    ])
    error_message = "Nomad's and Consul's own ports are for nodes and servers."
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.between : rule.referenced_security_group_id if rule.security_group_id == aws_security_group.database.id]) == toset([aws_security_group.nodes.id, aws_security_group.servers.id])
    error_message = "The database is for nodes, and for the tunnel that starts at a server."
  }
}

run "visitors_use_tls" {
  assert {
    condition     = aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301" && aws_lb_listener.https.protocol == "HTTPS"
    error_message = "Port 80 only sends to 443."
  }
  assert {
    condition     = aws_lb.apps.drop_invalid_header_fields && aws_lb.apps.desync_mitigation_mode == "strictest"
    error_message = "The balancer drops requests that a router could read otherwise."
  }
  assert {
    condition     = contains(aws_acm_certificate.apps.subject_alternative_names, "*.previews.test")
    error_message = "One certificate for all apps: certificate logs publish no branch's name."
  }
}
