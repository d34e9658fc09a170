"""What the Tab key offers, and that it never prints an error into the command line."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from reviewapps.cli import main
from reviewapps.cli.completion import SHELLS, complete_apps, complete_branches
from tests import repositories
from tests.cli.stand_in import Silent, consul, record, run


def offered(complete: Any, incomplete: str, services: Any) -> dict[str, str | None]:
    """Return what is offered, with the help that some shells show."""
    context = click.Context(main, obj=SimpleNamespace(consul=services))
    return {item.value: item.help for item in complete(context, main.params[0], incomplete)}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_calls_us(shell: str) -> None:
    script = run("completion", shell, consul=None).stdout
    assert f"_REVIEWAPPS_COMPLETE={shell}_complete" in script


def test_without_a_name_the_user_s_own_shell_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert "#compdef reviewapps" in run("completion", consul=None).stdout


def test_apps_are_offered_by_branch_and_by_slug_when_no_branch_begins_so() -> None:
    known = consul(record(), record("deploy-green", "green-e7xvms", state="failed"))
    assert offered(complete_apps, "deploy-", known) == {
        "deploy-blue": "running",
        "deploy-green": "failed",
    }
    assert offered(complete_apps, "gr", known) == {"green-e7xvms": "failed"}


def test_deploy_offers_the_branches_of_git_and_of_the_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories.make(tmp_path, {"a": ""})
    repositories.git(tmp_path, "branch", "deploy-new")
    monkeypatch.chdir(tmp_path)
    assert offered(complete_branches, "", consul(record())) == {
        "deploy-blue": "running",
        "deploy-new": None,
    }


def test_nothing_is_offered_and_nothing_said_when_consul_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered(complete_apps, "", Silent()) == {}
    assert offered(complete_branches, "", Silent()) == {}
