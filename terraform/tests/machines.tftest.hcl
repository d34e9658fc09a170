# Servers and nodes. AWS is mocked: nothing is made.

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

run "machines_are_hardened" {
  assert {
    condition = alltrue([
      for options in concat([for server in aws_instance.server : server.metadata_options[0]], [aws_launch_template.node.metadata_options[0]]) :
      options.http_tokens == "required" && options.http_put_response_hop_limit == 1
    ])
    error_message = "IMDSv2 with a hop limit of 1: containers cannot ask for credentials."
  }
  assert {
    condition = alltrue(concat(
      [for server in aws_instance.server : server.root_block_device[0].encrypted],
      [aws_launch_template.node.block_device_mappings[0].ebs[0].encrypted == "true"],
    ))
    error_message = "Disks are encrypted."
  }
  assert {
    condition     = length(aws_launch_template.node.user_data) * 3 / 4 <= 16384 && length(aws_instance.server[0].user_data_base64) * 3 / 4 <= 16384
    error_message = "User data is at most 16 KB."
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.servers : !startswith(subnet.cidr_block, "10.90.128") && !startswith(subnet.cidr_block, "10.90.192")])
    error_message = "Servers lie outside the network in which routes may point."
  }
}

run "nodes_are_spot_and_taken_away_by_name_only" {
  assert {
    condition     = aws_autoscaling_group.nodes.mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0
    error_message = "Spot unless asked otherwise."
  }
  assert {
    condition     = aws_autoscaling_group.nodes.protect_from_scale_in && contains(aws_autoscaling_group.nodes.suspended_processes, "AZRebalance")
    error_message = "AWS chooses no victim."
  }
  assert {
    condition = toset([for hook in aws_autoscaling_group.nodes.initial_lifecycle_hook : hook.lifecycle_transition]) == toset([
      "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING",
    ])
    error_message = "A hook for joining and one for draining."
  }
  assert {
    condition     = length(aws_autoscaling_group.nodes.mixed_instances_policy[0].launch_template[0].override) >= 4
    error_message = "Several types, or spot capacity runs out."
  }
}

run "one_server_is_possible" {
  variables {
    server_count = 1
  }
  assert {
    condition     = length(aws_instance.server) == 1 && aws_instance.server[0].private_ip == "10.90.16.10"
    error_message = "One server at its fixed address."
  }
}
