# CI's rights over database servers at RDS. The shared one it only finds; names and tags keep what it
# makes and deletes apart from all others in the account.

locals {
  rds         = "arn:aws:rds:${var.region}:${local.account}"
  rds_secrets = "arn:aws:secretsmanager:${var.region}:${local.account}:secret:rds!db-*"
  restores    = length(var.database_snapshots) > 0
  creates     = length(var.database_servers) > 0

  # The name and the tags are the tool's: reviewapps/steps/instance.py.
  restored      = "${local.rds}:db:review-*"
  restored_tags = { "aws:ResourceTag/platform" = "reviewapps", "aws:ResourceTag/kind" = "snapshot" }
  created       = [for name in var.database_servers : "${local.rds}:db:${name}"]
  server_parts  = [for part in ["og", "pg", "subgrp"] : "${local.rds}:${part}:*"]

  # A prune also drops databases on the servers that there are, and deletes those of single apps.
  databases_prune = concat(
    [
      for right in [
        {
          Sid      = "DatabasesLook"
          Effect   = "Allow"
          Action   = "rds:DescribeDBInstances"
          Resource = "${local.rds}:db:*"
        },
      ] : right if local.restores || local.creates || var.database_engine != "none"
    ],
    [
      for right in [
        {
          # RDS marks each password that it keeps with the server that it is of.
          Sid       = "DatabasesCreatedPasswords"
          Effect    = "Allow"
          Action    = "secretsmanager:GetSecretValue"
          Resource  = local.rds_secrets
          Condition = { StringLike = { "aws:ResourceTag/aws:rds:primaryDBInstanceArn" = local.created } }
        },
      ] : right if local.creates
    ],
    [
      for right in [
        {
          Sid       = "DatabasesDelete"
          Effect    = "Allow"
          Action    = "rds:DeleteDBInstance"
          Resource  = local.restored
          Condition = { StringEquals = local.restored_tags }
        },
      ] : right if local.restores
    ],
  )

  databases_deploy = concat(
    [
      for right in [
        {
          Sid       = "DatabasesRestore"
          Effect    = "Allow"
          Action    = ["rds:AddTagsToResource", "rds:RestoreDBInstanceFromDBSnapshot"]
          Resource  = local.restored
          Condition = { StringEquals = { "aws:RequestTag/platform" = "reviewapps", "aws:RequestTag/kind" = "snapshot" } }
        },
        {
          Sid      = "DatabasesRestoreFrom"
          Effect   = "Allow"
          Action   = "rds:RestoreDBInstanceFromDBSnapshot"
          Resource = concat([for name in var.database_snapshots : "${local.rds}:snapshot:${name}"], local.server_parts)
        },
        {
          Sid       = "DatabasesChange"
          Effect    = "Allow"
          Action    = "rds:ModifyDBInstance"
          Resource  = local.restored
          Condition = { StringEquals = local.restored_tags }
        },
        {
          Sid       = "DatabasesRestoredPasswords"
          Effect    = "Allow"
          Action    = "secretsmanager:GetSecretValue"
          Resource  = local.rds_secrets
          Condition = { StringLike = { "aws:ResourceTag/aws:rds:primaryDBInstanceArn" = [local.restored] } }
        },
      ] : right if local.restores
    ],
    [
      for right in [
        {
          Sid       = "DatabasesCreate"
          Effect    = "Allow"
          Action    = ["rds:AddTagsToResource", "rds:CreateDBInstance"]
          Resource  = local.created
          Condition = { StringEquals = { "aws:RequestTag/platform" = "reviewapps", "aws:RequestTag/kind" = "server" } }
        },
        {
          Sid      = "DatabasesCreateOf"
          Effect   = "Allow"
          Action   = "rds:CreateDBInstance"
          Resource = local.server_parts
        },
      ] : right if local.creates
    ],
    [
      for right in [
        {
          # RDS makes the secret of a password that it keeps in its caller's name.
          Sid      = "DatabasesKeepPassword"
          Effect   = "Allow"
          Action   = ["secretsmanager:CreateSecret", "secretsmanager:TagResource"]
          Resource = local.rds_secrets
        },
        {
          Sid      = "DatabasesKeys"
          Effect   = "Allow"
          Action   = "kms:DescribeKey"
          Resource = "arn:aws:kms:${var.region}:${local.account}:key/*"
        },
      ] : right if local.restores || local.creates
    ],
  )
}
