"""What `doctor` calls wrong: each check on a service as it should be, and on one that isn't."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reviewapps import health, settings
from reviewapps.clients import clock
from reviewapps.errors import ServiceError, Unreachable

NODE = {
    "Name": "node-1",
    "Status": "ready",
    "SchedulingEligibility": "eligible",
    "Datacenter": "dc1",
    "Drivers": {"docker": {"Healthy": True}},
}


def clients(**given: Any) -> Any:
    return SimpleNamespace(**{"settings": settings.Settings(), **given})


def told(check: Callable[[Any], Any], **given: Any) -> list[tuple[bool, str, str]]:
    return [(each.ok, each.message, each.mend) for each in check(clients(**given))]


def consul(leader: str = "10.0.0.1:8300", version: str = "1.22.7") -> Any:
    return SimpleNamespace(leader=lambda: leader, version=lambda: version)


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        ("1.22.7", True),
        ("1.22.10+ent", True),
        ("1.23.0-rc1", True),
        ("2.0.0", True),
        ("1.22.6", False),
        ("1.9.17", False),
    ],
)
def test_a_version_is_compared_by_its_numbers(version: str, ok: bool) -> None:
    (found,) = health._consul(clients(consul=consul(version=version)))
    assert found.ok == ok
    assert found.mend == ("" if ok else "upgrade it to 1.22.7 or newer")


def test_a_consul_without_a_leader_is_wrong() -> None:
    ((ok, message, _),) = told(health._consul, consul=consul(leader=""))
    assert (ok, message) == (False, "Consul at http://127.0.0.1:8500 has no leader")


@pytest.mark.parametrize(
    "fault",
    [
        {"Status": "down"},
        {"SchedulingEligibility": "ineligible"},
        {"Datacenter": "dc2"},
        {"Drivers": {"docker": {"Healthy": False}}},
        {"Drivers": None},
    ],
)
def test_a_node_counts_only_when_it_can_take_apps(fault: dict[str, Any]) -> None:
    nodes = [NODE | fault]
    nomad = SimpleNamespace(nodes=lambda: nodes)
    ((ok, message, _),) = told(health._nodes, nomad=nomad)
    assert (ok, message) == (
        False,
        "no node of dc1 is ready with a healthy Docker, of 1 that Nomad knows",
    )
    nodes.append(NODE)
    assert told(health._nodes, nomad=nomad) == [(True, "1 ready with Docker: node-1", "")]


def test_a_door_that_is_open_to_every_app_is_wrong() -> None:
    server = settings.DatabaseServer("db.internal", 5432)
    given = {
        "settings": settings.Settings(postgresql=server),
        "databases": lambda _: SimpleNamespace(open_doors=lambda: ["every role may read x"]),
    }
    ((ok, message, _),) = told(health._databases, **given)
    assert (ok, message) == (False, "at db.internal: every role may read x")


def test_a_clock_that_is_off_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    off = datetime.now(UTC) + timedelta(seconds=90)
    monkeypatch.setattr(clock, "server_time", lambda *_: off)
    ((ok, message, mend),) = told(health._clock)
    assert not ok
    assert message in {f"this machine's clock differs from Consul's by {n} s" for n in (89, 90)}
    assert mend == "timedatectl set-ntp true"


@pytest.mark.parametrize(
    ("mode", "token", "message"),
    [
        (0o600, "secret", ""),
        (0o644, "", ""),
        (0o644, "secret", "others may read a secret in {}"),
        (0o664, "", "others may write {}"),
    ],
)
def test_a_settings_file_with_a_secret_is_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, token: str, message: str
) -> None:
    file = tmp_path / "settings.yml"
    file.write_text(f"consul: {{token: '{token}'}}")
    file.chmod(mode)
    monkeypatch.setenv("REVIEWAPPS_SETTINGS", str(file))
    given = settings.Settings(nomad=settings.Nomad(token="of the environment"))
    expected = (True, str(file), "")
    if message:
        expected = (False, message.format(file), f"chmod 600 {file}")
    assert told(health._settings, settings=given) == [expected]


def test_what_needs_a_service_that_is_down_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def down(_: Any) -> Any:
        raise Unreachable("it does not answer", hint="reviewapps doctor")

    def never(_: Any) -> Any:
        raise AssertionError("looked at")

    def refused(_: Any) -> Any:
        raise ServiceError("no right", hint="set NOMAD_TOKEN")

    checks = (("consul", "", down), ("routers", "consul", never), ("nomad", "", refused))
    monkeypatch.setattr(health, "CHECKS", checks)
    assert health.examine(clients()) == [
        health.Finding("consul", False, "it does not answer", health.MENDS["consul"]),
        health.Finding("nomad", False, "no right", "set NOMAD_TOKEN"),
    ]
