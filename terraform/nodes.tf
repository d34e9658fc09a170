# The nodes: an auto scaling group, mostly of spot instances, whose machines run the apps.

locals {
  hooks = { joined = "${var.name}-joined", drained = "${var.name}-drained" }
  group = "${var.name}-nodes"

  # Written out, since a policy that waited for the group could not be made before it.
  group_arn = "arn:aws:autoscaling:${var.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${local.group}"
  account   = data.aws_caller_identity.here.account_id
}

data "aws_caller_identity" "here" {}

resource "aws_iam_role" "nodes" {
  name = "${var.name}-nodes"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# A node runs untrusted code: whoever breaks out of a container has these rights and no others.
resource "aws_iam_role_policy" "nodes" {
  name = "node"
  role = aws_iam_role.nodes.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Join"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = aws_secretsmanager_secret.cluster["node"].arn
      },
      {
        Sid      = "RegistryLogin"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [for repository in aws_ecr_repository.apps : repository.arn]
      },
      {
        Sid      = "LeaveTheBalancer"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:DeregisterTargets"
        Resource = aws_lb_target_group.routers.arn
      },
      {
        Sid      = "AnswerHooks"
        Effect   = "Allow"
        Action   = "autoscaling:CompleteLifecycleAction"
        Resource = local.group_arn
      },
    ]
  })
}

resource "aws_iam_instance_profile" "nodes" {
  name = "${var.name}-nodes"
  role = aws_iam_role.nodes.name
}

resource "aws_launch_template" "node" {
  name          = "${var.name}-node"
  image_id      = local.ami_id
  instance_type = var.node_types[0]
  user_data     = local.user_data.node

  iam_instance_profile {
    arn = aws_iam_instance_profile.nodes.arn
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [aws_security_group.nodes.id]
  }

  # One hop ends at the machine itself: containers cannot ask for the node's credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.node_disk_gb
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]
    content {
      resource_type = tag_specifications.value
      tags          = { Name = "${var.name}-node", platform = "reviewapps", stack = var.name, role = "node" }
    }
  }
}

resource "aws_autoscaling_group" "nodes" {
  name                = local.group
  min_size            = var.node_minimum
  max_size            = var.node_maximum
  vpc_zone_identifier = aws_subnet.nodes[*].id
  target_group_arns   = [aws_lb_target_group.routers.arn]

  # `reviewapps` raises the capacity and takes named nodes away; there is no desired_capacity here,
  # and AWS neither picks a victim nor moves nodes between zones. An app's failing page must not
  # cost the node either, so only EC2's own checks count.
  protect_from_scale_in     = true
  suspended_processes       = ["AZRebalance"]
  capacity_rebalance        = false
  health_check_type         = "EC2"
  health_check_grace_period = 300
  wait_for_capacity_timeout = "0"
  force_delete              = true

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = var.on_demand_percentage
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.node.id
        version            = aws_launch_template.node.latest_version
      }

      dynamic "override" {
        for_each = var.node_types
        content {
          instance_type = override.value
        }
      }
    }
  }

  # In service only once it has joined; given up when it has not within ten minutes.
  initial_lifecycle_hook {
    name                 = local.hooks.joined
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 600
    default_result       = "ABANDON"
  }

  # Time to move the apps before the machine stops.
  initial_lifecycle_hook {
    name                 = local.hooks.drained
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = 180
    default_result       = "CONTINUE"
  }

  depends_on = [aws_instance.server, aws_nat_gateway.way_out, aws_iam_role_policy.nodes]
}
