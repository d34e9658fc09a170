# The servers of Nomad and Consul, on the same machines; reached only through Session Manager.

resource "aws_iam_role" "servers" {
  name = "${var.name}-servers"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "servers" {
  name = "server"
  role = aws_iam_role.servers.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
        Resource = [for name in keys(local.secrets) : aws_secretsmanager_secret.cluster[name].arn]
      },
      {
        # Session Manager's tunnel, without its right to run commands or to read parameters.
        Sid    = "Tunnel"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel",
          "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel",
          "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_instance_profile" "servers" {
  name = "${var.name}-servers"
  role = aws_iam_role.servers.name
}

resource "aws_instance" "server" {
  count = var.server_count

  ami                    = local.ami_id
  instance_type          = var.server_type
  subnet_id              = aws_subnet.servers[count.index].id
  private_ip             = local.server_addresses[count.index]
  vpc_security_group_ids = [aws_security_group.servers.id]
  iam_instance_profile   = aws_iam_instance_profile.servers.name
  user_data_base64       = local.user_data["server-${count.index}"]

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 20
    encrypted   = true
  }

  tags        = { Name = "${var.name}-server-${count.index}", role = "server" }
  volume_tags = { Name = "${var.name}-server-${count.index}" }

  # A change here would stop all servers at once. They are replaced one by one: docs/aws.md.
  lifecycle {
    ignore_changes = [ami, user_data_base64]
  }

  depends_on = [aws_nat_gateway.way_out, aws_iam_role_policy.servers]
}
