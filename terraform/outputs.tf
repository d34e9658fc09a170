# What `reviewapps` and CI need to know; none of it is secret.

locals {
  settings = merge(
    {
      domain       = var.domain
      url_scheme   = "https"
      url_port     = 443
      node_network = local.node_network

      # The balancer's subnets: only from there is a word on the client's address taken.
      trusted_proxies = local.public_ranges
      nomad           = { address = "http://127.0.0.1:4646", datacenter = "dc1" }
      consul          = { address = "http://127.0.0.1:8500" }
      docker          = { registry = local.registry, redis_image = "${local.registry}/redis:7" }
      aws = {
        region        = var.region
        group         = local.group
        assets_bucket = aws_s3_bucket.assets.bucket
        assets_host   = aws_cloudfront_distribution.assets.domain_name
      }
    },
    {
      # By its name alone: where it is and which secret has its password is asked at each run, so
      # that a server that was replaced or restored is found without another commit.
      for database in aws_db_instance.apps : local.database_section => {
        instance = database.identifier
        ca_file  = "/etc/ssl/certs/rds-global-bundle.pem"
      }
    },
  )

  database_section = { postgres = "postgresql", mysql = "mysql", none = "none" }[var.database_engine]
  registry         = "${local.account}.dkr.ecr.${var.region}.amazonaws.com/${var.name}"
}

output "settings" {
  description = "The file that REVIEWAPPS_SETTINGS names: terraform output -raw settings > reviewapps.settings.yml"
  value       = yamlencode(local.settings)
}

output "ci" {
  description = "Each project's .circleci/reviewapps.env: terraform output -json ci | jq -r .PROJECT"
  value = {
    for name in keys(var.projects) : name => join("", [
      for variable, value in {
        AWS_REGION             = var.region
        REVIEWAPPS_SETTINGS    = ".circleci/reviewapps.settings.yml"
        REVIEWAPPS_DEPLOY_ROLE = aws_iam_role.ci["${name}-deploy"].arn
        REVIEWAPPS_PRUNE_ROLE  = aws_iam_role.ci["${name}-prune"].arn
        REVIEWAPPS_TOKENS      = aws_secretsmanager_secret.cluster["deploy"].arn
        REVIEWAPPS_SERVERS     = "${var.name}-server-*"
        REVIEWAPPS_DATABASE    = join("", aws_db_instance.apps[*].endpoint)
      } : "export ${variable}='${value}'\n"
    ])
  }
}

output "nomad_addr" {
  description = "Nomad at this end of the tunnel."
  value       = local.settings.nomad.address
}

output "consul_addr" {
  description = "Consul at this end of the tunnel."
  value       = local.settings.consul.address
}

output "domain" {
  description = "Domain of the apps."
  value       = var.domain
}

output "name_servers" {
  description = "Name servers to enter at the domain's registrar, when Terraform made the zone."
  value       = flatten(aws_route53_zone.apps[*].name_servers)
}

output "asg_name" {
  description = "Auto scaling group of the nodes."
  value       = aws_autoscaling_group.nodes.name
}

output "database_endpoint" {
  description = "Host and port of the database; null without one."
  value       = one(aws_db_instance.apps[*].endpoint)
}

output "database_secret_arn" {
  description = "Secret with the database administrator's password; null without a database."
  value       = one([for database in aws_db_instance.apps : one(database.master_user_secret[*].secret_arn)])
}

output "registry" {
  description = "Where images are pushed to; a project's repository is below it."
  value       = local.registry
}

output "assets_bucket" {
  description = "Bucket of the assets."
  value       = aws_s3_bucket.assets.bucket
}

output "assets_host" {
  description = "Host that serves the assets."
  value       = aws_cloudfront_distribution.assets.domain_name
}
