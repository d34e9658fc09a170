"""An app's Nomad jobs: rendered, registered where they differ, removed with all that they had."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reviewapps import jobspec
from reviewapps.allocation import is_alive, is_over, is_running
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context

Json = dict[str, Any]
WATCH_SECONDS = 0.25


@dataclass(frozen=True)
class Job:
    """A job as it should be: its id, its HCL, its count and the items of its Variable.

    `boot_seconds` is how long its process may take until it answers.
    """

    step: str
    id: str
    hcl: str
    count: int
    variable: Mapping[str, str]
    boot_seconds: int = 60

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
    boot_seconds = int(str(task.get("boot_seconds", Job.boot_seconds)))
    return Job(step, job_id, jobspec.render(step, values), count, variable, boot_seconds)


def password(context: Context, path: str) -> str:
    """Return the password kept in a Variable that no task can read; made when there is none."""
    found = context.nomad.variable(path).get("password")
    if found:
        return found
    made = secrets.token_hex(20)
    context.nomad.put_variable(path, {"password": made})
    return made


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
        if is_same and (not allocations or any(map(is_alive, allocations))):
            return
        if not any(map(is_running, allocations)):
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
        if all(map(is_over, allocations)):
            break
        context.check()
        context.say(f"waiting for {step} to stop")
    context.nomad.stop(job_id, purge=True)
