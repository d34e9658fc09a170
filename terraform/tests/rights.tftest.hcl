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

# Which actions each role has is compared with the tool's calls in tests/terraform/test_rights.py.
run "ci_has_no_right_over_what_is_not_the_project_s" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement :
      contains(["Look", "RegistryLogin", "Fleet", "WhyNoNodeComes"], statement.Sid) || can(statement.Condition.ArnEquals["ec2:LaunchTemplate"])
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

run "ci_makes_databases_of_the_named_snapshots_and_deletes_no_others" {
  variables {
    database_snapshots = ["shop-nightly", "rds:shop-*"]
    database_servers   = ["reviewapps-mysql"]
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement :
      statement.Resource == "arn:aws:rds:us-east-1:123456789012:db:review-*" &&
      statement.Condition.StringEquals == { "aws:ResourceTag/platform" = "reviewapps", "aws:ResourceTag/kind" = "snapshot" }
      if length(setintersection(flatten([statement.Action]), ["rds:DeleteDBInstance", "rds:ModifyDBInstance"])) > 0
    ])
    error_message = "Only servers that were restored for an app are changed and deleted: known by name and tags."
  }
  assert {
    condition = flatten([
      for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement :
      [for name in flatten([statement.Resource]) : name if strcontains(name, ":snapshot:")]
      if contains(flatten([statement.Action]), "rds:RestoreDBInstanceFromDBSnapshot")
      ]) == [
      "arn:aws:rds:us-east-1:123456789012:snapshot:shop-nightly",
      "arn:aws:rds:us-east-1:123456789012:snapshot:rds:shop-*",
    ]
    error_message = "Only the named snapshots are restored."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.ci["shop-deploy"].policy).Statement :
      length(setsubtract(flatten([statement.Resource]), [
        "arn:aws:rds:us-east-1:123456789012:db:reviewapps-mysql",
        "arn:aws:rds:us-east-1:123456789012:og:*",
        "arn:aws:rds:us-east-1:123456789012:pg:*",
        "arn:aws:rds:us-east-1:123456789012:subgrp:*",
      ])) == 0
      if contains(flatten([statement.Action]), "rds:CreateDBInstance")
    ])
    error_message = "Only the named servers are made."
  }
  assert {
    condition = alltrue([
      for statement in flatten([for policy in aws_iam_role_policy.ci : jsondecode(policy.policy).Statement]) :
      length(setsubtract(statement.Condition.StringLike["aws:ResourceTag/aws:rds:primaryDBInstanceArn"], [
        "arn:aws:rds:us-east-1:123456789012:db:review-*",
        "arn:aws:rds:us-east-1:123456789012:db:reviewapps-mysql",
      ])) == 0
      if can(regex("rds!db-\\*", statement.Resource)) && statement.Action == "secretsmanager:GetSecretValue"
    ])
    error_message = "No password of another server is read."
  }
}

run "a_node_that_was_broken_into_can_do_little" {
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.nodes.policy).Statement : statement.Resource if statement.Sid == "Join"] == [aws_secretsmanager_secret.cluster["node"].arn]
    error_message = "A node reads its own secret: neither the servers' nor CI's nor the database's."
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
        instance = "reviewapps"
        ca_file  = "/etc/ssl/certs/rds-global-bundle.pem"
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
