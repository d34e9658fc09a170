"""A task that runs to its end once, as a Nomad batch job; the record keeps how it ended.

Nomad forgets a dead batch job after four hours, so the record and not Nomad knows what was done.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reviewapps import cause, failure, jobs, jobspec, rollout
from reviewapps.errors import Failed
from reviewapps.step import Context
from reviewapps.store.record import Outcome, Record

Json = dict[str, Any]
OF = "reviewapps_of"


def is_done(step: str, of: str, context: Context) -> bool:
    """Say whether the step's task has ended well for `of`."""
    outcome = context.record.read().outcomes.get(step)
    return outcome is not None and outcome.result == "done" and outcome.of == of


def run(job: jobs.Job, of: str, timeout_seconds: int, context: Context) -> None:
    """Run the task, or watch the one that already runs for `of`; keep its outcome.

    Raises Failed with the cause and the end of its output.
    """
    found = context.nomad.job(job.id)
    if found and not (_is_of(found, of) and _lives(job, context)):
        jobs.purge(job.step, job.id, context)
        found = None
    if found is None:
        jobs.write_variable(job, context)
        parsed = context.nomad.parse(job.hcl)
        jobspec.require_harmless(parsed)
        context.nomad.register(parsed, 0)
    allocation = _watch(job, timeout_seconds, context)
    trouble = cause.of_allocation(allocation)
    where = cause.Trouble("", allocation["ID"], job.step)
    log = failure.log_tail(where, context)
    result = Outcome(
        of, "failed" if trouble else "done", seconds=_seconds(allocation), log=log[-4000:]
    )
    _keep(job.step, result, context)
    if trouble:
        raise failure.failed(job.step, trouble, context)


def _watch(job: jobs.Job, timeout_seconds: int, context: Context) -> Json:
    """Return the job's allocation once it has ended."""
    index = 0
    while True:
        context.check()
        index, mine = context.nomad.allocations(
            job.id, index=index, wait_seconds=jobs.WATCH_SECONDS
        )
        if mine and mine[0]["ClientStatus"] in ("complete", "failed", "lost"):
            return mine[0]
        if not mine:
            rollout.require_place(job, context)
        if mine and _seconds(mine[0]) > timeout_seconds:
            context.nomad.stop(job.id)
            trouble = cause.Trouble("", mine[0]["ID"], job.step)
            raise Failed(
                f"{job.step} failed: it ran longer than {timeout_seconds} s",
                details=failure.log_tail(trouble, context),
                hint=f"raise {job.step}.timeout_seconds in reviewapps.yml",
            )
        if mine:
            context.say("running")


def _is_of(found: Json, of: str) -> bool:
    return not found.get("Stop") and (found.get("Meta") or {}).get(OF) == of


def _lives(job: jobs.Job, context: Context) -> bool:
    """Say whether the job's task runs, will run, or has ended well."""
    _, mine = context.nomad.allocations(job.id)
    return not mine or mine[0]["ClientStatus"] in ("pending", "running", "complete")


def _seconds(allocation: Json) -> float:
    state: Json = next(iter((allocation.get("TaskStates") or {}).values()), {})
    if not state.get("StartedAt"):
        return 0.0
    ended = state.get("FinishedAt")
    until = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
    return (until - datetime.fromisoformat(state["StartedAt"])).total_seconds()


def _keep(step: str, outcome: Outcome, context: Context) -> None:
    def change(record: Record) -> Record:
        return replace(record, outcomes=record.outcomes | {step: outcome})

    context.record.update(change)
