"""What docs/aws.md says it costs: by the resources that Terraform makes, and summed up rightly."""

import re
from pathlib import Path

from reviewapps import packages

DOCUMENT = Path(__file__).parents[2] / "docs" / "aws.md"
COSTS = DOCUMENT.read_text().partition("## What it costs")[2].partition("\n## ")[0]
HOURS = 730
FREE = {
    *("acm_certificate", "acm_certificate_validation", "cloudfront_origin_access_control"),
    *("db_parameter_group", "db_subnet_group", "default_security_group", "ecr_lifecycle_policy"),
    *("iam_instance_profile", "iam_openid_connect_provider", "iam_role", "iam_role_policy"),
    *("internet_gateway", "lb_listener", "lb_target_group", "route53_record", "route_table"),
    *("route_table_association", "s3_bucket_lifecycle_configuration"),
    *("s3_bucket_ownership_controls", "s3_bucket_policy", "s3_bucket_public_access_block"),
    *("s3_bucket_server_side_encryption_configuration", "security_group", "subnet", "vpc"),
    "vpc_endpoint",  # of the kind that S3 has, a gateway
    *("vpc_security_group_egress_rule", "vpc_security_group_ingress_rule"),
}


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in row] for row in cells if "---" not in row[0]][1:]


def table(head: str) -> list[list[str]]:
    """Return the rows of the table that begins so."""
    (found,) = [part for part in COSTS.split("\n\n") if part.startswith(head)]
    return rows(found)


def prices() -> dict[str, float]:
    """Return the documented prices by their names."""
    return {row[0]: float(row[1]) for row in table("| price |")}


def resources() -> set[str]:
    """Return the types of everything that Terraform makes."""
    files = packages.folder("terraform").glob("*.tf")
    found = [re.findall(r'^resource "aws_(\w+)"', file.read_text(), re.M) for file in files]
    return {kind for kinds in found for kind in kinds}


def test_every_resource_has_its_price_or_is_known_to_cost_nothing() -> None:
    priced = set(re.findall(r"`aws_(\w+)`", COSTS))
    assert priced | FREE == resources()
    assert not priced & FREE


def test_the_table_is_what_the_prices_make() -> None:
    at = prices()
    disk, hour = at["disk"], HOURS
    servers = 3 * (at["server"] * hour + 20 * disk)
    node = at["node"] * hour + 60 * disk
    database = at["database"] * hour + 50 * at["database disk"]
    kept = at["zone"] + 4 * at["secret"]
    columns = [
        [
            servers,
            nodes * node,
            database,
            (at["balancer"] + units * at["capacity unit"]) * hour,
            at["way out"] * hour + traffic * at["way out, traffic"],
            4 * at["public address"] * hour,
            kept + images * at["images"] + assets * at["assets"],
        ]
        for nodes, units, traffic, images, assets in (
            (1, 0.1, 10, 5, 1),
            (1, 0.3, 50, 25, 5),
            (8, 1.5, 300, 120, 30),
        )
    ]
    *lines, together, an_app = table("| | 0 apps")
    for number, column in enumerate(columns, 1):
        assert [int(line[number]) for line in lines] == [round(value) for value in column]
        assert int(together[number]) == sum(int(line[number]) for line in lines)
    _, five, fifty = (int(each) for each in together[1:])
    assert [int(each) for each in an_app[2:]] == [round(five / 5), round(fifty / 50)]
    saved = [int(each) for each in re.findall(r"saves (\d+)", COSTS)]
    micro = (at["database"] - 0.016) * hour
    assert saved == [round(each) for each in (servers * 2 / 3, micro, database, node)]


def test_the_sizes_are_terraform_s_own() -> None:
    """The table's words name what the variables have by default."""
    text = "\n".join(file.read_text() for file in packages.folder("terraform").glob("*.tf"))
    defaults = dict(re.findall(r'variable "(\w+)" \{[^}]*?\bdefault +=\s+(\S+)', text))
    assert defaults["server_type"] == '"t3.small"'
    assert (defaults["server_count"], defaults["node_minimum"]) == ("3", "1")
    assert (defaults["node_disk_gb"], defaults["database_disk_gb"]) == ("60", "50")
    assert defaults["database_class"] == '"db.t4g.medium"'
