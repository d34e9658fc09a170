# The network: public subnets for the balancer and the way out, private ones for all machines.

data "aws_availability_zones" "here" {
  state = "available"
}

locals {
  zones = slice(data.aws_availability_zones.here.names, 0, 3)

  # A route may only name an address in `node_network`; servers and databases lie outside it.
  public_ranges = [for index in range(3) : cidrsubnet(var.network_cidr, 8, index)]
  server_ranges = [for index in range(3) : cidrsubnet(var.network_cidr, 8, 16 + index)]
  node_network  = cidrsubnet(var.network_cidr, 1, 1)
  node_ranges   = [for index in range(3) : cidrsubnet(local.node_network, 2, index)]
}

resource "aws_vpc" "apps" {
  cidr_block           = var.network_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# Nothing of ours uses the default group; without rules nobody else can either.
resource "aws_default_security_group" "unused" {
  vpc_id = aws_vpc.apps.id
}

resource "aws_internet_gateway" "apps" {
  vpc_id = aws_vpc.apps.id
  tags   = { Name = var.name }
}

resource "aws_subnet" "public" {
  count             = 3
  vpc_id            = aws_vpc.apps.id
  availability_zone = local.zones[count.index]
  cidr_block        = local.public_ranges[count.index]
  tags              = { Name = "${var.name}-public-${count.index}" }
}

resource "aws_subnet" "servers" {
  count             = 3
  vpc_id            = aws_vpc.apps.id
  availability_zone = local.zones[count.index]
  cidr_block        = local.server_ranges[count.index]
  tags              = { Name = "${var.name}-servers-${count.index}" }
}

resource "aws_subnet" "nodes" {
  count             = 3
  vpc_id            = aws_vpc.apps.id
  availability_zone = local.zones[count.index]
  cidr_block        = local.node_ranges[count.index]
  tags              = { Name = "${var.name}-nodes-${count.index}" }
}

# One gateway for all zones: a preview need not survive the loss of a zone, and each costs a server.
resource "aws_eip" "way_out" {
  domain     = "vpc"
  tags       = { Name = "${var.name}-way-out" }
  depends_on = [aws_internet_gateway.apps]
}

resource "aws_nat_gateway" "way_out" {
  allocation_id = aws_eip.way_out.id
  subnet_id     = aws_subnet.public[0].id
  tags          = { Name = var.name }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.apps.id
  tags   = { Name = "${var.name}-public" }

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.apps.id
  }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.apps.id
  tags   = { Name = "${var.name}-private" }

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.way_out.id
  }
}

resource "aws_route_table_association" "public" {
  count          = 3
  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public[count.index].id
}

resource "aws_route_table_association" "servers" {
  count          = 3
  route_table_id = aws_route_table.private.id
  subnet_id      = aws_subnet.servers[count.index].id
}

resource "aws_route_table_association" "nodes" {
  count          = 3
  route_table_id = aws_route_table.private.id
  subnet_id      = aws_subnet.nodes[count.index].id
}

# Images' layers come from S3: over this they do not pay for the way out.
resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.apps.id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = [aws_route_table.private.id]
  tags            = { Name = "${var.name}-s3" }
}
