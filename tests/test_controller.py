"""What the controller cares for, and when it looks again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reviewapps.controller import Controller, fingerprint, is_due
from reviewapps.errors import Failed
from reviewapps.store.record import Record

RECORD = Record(
    slug="blue-6tfrkg",
    project="shop",
    branch="deploy-blue",
    host="blue-6tfrkg.localhost",
    url="http://blue-6tfrkg.localhost:8080",
    state="running",
    release=2,
    serving=2,
)
ALLOCATION = {
    "JobID": "blue-6tfrkg--unicorn",
    "ID": "a1",
    "ClientStatus": "running",
    "DesiredStatus": "run",
    "DeploymentStatus": {"Healthy": True},
}


def at(seconds: float) -> str:
    """Return the time so many seconds ago."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, True),
        ({"state": "deploying", "updated_at": 5}, False),
        ({"state": "deploying", "updated_at": 100}, True),
        ({"state": "deploying", "updated_at": "", "asked_at": 100}, True),
        ({"wanted": "gone", "state": "destroying", "updated_at": 5}, False),
        ({"wanted": "gone", "state": "destroying", "updated_at": 100}, True),
        ({"state": "failed"}, True),
        ({"state": "failed", "serving": 1}, False),
        ({"state": "failed", "serving": 0}, False),
    ],
)
def test_what_is_due(changes: dict[str, Any], due: bool) -> None:
    """What a person works on is left to them; what never ran is its author's to change."""
    times = {key: at(value) for key, value in changes.items() if key.endswith("_at") and value}
    assert is_due(replace(RECORD, **changes | times)) is due


@pytest.mark.parametrize(
    "change",
    [{"ClientStatus": "lost"}, {"DesiredStatus": "stop"}, {"ID": "a2"}, {"DeploymentStatus": None}],
)
def test_the_view_of_an_app_changes_with_its_allocations(change: dict[str, Any]) -> None:
    before = fingerprint(RECORD, [ALLOCATION], "10.86.1.1:20001")
    assert fingerprint(RECORD, [ALLOCATION | change], "10.86.1.1:20001") != before


def test_the_view_of_an_app_is_its_own() -> None:
    before = fingerprint(RECORD, [ALLOCATION], "10.86.1.1:20001")
    other = ALLOCATION | {"JobID": "blue-6tfrk--unicorn"}
    assert fingerprint(RECORD, [other, ALLOCATION], "10.86.1.1:20001") == before
    assert fingerprint(RECORD, [ALLOCATION], "") != before
    assert fingerprint(replace(RECORD, wish=2), [ALLOCATION], "10.86.1.1:20001") != before


def test_an_app_that_fails_is_tried_again_with_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    controller = Controller(cast(Any, SimpleNamespace(consul=None)), told.append)

    def fail(*_: Any) -> bool:
        raise Failed("no room")

    monkeypatch.setattr("reviewapps.controller.is_held", lambda *_: False)
    monkeypatch.setattr("reviewapps.controller.hold", fail)
    for _ in range(6):
        controller.mend(RECORD, "mark")
    assert [line.rpartition("again in ")[2] for line in told] == [
        "30 s",
        "60 s",
        "120 s",
        "240 s",
        "480 s",
        "600 s",
    ]
    assert not controller._differs(RECORD.slug, "mark")


def test_an_app_that_somebody_works_on_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    controller = Controller(cast(Any, SimpleNamespace(consul=None)), told.append)
    monkeypatch.setattr("reviewapps.controller.is_held", lambda *_: True)
    controller.mend(RECORD, "mark")
    assert told == []
    assert controller._differs(RECORD.slug, "mark"), "it is looked at again"
