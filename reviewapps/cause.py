"""Why a job does not run, read from what Nomad knows of it: one sentence, the root cause first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
GONE_IMAGE = re.compile(
    r"not found|does not exist|manifest unknown|denied|no such image|No such", re.I
)
PREFIXES = re.compile(r"^[: ]*(API error \(\d+\): |Error response from daemon: )*")
CRASHES = 2


@dataclass(frozen=True)
class Trouble:
    """A root cause: the sentence, and the allocation and task whose output explains it."""

    sentence: str
    allocation: str = ""
    task: str = ""


def of_allocation(allocation: Json, checks: Sequence[Json] = ()) -> Trouble | None:
    """Return why an allocation has failed or is failing, None while it may still come up."""
    for name, state in (allocation.get("TaskStates") or {}).items():
        sentence = _of_task(state, over=allocation.get("ClientStatus") == "failed")
        if sentence:
            return Trouble(sentence, allocation["ID"], name)
    if (allocation.get("DeploymentStatus") or {}).get("Healthy") is False:
        return Trouble(_unhealthy(allocation, checks), allocation["ID"], _first_task(allocation))
    if allocation.get("ClientStatus") == "lost":
        return Trouble(f"its node {allocation.get('NodeName')} was lost", allocation["ID"])
    return None


def _of_task(state: Json, *, over: bool) -> str:
    """Return the sentence for one task; a single crash of a task that is restarted is none yet."""
    events = state.get("Events") or []
    ended = [each for each in events if each["Type"] == "Terminated" and _failed(each)]
    for event in reversed(events):
        if event["Type"] in ("Setup Failure", "Failed Validation", "Failed Artifact Download"):
            return f"it could not be set up: {_said(event)}"
        if event["Type"] == "Driver Failure":
            known = [each for each in events if each["Type"] == "Driver Failure"]
            if over or len(known) >= CRASHES or GONE_IMAGE.search(_said(event)):
                return _driver_failure(event)
        if event["Type"] == "Task hook failed" and over:
            return f"it could not be started: {_said(event)}"
    if not ended or not (over or len(ended) >= CRASHES or state.get("Failed")):
        return ""
    return _ended(ended, was_told=any(each["Type"] == "Killing" for each in events))


def _driver_failure(event: Json) -> str:
    said = _said(event)
    image = re.search(r"Failed to pull `([^`]+)`", said)
    if image:
        reason = PREFIXES.sub("", said[image.end() :])
        return f"the image {image[1]} can't be had: {reason or said}"
    if "executable file not found" in said or "no such file or directory" in said:
        command = re.search(r'exec: "([^"]+)"', said)
        return f"the command {command[1] if command else ''} is not in the image".replace("  ", " ")
    if "address already in use" in said or "port is already allocated" in said:
        return f"its port is taken on the node: {said}"
    return f"Docker can't start it: {said}"


def _ended(ended: Sequence[Json], *, was_told: bool) -> str:
    """Return how a task ended; `was_told` says that Nomad itself told it to."""
    details = ended[-1].get("Details") or {}
    code, signal = details.get("exit_code", "?"), details.get("signal", "0")
    if any((each.get("Details") or {}).get("oom_killed") == "true" for each in ended):
        return "it was killed because it needed more memory than its limit"
    if code == "137" and not was_told:  # Docker sometimes misses that the kernel did it
        return "it was killed, most probably because it needed more memory than its limit"
    if signal not in ("0", ""):
        return f"it was killed by signal {signal} (exit code {code})"
    if code == "0":
        return "it ended by itself with exit code 0, and should go on running"
    return f"it crashed with exit code {code}"


def _failed(event: Json) -> bool:
    return (event.get("Details") or {}).get("exit_code") is not None


def _said(event: Json) -> str:
    details = event.get("Details") or {}
    said = event.get("DriverError") or details.get("message") or event.get("DisplayMessage") or ""
    return " ".join(str(said).split())[:400]


def _first_task(allocation: Json) -> str:
    return str(next(iter(allocation.get("TaskStates") or {"": None})))


def _unhealthy(allocation: Json, checks: Sequence[Json]) -> str:
    failing = [each for each in checks if each.get("Status") != "success"]
    if failing:
        return f"its health check fails: {check_sentence(failing[0])}"
    for state in (allocation.get("TaskStates") or {}).values():
        for event in reversed(state.get("Events") or []):
            if event["Type"] == "Alloc Unhealthy":
                return f"it did not become healthy: {_said(event)}"
    return "it did not become healthy in time"


def check_sentence(check: Json) -> str:
    """Return what a health check of Nomad's last saw, with the answer's status and text."""
    output = " ".join(str(check.get("Output") or "no answer yet").split())[:300]
    code = check.get("StatusCode")
    if code:
        return f"it answers HTTP {code}: {output}"
    if "connection refused" in output:
        return "nothing listens on its port (connection refused)"
    if "Client.Timeout" in output or "deadline exceeded" in output:
        return "it accepts connections and does not answer"
    return output


def of_placement(evaluation: Json) -> str:
    """Return why an evaluation found no node, "" when it did."""
    failed = evaluation.get("FailedTGAllocs") or {}
    return next((_no_node(metric) for metric in failed.values()), "")


def _no_node(metric: Json) -> str:
    if metric.get("DimensionExhausted"):
        reasons = ", ".join(
            f"{what} on {count} node{'s' if count > 1 else ''}"
            for what, count in metric["DimensionExhausted"].items()
        )
        return f"no node has room: out of {reasons}"
    if metric.get("ConstraintFiltered"):
        reasons = ", ".join(metric["ConstraintFiltered"])
        return f"no node fits: {reasons}"
    return f"there is no ready node ({metric.get('NodesEvaluated', 0)} looked at)"
