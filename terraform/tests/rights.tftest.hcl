# Who may do what: every role is held against the whole list of its rights. AWS is mocked.

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


run "ci_is_let_in_from_its_own_project_and_branches_only" {
  assert {
    condition = jsondecode(aws_iam_role.ci["shop-deploy"].assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "oidc.circleci.com/org/11111111-1111-1111-1111-111111111111:aud"                          = "11111111-1111-1111-1111-111111111111"
        "oidc.circleci.com/org/11111111-1111-1111-1111-111111111111:oidc.circleci.com/project-id" = "22222222-2222-2222-2222-222222222222"
      }
      StringLike = {
        "oidc.circleci.com/org/11111111-1111-1111-1111-111111111111:sub" = "org/11111111-1111-1111-1111-111111111111/project/22222222-2222-2222-2222-222222222222/user/*/vcs-origin/github.com/acme/shop/vcs-ref/refs/heads/deploy-*"
      }
    }
    error_message = "Deploying is for branches deploy-* of the project's own repository."
  }
  assert {
    condition     = endswith(jsondecode(aws_iam_role.ci["blog-prune"].assume_role_policy).Statement[0].Condition.StringLike["oidc.circleci.com/org/11111111-1111-1111-1111-111111111111:sub"], "/vcs-ref/refs/heads/trunk")
    error_message = "Pruning is for the default branch."
  }
  assert {
    condition     = toset(keys(aws_iam_role.ci)) == toset(["shop-deploy", "shop-prune", "blog-deploy", "blog-prune"])
    error_message = "Two roles for each project."
  }
}

run "ci_may_do_what_the_tool_calls_and_nothing_else" {
  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement : statement.Action])) == toset([
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:LaunchInstances",
      "autoscaling:SetDesiredCapacity",
      "autoscaling:TerminateInstanceInAutoScalingGroup",
      "ec2:CreateFleet",
      "ec2:CreateTags",
      "ec2:DescribeInstances",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:RunInstances",
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchDeleteImage",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:ListImages",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
      "iam:PassRole",
      "s3:ListBucket",
      "s3:PutObject",
      "secretsmanager:GetSecretValue",
      "ssm:StartSession",
    ])
    error_message = "The deploy role's rights are exactly the listed ones."
  }
  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.ci["shop-prune"].policy).Statement : statement.Action])) == toset([
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:SetDesiredCapacity",
      "autoscaling:TerminateInstanceInAutoScalingGroup",
      "ec2:DescribeInstances",
      "ecr:BatchDeleteImage",
      "ecr:BatchGetImage",
      "ecr:GetAuthorizationToken",
      "ecr:ListImages",
      "secretsmanager:GetSecretValue",
      "ssm:StartSession",
    ])
    error_message = "A prune pushes no image and launches nothing."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement :
      contains(["Look", "RegistryLogin", "Fleet"], statement.Sid) || can(statement.Condition.ArnEquals["ec2:LaunchTemplate"])
      if statement.Resource == "*"
    ])
    error_message = "Only what AWS cannot limit by name is for everything; machines run of one launch template only."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement : statement.Resource if statement.Sid == "Assets"
    ] == ["arn:aws:s3:::reviewapps-assets/shop/*"]
    error_message = "A project writes its own assets only."
  }
  assert {
    condition = alltrue([
      for statement in flatten([for policy in aws_iam_role_policy.ci : jsondecode(policy.policy).Statement]) :
      statement.Resource == aws_iam_role.nodes.arn && statement.Condition.StringEquals["iam:PassedToService"] == "ec2.amazonaws.com"
      if anytrue([for action in flatten([statement.Action]) : startswith(action, "iam:")])
    ])
    error_message = "CI hands on the nodes' role and has no other right over roles."
  }
  assert {
    condition = alltrue([
      for statement in flatten([for policy in aws_iam_role_policy.ci : jsondecode(policy.policy).Statement]) :
      alltrue([for action in flatten([statement.Action]) : !strcontains(action, "*")])
    ])
    error_message = "No right is given by a star."
  }
}

run "ci_makes_databases_only_when_asked_and_never_touches_the_shared_one" {
  variables {
    databases_per_app = true
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.ci["shop-prune"].policy).Statement :
      statement.Condition.Null["aws:ResourceTag/stack"] == "true" && statement.Condition.StringEquals["aws:ResourceTag/platform"] == "reviewapps"
      if contains(flatten([statement.Action]), "rds:DeleteDBInstance")
    ])
    error_message = "Only servers that the tool made can be deleted: the stack's own carries the stack's tag."
  }
  assert {
    condition     = length([for statement in jsondecode(aws_iam_role_policy.ci["shop-prune"].policy).Statement : statement if contains(flatten([statement.Action]), "rds:DeleteDBInstance")]) == 1
    error_message = "A prune deletes the servers of apps that are gone."
  }
}

run "a_node_that_was_broken_into_can_do_little" {
  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.nodes.policy).Statement : statement.Action])) == toset([
      "autoscaling:CompleteLifecycleAction",
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
      "elasticloadbalancing:DeregisterTargets",
      "secretsmanager:GetSecretValue",
    ])
    error_message = "A node pulls images, reads what it needs to join, and leaves."
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.nodes.policy).Statement : statement.Resource if statement.Sid == "Join"] == [aws_secretsmanager_secret.cluster["node"].arn]
    error_message = "A node reads its own secret: neither the servers' nor CI's nor the database's."
  }
}

run "a_server_reads_and_fills_the_cluster_s_secrets" {
  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.servers.policy).Statement : statement.Action])) == toset([
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ])
    error_message = "A server has its secrets and the tunnel, and runs no command for Session Manager."
  }
}

run "the_outputs_are_reviewapps_settings" {
  assert {
    condition = yamldecode(output.settings) == {
      domain          = "previews.test"
      url_scheme      = "https"
      url_port        = 443
      node_network    = "10.90.128.0/17"
      nomad           = { address = "http://127.0.0.1:4646", datacenter = "dc1" }
      consul          = { address = "http://127.0.0.1:8500" }
      trusted_proxies = ["10.90.0.0/24", "10.90.1.0/24", "10.90.2.0/24"]
      docker = {
        registry    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/reviewapps"
        redis_image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/reviewapps/redis:7"
      }
      aws = {
        region        = "us-east-1"
        group         = "reviewapps-nodes"
        assets_bucket = aws_s3_bucket.assets.bucket
        assets_host   = "d1.cloudfront.net"
      }
      postgresql = {
        host                = "db.test"
        port                = 5432
        user                = "reviewapps"
        password_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds-db"
        ca_file             = "/etc/ssl/certs/rds-global-bundle.pem"
      }
    }
    error_message = "The settings are complete and hold no secret."
  }
  assert {
    condition = alltrue([
      for variable in ["AWS_REGION", "REVIEWAPPS_SETTINGS", "REVIEWAPPS_DEPLOY_ROLE", "REVIEWAPPS_PRUNE_ROLE", "REVIEWAPPS_TOKENS", "REVIEWAPPS_SERVERS", "REVIEWAPPS_DATABASE"] :
      length(regexall("(?m)^export ${variable}='[^']+'$", output.ci["shop"])) == 1
    ])
    error_message = "CI's file names every variable that circleci/config.yml reads."
  }
}
