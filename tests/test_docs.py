"""What the pages say of tests is true: every test that a page names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.fixture(scope="module")
def tests() -> str:
    """All tests' source."""
    return "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_a_page_names_is_there(page: Path, tests: str) -> None:
    text = page.read_text()
    for name in set(re.findall(r"`(test_\w+)`", text)):
        assert f"def {name}(" in tests, name
    for file in set(re.findall(r"\btests/[\w/]+\.py", text)):
        assert (ROOT / file).is_file(), file
