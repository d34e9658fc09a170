"""`reviewapps destroy`: whose app is meant, before anything is removed."""

from pathlib import Path
from typing import Any

import pytest

from reviewapps import apps
from tests import repositories
from tests.cli.stand_in import consul, record, run

THEIRS = "github.com/acme/other"


@pytest.fixture
def destroyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The slugs of the apps that were destroyed from acme/guestbook's folder."""
    repositories.make(tmp_path, {"reviewapps.yml": "project: guestbook\n"})
    repositories.git(tmp_path, "remote", "add", "origin", "git@github.com:acme/guestbook.git")
    monkeypatch.chdir(tmp_path)
    found: list[str] = []
    monkeypatch.setattr(apps, "destroy", lambda _, app, *_more, **_options: found.append(app.slug))
    return found


def destroy(name: str, repository: str) -> Any:
    return run("destroy", name, consul=consul(record(repository=repository)))


def test_a_branch_does_not_mean_another_repository_s_app(destroyed: list[str]) -> None:
    done = destroy("deploy-blue", THEIRS)
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: blue-ajjyeh is the app of 'deploy-blue' of github.com/acme/other, "
        "and this is github.com/acme/guestbook\n"
        "  Next: if that app is meant: reviewapps destroy blue-ajjyeh\n"
    )
    assert destroyed == []


def test_a_slug_means_its_app_wherever_it_was_deployed_from(destroyed: list[str]) -> None:
    assert destroy("blue-ajjyeh", THEIRS).exit_code == 0
    assert destroyed == ["blue-ajjyeh"]


@pytest.mark.parametrize("repository", ["github.com/acme/guestbook", ""])
def test_a_branch_means_this_repository_s_app(destroyed: list[str], repository: str) -> None:
    assert destroy("deploy-blue", repository).exit_code == 0
    assert destroyed == ["blue-ajjyeh"]
