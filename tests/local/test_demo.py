"""The demo's repository is the same everywhere, and what people do in it is left alone."""

import json
from pathlib import Path

import pytest

from reviewapps.clients import git
from reviewapps.errors import UserError
from reviewapps.local import demo
from reviewapps.project import parse
from tests import repositories


def show(folder: Path, branch: str, path: str) -> str:
    return repositories.git(folder, "show", f"{branch}:{path}")


def test_the_same_example_gives_the_same_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = demo.ensure(tmp_path / "one/guestbook")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert demo.ensure(tmp_path / "two") == first
    assert demo.ensure(tmp_path / "two") == first, "the second run changes nothing"
    assert list(first) == ["main", "deploy-blue", "deploy-green"]
    assert repositories.git(tmp_path / "two", "status", "--porcelain") == ""


def test_the_branches_differ_in_greeting_and_colour_and_in_nothing_else(tmp_path: Path) -> None:
    demo.ensure(tmp_path)
    looks = [json.loads(show(tmp_path, branch, "look.json")) for branch in demo.LOOKS]
    assert len({look["greeting"] for look in looks} | {look["hue"] for look in looks}) == 4
    changed = repositories.git(tmp_path, "diff", "--name-only", "deploy-blue", "deploy-green")
    assert changed == "look.json"


def test_the_project_file_of_the_example_is_right(tmp_path: Path) -> None:
    demo.ensure(tmp_path)
    project = parse(show(tmp_path, "deploy-blue", "reviewapps.yml"))
    assert project.project == "guestbook"
    assert project.covers("deploy-blue")


def test_a_run_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    whole = demo.ensure(tmp_path / "whole")
    part = tmp_path / "part"
    part.mkdir()
    repositories.git(part, "init", "--quiet", "--initial-branch=main")
    assert demo.ensure(part) == whole
    repositories.git(part, "update-ref", "-d", "refs/heads/deploy-green")
    assert demo.ensure(part) == whole


def test_what_people_committed_and_wrote_stays(tmp_path: Path) -> None:
    demo.ensure(tmp_path)
    repositories.git(tmp_path, "checkout", "--quiet", "deploy-blue")
    mine = repositories.commit(tmp_path, {"look.json": '{"greeting": "Mine", "hue": 1}'})
    (tmp_path / "look.json").write_text("not done yet")
    assert demo.ensure(tmp_path)["deploy-blue"] == mine
    assert (tmp_path / "look.json").read_text() == "not done yet"


def test_an_older_example_becomes_the_newer_one(tmp_path: Path) -> None:
    newest = demo.ensure(tmp_path)
    for branch in newest:
        old = demo.add_branch(tmp_path, "old", {"app.rb": "old"})
        repositories.git(tmp_path, "update-ref", f"refs/heads/{branch}", old)
    repositories.git(tmp_path, "reset", "--quiet", "--hard")
    assert demo.ensure(tmp_path) == newest
    assert not (tmp_path / "app.rb").exists()


def test_a_branch_in_trouble_is_one_file_away(tmp_path: Path) -> None:
    demo.ensure(tmp_path)
    commit = demo.add_branch(tmp_path, "deploy-broken", {"trouble.txt": "crash-at-boot\n"})
    assert git.commit_of(tmp_path, "deploy-broken") == commit
    assert show(tmp_path, "deploy-broken", "trouble.txt") == "crash-at-boot"
    assert not (tmp_path / "trouble.txt").exists()


def test_somebody_elses_folder_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="in the way"):
        demo.ensure(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
