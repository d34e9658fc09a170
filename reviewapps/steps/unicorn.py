"""The web process: a new release starts beside the old one and takes over when it is healthy."""

from reviewapps import jobs, rollout
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import process

NEEDS: tuple[str, ...] = ("golden", "assets")


def wanted(app: ReviewApp) -> bool:
    """Every app has one."""
    return True


def missing(app: ReviewApp, context: Context) -> str:
    """Say what differs from a healthy web process of this release."""
    return rollout.difference(job(app, context), context)


def apply(app: ReviewApp, context: Context) -> None:
    """Start it and wait until its health check passes; the old one goes on serving."""
    rollout.require(job(app, context), context)


def undo(app: ReviewApp, context: Context) -> None:
    """Stop it."""
    jobs.remove(app, "unicorn", context)


def job(app: ReviewApp, context: Context) -> jobs.Job:
    """Return the web process's job."""
    spec = app.project.unicorn
    more = {
        "port": spec.port,
        "health_path": spec.health_path,
        "host": app.host,
        "boot_seconds": spec.boot_seconds,
        "stop_signal": spec.stop_signal,
        "stop_seconds": spec.stop_seconds,
    }
    return process.job(app, context, "unicorn", spec, more=more)
