"""CI's roles hold the rights for every call that the tool makes."""

import re
from pathlib import Path

from reviewapps import packages

CALL = re.compile(r"""(?:client\("([a-z0-9]+)"\)|_api)\s*\.\s*([a-z0-9_]+)\(""")
SERVICE = re.compile(r"""\.client\("([a-z0-9]+)"\)""")
CLIENTS = Path(packages.__file__).parent / "clients"
OTHERWISE = {  # calls that IAM calls otherwise
    "s3:GetPaginator": "s3:ListBucket",
    "rds:GetPaginator": "rds:DescribeDBInstances",
}


def calls(text: str) -> set[str]:
    """Return the calls of AWS in a module, as IAM writes them."""
    services = SERVICE.findall(text)
    found = set()
    for named, method in CALL.findall(text):
        service = named or services[0]
        call = f"{service}:{''.join(part.capitalize() for part in method.split('_'))}"
        found.add(OTHERWISE.get(call, call.replace("Db", "DB")))
    return found


def test_every_call_of_aws_is_allowed_to_ci() -> None:
    made = set().union(
        *(calls(file.read_text()) for file in [*CLIENTS.glob("aws/*.py"), CLIENTS / "registry.py"])
    )
    assert "autoscaling:TerminateInstanceInAutoScalingGroup" in made, "calls are not recognised"
    granted = (packages.folder("terraform") / "ci.tf").read_text()
    assert sorted(call for call in made if f'"{call}"' not in granted) == []
