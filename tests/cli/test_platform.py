"""`reviewapps cluster up` and `controller`: what they print for people and for programs."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner

from reviewapps import controller as keeping
from reviewapps.cli import main
from reviewapps.cloud import images, router
from tests.cli.stand_in import consul, run

PLACES = {"router": "registry.test/router:1", "redis": "registry.test/redis:7"}


@pytest.fixture(params=[True, False])
def changed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the router had to be changed."""

    def publish(_: Any, say: Callable[[str], None]) -> dict[str, str]:
        say("pushing registry.test/redis:7")
        return PLACES

    monkeypatch.setattr(images, "publish", publish)
    monkeypatch.setattr(router, "ensure", lambda *_: request.param)
    return bool(request.param)


def test_a_cluster_s_update_is_one_json_object(changed: bool) -> None:
    done = run("cluster", "up", "--json", consul=consul())
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"images": PLACES, "changed": changed}
    assert done.stderr == "pushing registry.test/redis:7\n"


def test_people_are_told_what_was_done(changed: bool) -> None:
    last = "The router runs on every node" + ("." if changed else ": nothing to do.")
    said = run("cluster", "up", consul=consul()).stdout.splitlines()
    assert said == ["pushing registry.test/redis:7", last]


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the controller tell one thing and end."""
    monkeypatch.setattr(keeping.Controller, "run", lambda self: self.say("leading \x1b[31m"))
    monkeypatch.setattr("signal.signal", lambda *_: None)


@pytest.mark.usefixtures("telling")
def test_a_controller_tells_json_lines() -> None:
    done = CliRunner().invoke(main, ["controller", "--json"], obj=object())
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told["message"] == "leading \x1b[31m"
    assert datetime.fromisoformat(told["at"]).tzinfo


@pytest.mark.usefixtures("telling")
def test_a_controller_tells_people_plain_text() -> None:
    done = CliRunner().invoke(main, ["controller"], obj=object())
    assert done.stdout[8:] == " leading \\x1b[31m\n"
