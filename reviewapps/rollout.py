"""A service job's way to being healthy: registered, watched, its failure explained, given up."""

import time
from datetime import UTC, datetime
from typing import Any

from reviewapps import capacity, cause, failure, fleet, jobspec
from reviewapps.allocation import is_alive, is_running
from reviewapps.errors import Failed, Waiting
from reviewapps.jobs import WATCH_SECONDS, Job, register
from reviewapps.step import Context

Json = dict[str, Any]
LOOK_AT_NODES_SECONDS = 1.0
REST_SECONDS = 10.0  # what fails its checks for as long does not just pause


def difference(job: Job, context: Context) -> str:
    """Say what differs between a service job and what runs, "" when nothing does."""
    found = context.nomad.job(job.id)
    if found is None or found.get("Stop"):
        return f"the job {job.id} is not there"
    if (found.get("Meta") or {}).get(jobspec.SPEC) != jobspec.fingerprint(job.hcl):
        return f"the job {job.id} is of another release or form"
    _, allocations = context.nomad.allocations(job.id)
    healthy = running(found, allocations, context)
    if len(healthy) < job.count:
        return f"{len(healthy)} of {job.count} are healthy"
    return ""


def running(job: Json, allocations: list[Json], context: Context) -> list[Json]:
    """Return the healthy allocations of the job's current version."""
    current = [each for each in allocations if each["JobVersion"] == job["Version"]]
    return [each for each in current if is_healthy(each, context)]


def is_healthy(allocation: Json, context: Context) -> bool:
    """Say whether an allocation is wanted, runs and answers.

    The node's own check results are asked first: Nomad's servers hear of them up to 1 s later
    (client.go, allocSync). A task without checks is healthy when its deployment found so; one
    that Nomad has started again since then only has to run.
    """
    if not is_alive(allocation):
        return False
    checks = context.nomad.checks(allocation["ID"])
    if checks:
        return all(each["Status"] == "success" for each in checks)
    if not is_running(allocation):
        return False
    health = (allocation.get("DeploymentStatus") or {}).get("Healthy")
    if health is not None:
        return bool(health)
    deployment = context.nomad.deployment(allocation["JobID"])
    return deployment is None or deployment["Status"] == "successful"


def require(job: Job, context: Context) -> None:
    """Register a service job if it differs, and watch it until it is healthy.

    Raises Failed with the root cause; then Nomad returns to the version that ran before, and
    where there is none the job is stopped: the next try starts afresh.
    """
    register(job, context)
    found = context.nomad.job(job.id)
    if found is None:
        raise Waiting(f"the job {job.id} was purged by somebody else")
    try:
        _watch(job, found, context)
    except Failed:
        _give_up(job, found, context)
        raise


def _watch(job: Job, found: Json, context: Context) -> None:
    """Return when the registered job is healthy; raise Failed when it can't be.

    While Nomad's deployment is under way, Nomad judges. One that had its time to start and answers
    no more is started again, once each.
    """
    index = 0
    began = time.monotonic()
    replaced: set[str] = set()
    while True:
        context.check()
        index, allocations = context.nomad.allocations(
            job.id, index=index, wait_seconds=WATCH_SECONDS
        )
        mine = [each for each in allocations if _counts(each, found)]
        if len(running(found, mine, context)) >= job.count:
            return
        trouble = _trouble(job, mine, context)
        if trouble:
            raise failure.failed(job.step, trouble, context)
        judged = _require_deployment(job, found, context)
        if not judged and time.monotonic() - began > REST_SECONDS:
            _replace_unwell(job, mine, replaced, context)
        if mine:
            context.say(_waiting(mine, context))


def _counts(allocation: Json, job: Json) -> bool:
    """Say whether an allocation is of this version; what its node took with it Nomad moves."""
    of_version: bool = allocation["JobVersion"] == job["Version"]
    return of_version and allocation["ClientStatus"] != "lost"


def _trouble(job: Job, allocations: list[Json], context: Context) -> cause.Trouble | None:
    for allocation in allocations:
        if allocation.get("NextAllocation"):
            continue  # Nomad has started another in its place
        unhealthy = (allocation.get("DeploymentStatus") or {}).get("Healthy") is False
        checks = context.nomad.checks(allocation["ID"]) if unhealthy else []
        trouble = cause.of_allocation(allocation, checks)
        if trouble:
            return trouble
    if not allocations:
        require_place(job, context)
    return None


def require_place(job: Job, context: Context) -> None:
    """See to a node when Nomad found none for the job; raise Failed when none can come."""
    found = context.nomad.job(job.id) or {"JobModifyIndex": 0}
    evaluations = context.nomad.evaluations(job.id)
    latest = [each for each in evaluations if each["CreateIndex"] >= found["JobModifyIndex"]]
    problem = next(filter(None, map(cause.of_placement, latest)), "")
    if not problem:
        context.say("waiting for a place on a node")
        return
    if not fleet.is_elastic(context.clients):
        raise Failed(
            f"{job.step} failed: {problem}",
            hint="destroy an app that is not needed (reviewapps list), or ask for less memory_mb",
        )
    capacity.make_room(job.id, problem, context)
    time.sleep(LOOK_AT_NODES_SECONDS)


def _require_deployment(job: Job, found: Json, context: Context) -> bool:
    """Say whether Nomad's deployment of this version is under way; raise Failed when it failed."""
    deployment = context.nomad.deployment(job.id)
    if not deployment or deployment["JobVersion"] != found["Version"]:
        return False
    if deployment["Status"] in ("failed", "cancelled"):
        raise Failed(f"{job.step} failed: {deployment['StatusDescription']}")
    return bool(deployment["Status"] != "successful")


def _replace_unwell(job: Job, mine: list[Json], replaced: set[str], context: Context) -> None:
    """Let Nomad replace what has run long enough and answers no more; what replaced it must do."""
    for each in mine:
        had_its_time = is_running(each) and _ran_seconds(each) > job.boot_seconds
        if not had_its_time or each["ID"] in replaced or is_healthy(each, context):
            continue
        if len(replaced) == job.count:
            failing = list(filter(_fails, context.nomad.checks(each["ID"])))
            said = cause.check_sentence(failing[0]) if failing else "it answers no more"
            trouble = cause.Trouble(f"its health check fails: {said}", each["ID"], job.step)
            raise failure.failed(job.step, trouble, context)
        context.say("it answers no more: starting another in its place")
        context.nomad.stop_allocation(each["ID"])
        replaced.add(each["ID"])


def _ran_seconds(allocation: Json) -> float:
    """Return for how long the allocation's youngest task has run."""
    states = (allocation.get("TaskStates") or {}).values()
    starts = [datetime.fromisoformat(each["StartedAt"]) for each in states if each["StartedAt"]]
    return (datetime.now(UTC) - max(starts)).total_seconds() if starts else 0.0


def _give_up(job: Job, found: Json, context: Context) -> None:
    deployment = context.nomad.deployment(job.id)
    if (
        deployment
        and deployment["JobVersion"] == found["Version"]
        and deployment["Status"] in ("running", "pending", "paused", "blocked")
    ):
        context.nomad.fail(deployment["ID"])
    now = context.nomad.job(job.id)
    _, allocations = context.nomad.allocations(job.id)
    reverted = now is None or now["Version"] != found["Version"]
    if not reverted and not any(is_healthy(each, context) for each in allocations):
        context.nomad.stop(job.id)


def _waiting(allocations: list[Json], context: Context) -> str:
    newest = allocations[0]
    if newest["ClientStatus"] == "pending":
        return f"waiting for {newest.get('NodeName')} to start it"
    failing = list(filter(_fails, context.nomad.checks(newest["ID"])))
    if failing:
        return f"waiting for its health check: {cause.check_sentence(failing[0])}"
    return "waiting for it to be healthy"


def _fails(check: Json) -> bool:
    return check.get("Status") != "success"
