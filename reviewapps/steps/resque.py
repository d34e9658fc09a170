"""The background workers: told to finish what they do before they are replaced."""

from reviewapps import jobs, rollout
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import process

NEEDS: tuple[str, ...] = ("golden",)


def wanted(app: ReviewApp) -> bool:
    """Whether the project file has a resque section."""
    return app.project.resque is not None


def missing(app: ReviewApp, context: Context) -> str:
    """Say what differs from running workers of this release."""
    return rollout.difference(job(app, context), context)


def apply(app: ReviewApp, context: Context) -> None:
    """Start them and wait until they run."""
    rollout.require(job(app, context), context)


def undo(app: ReviewApp, context: Context) -> None:
    """Stop them."""
    jobs.remove(app, "resque", context)


def job(app: ReviewApp, context: Context) -> jobs.Job:
    """Return the workers' job."""
    spec = app.project.resque
    assert spec is not None  # noqa: S101 - the engine asks `wanted` first
    more = {"stop_signal": spec.stop_signal, "stop_seconds": spec.stop_seconds}
    return process.job(app, context, "resque", spec, more=more)
