"""The stack is well written, valid, and `terraform test` holds; each guard is seen to guard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.stack import Stack, copy_of_stack


@pytest.fixture
def changeable(tmp_path: Path, stack: Stack) -> Iterator[Stack]:
    copy = copy_of_stack(tmp_path / "terraform")
    yield copy


def test_files_are_formatted(stack: Stack) -> None:
    assert stack.run("fmt", "-check", "-recursive").stdout == ""


def test_files_are_valid(stack: Stack) -> None:
    assert "valid" in stack.run("validate", "-no-color").stdout


def test_what_must_hold_holds(stack: Stack, rights_told: list[dict[str, Any]]) -> None:
    """`terraform test` with a mocked AWS: groups, IMDSv2, encryption, buckets, rights, outputs."""
    others = ["data", "machines", "network", "variables"]
    told = stack.run("test", "-no-color", *(f"-filter=tests/{each}.tftest.hcl" for each in others))
    assert "12 passed, 0 failed" in told.stdout, "a test was not found"
    said = [each for each in rights_told if each["type"] in ("diagnostic", "test_summary")]
    assert (said[-1]["test_summary"]["passed"], said[-1]["test_summary"]["failed"]) == (5, 0), said


def test_every_file_of_tests_is_run(stack: Stack) -> None:
    found = {each.name for each in (stack.folder / "tests").glob("*.tftest.hcl")}
    assert found == {
        f"{each}.tftest.hcl" for each in ("data", "machines", "network", "rights", "variables")
    }


MISTAKES = [
    (
        "network",
        "firewall.tf",
        '["servers", "nodes", "tcp", 4647, 4647],',
        '["servers", "nodes", "tcp", 4646, 4647],',
    ),
    (
        "network",
        "firewall.tf",
        "setproduct(var.visitors, [80, 443])",
        "setproduct(var.visitors, [80, 443, 4646])",
    ),
    (
        "network",
        "nodes.tf",
        "associate_public_ip_address = false",
        "associate_public_ip_address = true",
    ),
    (
        "machines",
        "servers.tf",
        "http_put_response_hop_limit = 1",
        "http_put_response_hop_limit = 2",
    ),
    (
        "machines",
        "nodes.tf",
        'http_tokens                 = "required"',
        'http_tokens                 = "optional"',
    ),
    ("data", "assets.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    ("data", "database.tf", "storage_encrypted     = true", "storage_encrypted     = false"),
    (
        "rights",
        "ci.tf",
        '{ project = name, branch = "deploy-*" }',
        '{ project = name, branch = "*" }',
    ),
    (
        "rights",
        "nodes.tf",
        'Resource = aws_secretsmanager_secret.cluster["node"].arn',
        'Resource = "*"',
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "file", "right", "wrong"), MISTAKES)
def test_a_mistake_is_noticed(
    changeable: Stack, subject: str, file: str, right: str, wrong: str
) -> None:
    changeable.change(file, right, wrong)
    told = changeable.run("test", "-no-color", f"-filter=tests/{subject}.tftest.hcl", check=False)
    assert told.returncode == 1
    assert "1 failed" in told.stdout
