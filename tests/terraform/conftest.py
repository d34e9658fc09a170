"""One initialised copy of the stack, and one run of the rights' tests, for all tests that read."""

import json
from typing import Any

import pytest

from tests.terraform.stack import Stack, copy_of_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return copy_of_stack(tmp_path_factory.mktemp("stack") / "terraform")


@pytest.fixture(scope="session")
def rights_told(stack: Stack) -> list[dict[str, Any]]:
    """What `terraform test` tells of the rights' tests, with all that the mocked AWS was given."""
    filtered = "-filter=tests/rights.tftest.hcl"
    told = stack.run("test", "-json", "-verbose", filtered, check=False).stdout
    return [json.loads(line) for line in told.splitlines()]
