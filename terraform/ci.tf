# What CI may do. CircleCI proves who it is by OIDC: there are no keys to store or to lose.
# Per project there are two roles: `deploy` for branches deploy-*, `prune` for the default branch.

locals {
  issuer = "oidc.circleci.com/org/${var.circleci_organization_id}"

  ci = merge([
    for name, project in var.projects : {
      "${name}-deploy" = { project = name, branch = "deploy-*" }
      "${name}-prune"  = { project = name, branch = project.default_branch }
    }
  ]...)

  # Both look, reach the cluster, and take nodes and databases away.
  reach = [
    {
      Sid      = "Look"
      Effect   = "Allow"
      Action   = ["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"]
      Resource = "*"
    },
    {
      Sid      = "GiveNodesBack"
      Effect   = "Allow"
      Action   = "autoscaling:TerminateInstanceInAutoScalingGroup"
      Resource = local.group_arn
    },
    {
      Sid    = "Secrets"
      Effect = "Allow"
      Action = "secretsmanager:GetSecretValue"
      Resource = concat(
        [aws_secretsmanager_secret.cluster["deploy"].arn],
        [for database in aws_db_instance.apps : one(database.master_user_secret[*].secret_arn)],
      )
    },
    {
      Sid       = "TunnelToServers"
      Effect    = "Allow"
      Action    = "ssm:StartSession"
      Resource  = "arn:aws:ec2:${var.region}:${local.account}:instance/*"
      Condition = { StringEquals = { "ssm:resourceTag/stack" = var.name, "ssm:resourceTag/role" = "server" } }
    },
    {
      Sid    = "TunnelOnly"
      Effect = "Allow"
      Action = "ssm:StartSession"
      Resource = [
        "arn:aws:ssm:${var.region}::document/AWS-StartPortForwardingSession",
        "arn:aws:ssm:${var.region}::document/AWS-StartPortForwardingSessionToRemoteHost",
      ]
    },
  ]

  # LaunchInstances starts machines in its caller's name: so CI may run instances, but only of the
  # nodes' launch template, and hand them the nodes' role and no other.
  launch = [
    {
      Sid      = "LaunchNodes"
      Effect   = "Allow"
      Action   = ["autoscaling:LaunchInstances", "autoscaling:SetDesiredCapacity"]
      Resource = local.group_arn
    },
    {
      Sid      = "WhyNoNodeComes"
      Effect   = "Allow"
      Action   = "autoscaling:DescribeScalingActivities"
      Resource = "*"
    },
    {
      Sid      = "Fleet"
      Effect   = "Allow"
      Action   = ["ec2:CreateFleet", "ec2:DescribeLaunchTemplateVersions"]
      Resource = "*"
    },
    {
      Sid       = "RunNodes"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = "*"
      Condition = { ArnEquals = { "ec2:LaunchTemplate" = aws_launch_template.node.arn } }
    },
    {
      Sid       = "TagNodes"
      Effect    = "Allow"
      Action    = "ec2:CreateTags"
      Resource  = "arn:aws:ec2:${var.region}:${local.account}:*/*"
      Condition = { StringEquals = { "ec2:CreateAction" = ["CreateFleet", "RunInstances"] } }
    },
    {
      Sid       = "NodesRole"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = aws_iam_role.nodes.arn
      Condition = { StringEquals = { "iam:PassedToService" = "ec2.amazonaws.com" } }
    },
  ]

  # Destroying an app, which both do, removes its images.
  tidy = {
    for name in keys(var.projects) : name => [
      {
        Sid      = "RegistryLogin"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "OldImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchDeleteImage", "ecr:ListImages"]
        Resource = aws_ecr_repository.apps[name].arn
      },
    ]
  }

  publish = {
    for name in keys(var.projects) : name => [
      {
        Sid    = "NewImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = [for image in concat([name], local.platform_images) : aws_ecr_repository.apps[image].arn]
      },
      {
        Sid       = "AssetsList"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = aws_s3_bucket.assets.arn
        Condition = { StringLike = { "s3:prefix" = ["${name}/*"] } }
      },
      {
        Sid      = "Assets"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "${aws_s3_bucket.assets.arn}/${name}/*"
      },
    ]
  }
}

resource "aws_iam_openid_connect_provider" "circleci" {
  url            = "https://${local.issuer}"
  client_id_list = [var.circleci_organization_id]
}

resource "aws_iam_role" "ci" {
  for_each = local.ci

  name                 = "${var.name}-${each.key}"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.circleci.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.issuer}:aud"                          = var.circleci_organization_id
          "${local.issuer}:oidc.circleci.com/project-id" = var.projects[each.value.project].circleci_project_id
        }
        StringLike = {
          "${local.issuer}:sub" = join("/", [
            "org/${var.circleci_organization_id}",
            "project/${var.projects[each.value.project].circleci_project_id}",
            "user/*",
            "vcs-origin/github.com/${var.projects[each.value.project].repository}",
            "vcs-ref/refs/heads/${each.value.branch}",
          ])
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "ci" {
  for_each = local.ci

  name = "ci"
  role = aws_iam_role.ci[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.reach,
      local.tidy[each.value.project],
      local.databases_prune,
      [
        for right in concat(local.launch, local.publish[each.value.project], local.databases_deploy) :
        right if endswith(each.key, "-deploy")
      ],
    )
  })
}
