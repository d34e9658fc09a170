# The versions this was tried with, and the only provider it needs.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      platform = "reviewapps"
      stack    = var.name
    }
  }
}
