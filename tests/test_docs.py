"""What the pages say is true: the tests that they name are there, and so are the demo's names."""

import re
from pathlib import Path

import pytest

from reviewapps import naming
from reviewapps.local import demo

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


def test_the_readme_shows_the_demo_as_it_is_today(tmp_path: Path) -> None:
    """Its commits have fixed dates, so they change only with the example."""
    text = (ROOT / "README.md").read_text()
    commits = demo.ensure(tmp_path / "guestbook")
    for branch in ("deploy-blue", "deploy-green", "deploy-mine"):
        commit = commits.get(branch, commits["deploy-blue"])[:12]
        slug = naming.slug("guestbook", branch)
        row = rf"^{branch} .* {commit} .*http://{slug}\.localhost:8080$"
        assert re.search(row, text, re.M) or f"guestbook:{slug}-{commit}\n" in text
