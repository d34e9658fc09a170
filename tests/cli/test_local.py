"""`reviewapps local down` asks before it removes anything, and needs an answer."""

import pytest
from click.testing import CliRunner, Result

from reviewapps.cli import local, main
from reviewapps.local.cluster import Cluster


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The clusters that were taken down."""
    found: list[str] = []
    monkeypatch.setattr(local, "load", lambda name: Cluster(name, 3))
    monkeypatch.setattr(local, "take_down", lambda _, cluster: found.append(cluster.name))
    return found


def down(*options: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["local", "down", *options], input=answer)


def test_a_yes_removes_it(removed: list[str]) -> None:
    assert down(answer="y\n").exit_code == 0
    assert down("--yes", "--name", "mine").exit_code == 0
    assert removed == ["local", "mine"]


def test_a_no_removes_nothing(removed: list[str]) -> None:
    assert down(answer="n\n").exit_code == 130
    assert removed == []


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ((), "reviewapps local down --yes"),
        (("--name", "mine"), "reviewapps local down --yes --name mine"),
    ],
)
def test_where_nobody_can_answer_it_says_how_to_go_on(
    removed: list[str], options: tuple[str, ...], command: str
) -> None:
    done = down(*options)
    assert done.exit_code == 2
    assert "Error: nobody is there to answer, so nothing was stopped" in done.stderr
    assert done.stderr.endswith(f"  Next: {command}\n")
    assert removed == []
