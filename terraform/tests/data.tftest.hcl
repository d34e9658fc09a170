# Database, assets, images and secrets. AWS is mocked: nothing is made.

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

run "data_is_encrypted_and_private" {
  assert {
    condition     = aws_db_instance.apps[0].storage_encrypted && !aws_db_instance.apps[0].publicly_accessible && aws_db_instance.apps[0].manage_master_user_password
    error_message = "The database is encrypted, private, and AWS keeps its password."
  }
  assert {
    condition     = aws_db_instance.apps[0].deletion_protection && !aws_db_instance.apps[0].skip_final_snapshot
    error_message = "The database is kept unless it is said twice."
  }
  assert {
    condition     = contains([for parameter in aws_db_parameter_group.apps[0].parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    error_message = "The database takes TLS only."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.assets.block_public_acls,
      aws_s3_bucket_public_access_block.assets.block_public_policy,
      aws_s3_bucket_public_access_block.assets.ignore_public_acls,
      aws_s3_bucket_public_access_block.assets.restrict_public_buckets,
      aws_s3_bucket_ownership_controls.assets.rule[0].object_ownership == "BucketOwnerEnforced",
    ])
    error_message = "The bucket is never public."
  }
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.apps : repository.image_tag_mutability == "IMMUTABLE"])
    error_message = "A tag names one image for ever."
  }
  assert {
    condition     = length([for name in keys(aws_secretsmanager_secret.cluster) : name]) == 3
    error_message = "Terraform makes three empty secrets and puts nothing into them."
  }
}

run "no_database_when_none_is_wanted" {
  variables {
    database_engine = "none"
  }
  assert {
    condition     = length(aws_db_instance.apps) == 0 && length([for name in keys(aws_vpc_security_group_ingress_rule.between) : name if strcontains(name, "database")]) == 0
    error_message = "No database, and no way to one."
  }
}

run "mysql_takes_tls_only_and_lets_apps_make_triggers" {
  variables {
    database_engine = "mysql"
  }
  assert {
    condition = toset([for parameter in aws_db_parameter_group.apps[0].parameter : "${parameter.name}=${parameter.value}"]) == toset([
      "log_bin_trust_function_creators=1",
      "require_secure_transport=1",
    ])
    error_message = "With RDS' binary log on, an app's login makes no trigger or function without log_bin_trust_function_creators."
  }
}
