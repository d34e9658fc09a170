"""Prune on a real cluster: two repositories with one project's name, and removals begun before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps import apps
from reviewapps.errors import Superseded
from reviewapps.store.record import Record
from reviewapps.store.records import Records
from tests import repositories
from tests.real.apps import Place, leftovers

pytestmark = pytest.mark.real
ODD = "deploy-a\u2028b"


@pytest.fixture
def pushed(place: Place, tmp_path: Path) -> Iterator[Place]:
    """A place with only a web process, whose branches are at a remote."""
    for section in ("database", "redis", "migrate", "seed", "resque"):
        place.write(**{section: None})
    remote = tmp_path / "remote.git"
    repositories.git(tmp_path, "clone", "--quiet", "--bare", str(place.folder), str(remote))
    repositories.git(place.folder, "remote", "add", "origin", str(remote))
    yield place
    for each in records(place):
        place.run("destroy", each.slug)


def records(place: Place) -> list[Record]:
    known = Records(place.clients.consul).all()[0]
    return [each for each in known if each.project == place.project["project"]]


def deploy(place: Place, branch: str) -> Record:
    """Deploy a branch that is at the remote too."""
    place.branch = branch
    place.commit(branch)
    repositories.git(place.folder, "push", "--quiet", "origin", f"refs/heads/{branch}")
    done = place.deploy()
    assert done.code == 0, done.said
    return place.record()


def test_prune_takes_only_what_is_this_repository_s_and_has_no_branch(
    pushed: Place, tmp_path: Path
) -> None:
    stays, odd, lost = (deploy(pushed, each) for each in ("deploy-stays", ODD, "deploy-lost"))
    fork = tmp_path / "fork.git"
    remote = tmp_path / "remote.git"
    repositories.git(tmp_path, "clone", "--quiet", "--bare", str(remote), str(fork))
    repositories.git(pushed.folder, "remote", "set-url", "origin", str(fork))
    theirs = deploy(pushed, "deploy-theirs")
    repositories.git(pushed.folder, "remote", "set-url", "origin", str(remote))
    repositories.git(pushed.folder, "push", "--quiet", "origin", "--delete", "deploy-lost")

    told = pushed.run("prune", "--dry-run")
    assert told.out == "Would remove deploy-lost: its branch is gone.\n"
    assert f"{theirs.slug} stays: it is of the repository {tmp_path / 'fork'}" in told.err
    assert len(records(pushed)) == 4

    done = pushed.run("prune")
    assert done.code == 0, done.said
    assert {each.slug for each in records(pushed)} == {stays.slug, odd.slug, theirs.slug}
    assert leftovers(pushed, lost.slug) == []

    repositories.git(remote, "update-ref", "-d", f"refs/heads/{ODD}")
    Records(pushed.clients.consul).wish_gone(stays.slug, "somebody", "2026-11-21T10:00:00.000Z")
    done = pushed.run("prune")
    assert done.code == 0, done.said
    assert "deploy-stays: its removal was begun and not finished." in done.out
    assert "deploy-a\\u2028b: its branch is gone." in done.out
    assert {each.slug for each in records(pushed)} == {theirs.slug}


def test_an_app_that_was_deployed_since_prune_looked_is_left_running(pushed: Place) -> None:
    seen = deploy(pushed, "deploy-x")
    newer = deploy(pushed, "deploy-x")
    assert newer.wish > seen.wish
    with pytest.raises(Superseded, match="something else was asked for"):
        apps.destroy(pushed.clients, seen, lambda _: None, if_unchanged=True)
    assert pushed.record() == newer
    assert pushed.get() == f"release {newer.release}"


def test_a_project_that_was_renamed_still_loses_its_old_apps_with_their_branches(
    pushed: Place,
) -> None:
    old = deploy(pushed, "deploy-x")
    repositories.git(pushed.folder, "push", "--quiet", "origin", "--delete", "deploy-x")
    pushed.write_whole(project="renamed")
    done = pushed.run("prune")
    assert done.code == 0, done.said
    assert "Removing deploy-x: its branch is gone." in done.out
    assert Records(pushed.clients.consul).find(old.slug) is None
    assert leftovers(pushed, old.slug) == []


def test_two_repositories_with_one_project_s_name_do_not_take_each_other_s_app(
    pushed: Place, tmp_path: Path
) -> None:
    """Told before anything changes: the first one's app runs on, its database is its own."""
    first = deploy(pushed, "deploy-x")
    remote, other = tmp_path / "remote.git", tmp_path / "other.git"
    repositories.git(tmp_path, "clone", "--quiet", "--bare", str(remote), str(other))
    repositories.git(pushed.folder, "remote", "set-url", "origin", str(other))
    pushed.commit("2")
    refused = pushed.deploy()
    assert refused.code == 2, refused.said
    assert f"is the app of 'deploy-x' of {tmp_path / 'remote'}, and this is" in refused.error
    assert f"reviewapps destroy {first.slug}, then deploy again" in refused.err
    assert pushed.run("destroy", "deploy-x").code == 2
    assert pushed.record() == first
    assert pushed.get() == "release 1"

    assert pushed.run("destroy", first.slug).code == 0
    taken = pushed.deploy()
    assert taken.code == 0, taken.said
    assert pushed.record().repository == str(tmp_path / "other")
