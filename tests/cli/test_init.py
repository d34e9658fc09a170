"""`reviewapps init` as people call it: what it writes, prints and answers."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reviewapps import packages
from reviewapps.cli import main
from reviewapps.cli.init import create
from reviewapps.errors import UserError
from reviewapps.init.plan import FilePlan
from reviewapps.project import load
from tests.init import folders
from tests.init.folders import lay_out

CIRCLECI = "version: 2.1\njobs: {}\n"


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ship a small CircleCI file, so that these tests do not change with the real one."""
    lay_out(tmp_path / "packaged", {"circleci/config.yml": CIRCLECI})
    monkeypatch.setattr(packages, "INSTALLED", tmp_path / "packaged")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project's folder."""
    folder = lay_out(tmp_path / "shop", folders.PLAIN_DOCKERFILE | {".git/config": ""})
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str) -> Result:
    """Run `reviewapps init`."""
    return CliRunner().invoke(main, ["init", *arguments])


def test_it_writes_both_files_and_says_why(shop: Path) -> None:
    done = run()
    assert done.exit_code == 0
    assert done.output == (
        "Wrote reviewapps.yml\n"
        "Wrote .circleci/config.yml\n"
        '  project              "shop"  (The folder\'s name.)\n'
        "  unicorn/port         5000  (Dockerfile says EXPOSE 5000.)\n"
        '  unicorn/health_path  "/"  (No health route was found; one that does little work, such'
        " as /up, is better.)\n"
        "Next: read the files, commit them, and push a deploy-* branch.\n"
    )
    assert load(shop / "reviewapps.yml").unicorn.port == 5000
    assert (shop / ".circleci/config.yml").read_text() == CIRCLECI


def test_the_second_run_has_nothing_to_do(shop: Path) -> None:
    run()
    before = (shop / "reviewapps.yml").stat().st_mtime_ns
    done = run()
    assert done.exit_code == 0
    assert done.output == (
        "reviewapps.yml is there and is what init would write: nothing to do.\n"
        ".circleci/config.yml is there and is what init would write: nothing to do.\n"
    )
    assert (shop / "reviewapps.yml").stat().st_mtime_ns == before


def test_a_file_that_is_there_stays_and_the_exit_code_says_so(shop: Path) -> None:
    (shop / "reviewapps.yml").write_text("project: mine\n")
    done = run()
    assert done.exit_code == 1
    assert (shop / "reviewapps.yml").read_text() == "project: mine\n"
    assert (shop / ".circleci/config.yml").read_text() == CIRCLECI, "the other one is written"
    assert "reviewapps.yml is there and stays as it is. Proposed for it:" in done.output
    assert "\n-project: mine\n" in done.output
    assert "\n+project: shop\n" in done.output


def test_what_stands_in_a_file_cannot_play_with_the_terminal(shop: Path) -> None:
    (shop / "reviewapps.yml").write_text("\x1b[31mred\x07 \u202eabc\n")
    assert "\n-\ufffd[31mred\ufffd \ufffdabc\n" in run().output


def test_json_has_the_files_the_choices_and_the_notes(shop: Path) -> None:
    (shop / "reviewapps.yml").write_text("project: mine\n")
    done = run("--json")
    assert done.exit_code == 1
    told = json.loads(done.output)
    assert [(file["path"], file["state"]) for file in told["files"]] == [
        (str(shop / "reviewapps.yml"), "different"),
        (str(shop / ".circleci/config.yml"), "created"),
    ]
    assert "+project: shop" in told["files"][0]["diff"]
    assert told["choices"][0] == {"path": "project", "value": "shop", "why": "The folder's name."}
    assert told["notes"] == []


def test_the_folder_can_be_another(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "elsewhere", folders.DJANGO)
    done = run("--project-dir", str(folder))
    assert done.exit_code == 0
    assert load(folder / "reviewapps.yml").project == "elsewhere"
    assert "Note: Django answers only to the hosts in ALLOWED_HOSTS" in done.output


def test_the_example_is_printed_whole_and_can_be_used(tmp_path: Path) -> None:
    done = run("--example")
    assert done.exit_code == 0
    (tmp_path / "reviewapps.yml").write_text(done.output)
    assert load(tmp_path / "reviewapps.yml").database.engine == "postgresql"


def test_a_folder_without_an_application_is_refused(tmp_path: Path) -> None:
    done = run("--project-dir", str(tmp_path / "packaged"))
    assert done.exit_code == 2
    assert "no application was found in" in done.output
    assert "Next: reviewapps init --project-dir FOLDER" in done.output
    assert not (tmp_path / "packaged/reviewapps.yml").exists()


def test_a_file_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    there = tmp_path / "reviewapps.yml"
    there.write_text("somebody else's")
    with pytest.raises(UserError, match="File exists"):
        create(FilePlan(there, "ours", "new"))
    assert there.read_text() == "somebody else's"


def test_where_nothing_can_be_written_it_says_so(shop: Path) -> None:
    (shop / ".circleci").write_text("a file where the folder would be")
    done = run()
    assert done.exit_code == 2
    assert "cannot write" in done.output or "cannot read" in done.output
