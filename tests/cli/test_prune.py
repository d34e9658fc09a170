"""`reviewapps prune`: what it tells, and that it looks again before it removes anything."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from reviewapps import apps
from reviewapps.errors import Failed, Superseded
from reviewapps.store.record import Record
from tests import repositories
from tests.cli.stand_in import consul, record, run

HERE = "github.com/acme/guestbook"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    repositories.make(tmp_path, {"reviewapps.yml": "project: guestbook\n"})
    repositories.git(tmp_path, "remote", "add", "origin", "git@github.com:acme/guestbook.git")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Remote:
    """A remote that answers each question with the next of its lists, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[list[str]] = [["main"]]
        self.asked = 0

    def branches(self, *_: Any) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    made = Remote()
    monkeypatch.setattr("reviewapps.clients.git.remote_branches", made.branches)
    yield made


@pytest.fixture
def destroyed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The branches whose apps were destroyed; one with `crash` or `newer` in its name is not."""
    found: list[str] = []

    def destroy(_: Any, app: Record, *_more: Any, if_unchanged: bool) -> None:
        assert if_unchanged
        if "crash" in app.branch:
            raise Failed("the database does not go")
        if "newer" in app.branch:
            raise Superseded("something else was asked for it meanwhile")
        found.append(app.branch)

    monkeypatch.setattr(apps, "destroy", destroy)
    return found


def prune(*names: str, options: tuple[str, ...] = (), **changes: Any) -> Result:
    known = [
        record(name, f"{name.removeprefix('deploy-')}-ajjyeh", repository=HERE, **changes)
        for name in names
    ]
    return run("prune", *options, consul=consul(*known))


@pytest.mark.usefixtures("place")
def test_what_has_no_branch_goes(remote: Remote, destroyed: list[str]) -> None:
    remote.answers = [["main", "deploy-a"]]
    result = prune("deploy-a", "deploy-b")
    assert result.exit_code == 0, result.output
    assert destroyed == ["deploy-b"]
    assert result.stdout == "Removing deploy-b: its branch is gone.\n"
    again = prune("deploy-a")
    assert again.stdout == "Nothing to remove: there is 1 app of guestbook, each with a branch.\n"


@pytest.mark.usefixtures("place")
def test_a_dry_run_only_tells(remote: Remote, destroyed: list[str]) -> None:
    result = prune("deploy-a", options=("--dry-run",))
    assert result.stdout == "Would remove deploy-a: its branch is gone.\n"
    as_json = prune("deploy-a", options=("--dry-run", "--json"))
    assert json.loads(as_json.stdout) == {
        "removed": [],
        "would_remove": [{"slug": "a-ajjyeh", "reason": "its branch is gone"}],
        "spared": [],
        "failed": [],
        "foreign": [],
    }
    assert destroyed == []
    assert remote.asked == 2


@pytest.mark.usefixtures("place")
def test_a_branch_that_was_pushed_again_meanwhile_keeps_its_app(
    remote: Remote, destroyed: list[str]
) -> None:
    remote.answers = [["main"], ["main"], ["main", "deploy-b"]]
    result = prune("deploy-a", "deploy-b")
    assert result.exit_code == 0, result.output
    assert destroyed == ["deploy-a"]
    assert "deploy-b stays: its branch is there again.\n" in result.stdout


@pytest.mark.usefixtures("place")
def test_an_app_that_was_deployed_anew_meanwhile_stays(
    remote: Remote, destroyed: list[str]
) -> None:
    result = prune("deploy-newer", "deploy-b", options=("--json",))
    assert result.exit_code == 0, result.output
    assert destroyed == ["deploy-b"]
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["removed"] == ["b-ajjyeh"]
    reason = "something else was asked for it meanwhile"
    assert told["spared"] == [{"slug": "newer-ajjyeh", "reason": reason}]


@pytest.mark.usefixtures("place", "remote")
def test_one_that_fails_does_not_keep_the_next_from_going(destroyed: list[str]) -> None:
    result = prune("deploy-crash", "deploy-z", options=("--json",))
    assert result.exit_code == 1
    assert destroyed == ["deploy-z"]
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["failed"] == [{"slug": "crash-ajjyeh", "error": "the database does not go"}]
    assert "Error: the database does not go" in result.stderr


@pytest.mark.usefixtures("place")
def test_another_repository_s_apps_are_told_and_left(remote: Remote, destroyed: list[str]) -> None:
    fork = record("deploy-a", "a-ajjyeh", repository="github.com/ada/guestbook")
    other = record("deploy-b", "b-ajjyeh", project="shop")
    result = run("prune", consul=consul(fork, other))
    assert result.exit_code == 0, result.output
    assert destroyed == []
    assert "a-ajjyeh stays: it is of the repository github.com/ada/guestbook" in result.stderr
    assert remote.asked == 0, "there is nothing to ask for"


@pytest.mark.usefixtures("place")
def test_a_remote_that_fails_removes_nothing(destroyed: list[str], place: Path) -> None:
    repositories.git(place, "remote", "set-url", "origin", str(place / "gone"))
    known = record("deploy-a", "a-ajjyeh")
    result = run("prune", consul=consul(known))
    assert result.exit_code == 5, result.output
    unknown = run("prune", "--remote", "upstream", consul=consul(known))
    assert unknown.exit_code == 5
    assert "the remote upstream cannot be asked for its branches" in unknown.stderr
    assert destroyed == []
