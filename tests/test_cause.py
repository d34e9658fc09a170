"""Nomad's events as it writes them, and the sentence that each becomes."""

from typing import Any

import pytest

from reviewapps import cause

Json = dict[str, Any]


def ended(code: int, *, oom: bool = False, signal: int = 0) -> Json:
    """Return the event of a task that ended."""
    details = {"exit_code": str(code), "signal": str(signal), "oom_killed": str(oom).lower()}
    return {"Type": "Terminated", "Details": details}


def driver(said: str) -> Json:
    """Return the event of a task that Docker could not start."""
    return {"Type": "Driver Failure", "DriverError": said}


def allocation(*events: Json, status: str = "pending", **more: Any) -> Json:
    """Return an allocation whose only task had these events."""
    states = {"unicorn": {"Events": list(events), "Failed": status == "failed"}}
    return {"ID": "0123", "ClientStatus": status, "TaskStates": states, **more}


PULL = "Failed to pull `shop:1`: API error (404): manifest for shop:1 not found: manifest unknown"
KILLED = {"Type": "Killing", "DisplayMessage": "Sent interrupt"}
FAILED: dict[str, tuple[Json, str]] = {
    "image": (
        allocation(driver(PULL)),
        "the image shop:1 can't be had: manifest for shop:1 not found: manifest unknown",
    ),
    "command": (
        allocation(driver('exec: "unicron": executable file not found in $PATH'), status="failed"),
        "the command unicron is not in the image",
    ),
    "port": (
        allocation(driver("Bind for 10.86.0.1:20000: port is already allocated"), status="failed"),
        "its port is taken on the node: Bind for 10.86.0.1:20000: port is already allocated",
    ),
    "crash": (allocation(ended(3), ended(3)), "it crashed with exit code 3"),
    "end": (allocation(ended(3), status="failed"), "it crashed with exit code 3"),
    "over": (
        allocation(ended(0), ended(0)),
        "it ended by itself with exit code 0, and should go on running",
    ),
    "memory": (
        allocation(ended(137, oom=True), ended(137)),
        "it was killed because it needed more memory than its limit",
    ),
    "missed": (
        allocation(ended(137), ended(137)),
        "it was killed, most probably because it needed more memory than its limit",
    ),
    "stopped": (
        allocation(KILLED, ended(137, signal=9), status="failed"),
        "it was killed by signal 9 (exit code 137)",
    ),
    "setup": (
        allocation({"Type": "Setup Failure", "Details": {"message": "no space left"}}),
        "it could not be set up: no space left",
    ),
    "hook": (
        allocation({"Type": "Task hook failed", "DisplayMessage": "no variable"}, status="failed"),
        "it could not be started: no variable",
    ),
    "lost": (
        allocation(status="lost", NodeName="node-2"),
        "its node node-2 was lost",
    ),
    "late": (
        allocation(
            {"Type": "Alloc Unhealthy", "DisplayMessage": "Task not running by deadline"},
            DeploymentStatus={"Healthy": False},
        ),
        "it did not become healthy: Task not running by deadline",
    ),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failure_is_told_by_its_root_cause(name: str) -> None:
    found, sentence = FAILED[name]
    trouble = cause.of_allocation(found)
    assert trouble
    assert (trouble.sentence, trouble.allocation) == (sentence, "0123")


@pytest.mark.parametrize(
    "fine",
    [
        allocation(),
        allocation(ended(3)),
        allocation(driver("net/http: TLS handshake timeout")),
        allocation(status="running", DeploymentStatus={"Healthy": True}),
        allocation(status="complete"),
        {"ID": "0123", "ClientStatus": "pending", "TaskStates": None, "DeploymentStatus": None},
    ],
)
def test_what_may_still_come_up_is_no_trouble(fine: Json) -> None:
    assert cause.of_allocation(fine) is None


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        ({"StatusCode": 500, "Output": "no such\n table"}, "it answers HTTP 500: no such table"),
        (
            {"Output": "dial tcp 10.86.0.1:20000: connect: connection refused"},
            "nothing listens on its port (connection refused)",
        ),
        (
            {"Output": "context deadline exceeded (Client.Timeout exceeded)"},
            "it accepts connections and does not answer",
        ),
        ({}, "no answer yet"),
    ],
)
def test_a_health_check_is_told_by_what_it_saw(check: Json, sentence: str) -> None:
    assert cause.check_sentence(check) == sentence
    unhealthy = allocation(DeploymentStatus={"Healthy": False})
    trouble = cause.of_allocation(unhealthy, [{"Status": "success"}, {"Status": "failure"} | check])
    assert trouble
    assert trouble.sentence == f"its health check fails: {sentence}"


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        (
            {"NodesEvaluated": 2, "DimensionExhausted": {"memory": 2}},
            "no node has room: out of memory on 2 nodes",
        ),
        (
            {"NodesEvaluated": 1, "ConstraintFiltered": {"missing drivers": 1}},
            "no node fits: missing drivers",
        ),
        ({"NodesEvaluated": 0}, "there is no ready node (0 looked at)"),
    ],
)
def test_a_job_without_a_place_is_told_why(metric: Json, sentence: str) -> None:
    assert cause.of_placement({"FailedTGAllocs": {"unicorn": metric}}) == sentence
    assert cause.of_placement({"FailedTGAllocs": None}) == ""
