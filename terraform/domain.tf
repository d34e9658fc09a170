# The domain: its zone, the wildcard certificate and the records that lead to the balancer.

resource "aws_route53_zone" "apps" {
  count = var.zone_id == "" ? 1 : 0
  name  = var.domain
}

locals {
  zone_id = var.zone_id == "" ? one(aws_route53_zone.apps[*].zone_id) : var.zone_id

  # The domain and its wildcard are proved by one and the same record.
  proof = tolist(aws_acm_certificate.apps.domain_validation_options)[0]
}

resource "aws_acm_certificate" "apps" {
  domain_name               = var.domain
  subject_alternative_names = ["*.${var.domain}"]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "proof" {
  zone_id         = local.zone_id
  name            = local.proof.resource_record_name
  type            = local.proof.resource_record_type
  records         = [local.proof.resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "apps" {
  certificate_arn         = aws_acm_certificate.apps.arn
  validation_record_fqdns = [aws_route53_record.proof.fqdn]
}

resource "aws_route53_record" "apps" {
  for_each = toset([var.domain, "*.${var.domain}"])

  zone_id = local.zone_id
  name    = each.key
  type    = "A"

  alias {
    name                   = aws_lb.apps.dns_name
    zone_id                = aws_lb.apps.zone_id
    evaluate_target_health = false
  }
}
