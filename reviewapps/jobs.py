"""An app's Nomad jobs: compare with what runs, register, watch until healthy, explain failure."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reviewapps import capacity, cause, jobspec
from reviewapps.errors import Failed, Waiting
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context

Json = dict[str, Any]
LOG_LINES = 50
WATCH_SECONDS = 0.25
LOOK_AT_NODES_SECONDS = 1.0
ALIVE = ("pending", "running")


@dataclass(frozen=True)
class Job:
    """A job as it should be: its id, its HCL, its count and the items of its Variable."""

    step: str
    id: str
    hcl: str
    count: int
    variable: Mapping[str, str]

    @property
    def path(self) -> str:
        """Return the path of the only Variable that this job's tasks can read."""
        return f"nomad/jobs/{self.id}"


def make(  # noqa: PLR0913 - each is a part of the job
    app: ReviewApp,
    context: Context,
    step: str,
    task: Mapping[str, object],
    variable: Mapping[str, str],
    *,
    count: int = 1,
    meta: Mapping[str, str] | None = None,
) -> Job:
    """Return the job of a step, rendered from its template."""
    job_id = app.named(step)
    values = {
        "datacenters": [context.clients.settings.nomad.datacenter],
        "meta": {
            "reviewapps_project": app.project.project,
            "reviewapps_slug": app.slug,
            # as ASCII: HCL makes one of two names that only differ in their Unicode form
            "reviewapps_branch": json.dumps(app.branch),
            "reviewapps_step": step,
            **(meta or {}),
        },
        "task": {"job": job_id, "count": count, **task},
    }
    return Job(step, job_id, jobspec.render(step, values), count, variable)


def password(context: Context, path: str) -> str:
    """Return the password kept in a Variable that no task can read; made when there is none."""
    found = context.nomad.variable(path).get("password")
    if found:
        return found
    made = secrets.token_hex(20)
    context.nomad.put_variable(path, {"password": made})
    return made


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
    if allocation["DesiredStatus"] != "run" or allocation["ClientStatus"] not in ALIVE:
        return False
    checks = context.nomad.checks(allocation["ID"])
    if checks:
        return all(each["Status"] == "success" for each in checks)
    if allocation["ClientStatus"] != "running":
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
    """Return when the registered job is healthy; raise Failed when it can't be."""
    index = 0
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
            raise failure(job.step, trouble, context)
        _require_deployment(job, found, context)
        if mine:
            context.say(_waiting(mine, context))


def _counts(allocation: Json, job: Json) -> bool:
    """Say whether an allocation is of this version; what its node took with it Nomad moves."""
    of_version: bool = allocation["JobVersion"] == job["Version"]
    return of_version and allocation["ClientStatus"] != "lost"


def register(job: Job, context: Context) -> None:
    """Write the job's Variable and register the job, each only if it differs.

    A job of which nothing runs any more is stopped first: beside a failed allocation Nomad would
    start a canary, and on its promotion replace the healthy canary itself. That also starts what
    has died without Nomad's back-off.
    """
    write_variable(job, context)
    found = context.nomad.job(job.id)
    mark = jobspec.fingerprint(job.hcl)
    if found and not found.get("Stop"):
        _, allocations = context.nomad.allocations(job.id)
        is_same = (found.get("Meta") or {}).get(jobspec.SPEC) == mark
        if is_same and (not allocations or any(map(_lives, allocations))):
            return
        if not any(map(_runs, allocations)):
            context.nomad.stop(job.id)
            found = context.nomad.job(job.id)
    parsed = jobspec.marked(context.nomad.parse(job.hcl), mark)
    jobspec.require_harmless(parsed)
    context.nomad.register(parsed, found["JobModifyIndex"] if found else 0)


def write_variable(job: Job, context: Context) -> None:
    """Write the job's secrets where only its own tasks can read them."""
    if job.variable and context.nomad.variable(job.path) != dict(job.variable):
        context.nomad.put_variable(job.path, job.variable)


def remove(app: ReviewApp, step: str, context: Context) -> None:
    """Stop a step's job, wait until nothing of it runs, purge it and delete its Variable."""
    job_id = app.named(step)
    purge(step, job_id, context)
    context.nomad.delete_variable(f"nomad/jobs/{job_id}")


def purge(step: str, job_id: str, context: Context) -> None:
    """Let Nomad forget a job once nothing of it runs; of a purged job it lists no allocations."""
    found = context.nomad.job(job_id)
    if found is None:
        return
    if not found.get("Stop"):
        context.nomad.stop(job_id)
    index = 0
    while True:
        index, allocations = context.nomad.allocations(
            job_id, index=index, wait_seconds=WATCH_SECONDS
        )
        if all(each["ClientStatus"] not in ALIVE for each in allocations):
            break
        context.check()
        context.say(f"waiting for {step} to stop")
    context.nomad.stop(job_id, purge=True)


def failure(step: str, trouble: cause.Trouble, context: Context) -> Failed:
    """Return the error for a trouble, with the last lines of the task's output."""
    log = log_tail(trouble, context)
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    ending = (
        f'; its last words: "{last.strip()[:200]}"' if last and "crash" in trouble.sentence else ""
    )
    memory = "more memory" in trouble.sentence
    hint = f"raise {step}.memory_mb in reviewapps.yml" if memory else ""
    return Failed(f"{step} failed: {trouble.sentence}{ending}", details=log, hint=hint)


def log_tail(trouble: cause.Trouble, context: Context) -> str:
    """Return the last lines of what the task wrote, errors last."""
    if not trouble.task:
        return ""
    texts = [
        context.nomad.logs(trouble.allocation, trouble.task, kind) for kind in ("stdout", "stderr")
    ]
    lines = [line for text in texts for line in text.splitlines()[-LOG_LINES:]]
    return "\n".join(lines)


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
    if not capacity.is_elastic(context.clients):
        raise Failed(
            f"{job.step} failed: {problem}",
            hint="destroy an app that is not needed (reviewapps list), or ask for less memory_mb",
        )
    capacity.make_room(job.id, problem, context)
    time.sleep(LOOK_AT_NODES_SECONDS)


def _require_deployment(job: Job, found: Json, context: Context) -> None:
    deployment = context.nomad.deployment(job.id)
    if not deployment or deployment["JobVersion"] != found["Version"]:
        return
    if deployment["Status"] in ("failed", "cancelled"):
        raise Failed(f"{job.step} failed: {deployment['StatusDescription']}")


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


def _runs(allocation: Json) -> bool:
    return (allocation["DesiredStatus"], allocation["ClientStatus"]) == ("run", "running")


def _lives(allocation: Json) -> bool:
    return allocation["DesiredStatus"] == "run" and allocation["ClientStatus"] in ALIVE


def _waiting(allocations: list[Json], context: Context) -> str:
    newest = allocations[0]
    if newest["ClientStatus"] == "pending":
        return f"waiting for {newest.get('NodeName')} to start it"
    failing = [
        each for each in context.nomad.checks(newest["ID"]) if each.get("Status") != "success"
    ]
    if failing:
        return f"waiting for its health check: {cause.check_sentence(failing[0])}"
    return "waiting for it to be healthy"
