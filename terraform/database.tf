# The shared database server: every app has its own database and role in it.

locals {
  database_port = var.database_engine == "mysql" ? 3306 : 5432

  database = {
    postgres = {
      version    = "17"
      family     = "postgres17"
      user       = "reviewapps"
      parameters = { "rds.force_ssl" = "1" }
    }
    mysql = {
      version    = "8.4"
      family     = "mysql8.4"
      user       = "reviewapps"
      parameters = { "require_secure_transport" = "1", "log_bin_trust_function_creators" = "1" }
    }
    none = { version = "", family = "", user = "", parameters = {} }
  }[var.database_engine]
}

resource "aws_db_subnet_group" "apps" {
  name       = var.name
  subnet_ids = aws_subnet.servers[*].id
}

resource "aws_db_parameter_group" "apps" {
  count       = var.database_engine == "none" ? 0 : 1
  name_prefix = "${var.name}-"
  family      = local.database.family

  dynamic "parameter" {
    for_each = local.database.parameters
    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "apps" {
  count      = var.database_engine == "none" ? 0 : 1
  identifier = var.name

  engine               = var.database_engine
  engine_version       = local.database.version
  instance_class       = var.database_class
  port                 = local.database_port
  parameter_group_name = one(aws_db_parameter_group.apps[*].name)
  ca_cert_identifier   = "rds-ca-rsa2048-g1"

  allocated_storage     = var.database_disk_gb
  max_allocated_storage = 4 * var.database_disk_gb
  storage_type          = "gp3"
  storage_encrypted     = true

  username                    = local.database.user
  manage_master_user_password = true

  db_subnet_group_name   = aws_db_subnet_group.apps.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false

  backup_retention_period    = 7
  copy_tags_to_snapshot      = true
  auto_minor_version_upgrade = true
  apply_immediately          = true
  deletion_protection        = var.keep_data
  skip_final_snapshot        = !var.keep_data
  final_snapshot_identifier  = "${var.name}-last"
}
