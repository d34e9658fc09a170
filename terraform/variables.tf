# What a team decides. Only `domain` and `projects` have no default.

variable "name" {
  description = "Name of this installation; everything it makes is called so."
  type        = string
  default     = "reviewapps"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "Lower-case letters, digits and hyphens, at most 20 characters."
  }

  # CI may delete RDS instances called review-*, and the stack's own is called as the stack.
  validation {
    condition     = !startswith(var.name, "review-")
    error_message = "review-... is what databases of single apps are called."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"
}

variable "domain" {
  description = "Domain below which every app has its host. Use one of its own, not a child of the company's: branches run untrusted code."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "A domain name such as example-previews.com, in lower case."
  }
}

variable "zone_id" {
  description = "Route 53 zone that holds the domain; empty makes one for it."
  type        = string
  default     = ""
}

variable "projects" {
  description = "Applications that get review apps. CI may assume a project's role only from its own CircleCI project and GitHub repository."
  type = map(object({
    repository          = string
    circleci_project_id = string
    default_branch      = optional(string, "main")
  }))

  validation {
    condition     = alltrue([for name in keys(var.projects) : can(regex("^[a-z][a-z0-9-]{0,29}$", name))])
    error_message = "A project's name has lower-case letters, digits and hyphens, at most 30 characters."
  }

  validation {
    condition     = !contains(keys(var.projects), "router") && !contains(keys(var.projects), "redis")
    error_message = "`router` and `redis` are names of the platform's own images."
  }

  validation {
    condition = alltrue([
      for project in values(var.projects) :
      can(regex("^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", project.repository))
    ])
    error_message = "A repository is written owner/name; a * would let any repository in."
  }

  validation {
    condition = alltrue([
      for project in values(var.projects) :
      can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", project.circleci_project_id))
    ])
    error_message = "A CircleCI project id is a UUID (Project Settings, Overview)."
  }

  validation {
    condition = alltrue([
      for project in values(var.projects) :
      can(regex("^[A-Za-z0-9._/-]+$", project.default_branch))
    ])
    error_message = "A default branch has no * or ? in it: they would match other branches."
  }
}

variable "circleci_organization_id" {
  description = "CircleCI organization id, a UUID (Organization Settings, Overview)."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.circleci_organization_id))
    error_message = "A UUID."
  }
}

variable "network_cidr" {
  description = "Address range of the network, a /16."
  type        = string
  default     = "10.90.0.0/16"

  validation {
    condition     = can(cidrhost(var.network_cidr, 0)) && endswith(var.network_cidr, "/16")
    error_message = "A /16, such as 10.90.0.0/16."
  }
}

variable "visitors" {
  description = "Address ranges that may open the apps. Narrow it to your VPN if previews are not public."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "server_count" {
  description = "Machines that run the servers of Nomad and Consul: 3 survive the loss of one, 1 is cheap."
  type        = number
  default     = 3

  validation {
    condition     = contains([1, 3], var.server_count)
    error_message = "1 or 3."
  }
}

variable "server_type" {
  description = "Instance type of a server."
  type        = string
  default     = "t3.small"
}

variable "node_types" {
  description = "Instance types of nodes. More types mean fewer spot interruptions; all should be about as big."
  type        = list(string)
  default     = ["t3.large", "t3a.large", "m5.large", "m5a.large", "m6i.large", "m6a.large"]
}

variable "node_minimum" {
  description = "Nodes that always run. At 0 nothing answers until the first deploy has launched one."
  type        = number
  default     = 1
}

variable "node_maximum" {
  description = "Most nodes that may ever run: the limit of what this costs."
  type        = number
  default     = 10
}

variable "on_demand_percentage" {
  description = "Share of nodes that are not spot. Keep 0 or 100, which AWS's launch-instances call needs."
  type        = number
  default     = 0
}

variable "node_disk_gb" {
  description = "Disk of a node: images and containers."
  type        = number
  default     = 60
}

variable "ami_id" {
  description = "Image of all machines, Ubuntu or Debian with cloud-init; empty takes Ubuntu 24.04."
  type        = string
  default     = ""
}

variable "nomad_version" {
  description = "Version of Nomad from HashiCorp's apt repository."
  type        = string
  default     = "1.11.3"
}

variable "consul_version" {
  description = "Version of Consul from HashiCorp's apt repository."
  type        = string
  default     = "1.22.7"
}

variable "router_port" {
  description = "Port on which the router of every node takes requests from the balancer."
  type        = number
  default     = 8080
}

variable "router_health_port" {
  description = "Port on which the router answers /health."
  type        = number
  default     = 9145
}

variable "database_engine" {
  description = "Shared database of the apps: postgres, mysql or none."
  type        = string
  default     = "postgres"

  validation {
    condition     = contains(["postgres", "mysql", "none"], var.database_engine)
    error_message = "postgres, mysql or none."
  }
}

variable "database_class" {
  description = "Instance class of the database."
  type        = string
  default     = "db.t4g.medium"
}

variable "database_disk_gb" {
  description = "Disk of the database; it grows up to four times this by itself."
  type        = number
  default     = 50
}

variable "database_snapshots" {
  description = "RDS snapshots that apps of mode snapshot may be restored from; * stands for any characters. With any, CI makes and deletes RDS instances called review-*."
  type        = list(string)
  default     = []
}

variable "database_servers" {
  description = "Further RDS instances that CI may make when they are missing (`create` in the settings); the shared one is made here."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for name in var.database_servers : can(regex("^[a-z](-?[a-z0-9])*$", name)) && !startswith(name, "review-")
    ])
    error_message = "A name of an RDS instance, without *; review-... is what databases of single apps are called."
  }
}

variable "keep_data" {
  description = "Guards the database and the bucket against `terraform destroy`."
  type        = bool
  default     = true
}

variable "assets_days" {
  description = "Days that an uploaded asset lives after its last upload."
  type        = number
  default     = 90
}

variable "images_kept" {
  description = "Images kept for each project."
  type        = number
  default     = 200
}
