"""Brings the database to the release's schema: once for each release on each database."""

from reviewapps import batch, jobs
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import database, process

NEEDS: tuple[str, ...] = ("image", "database", "capacity", "redis")


def wanted(app: ReviewApp) -> bool:
    """Whether the project file has a migrate section, and the app may write its database."""
    return app.project.migrate is not None and app.project.database.mode != "read-only"


def missing(app: ReviewApp, context: Context) -> str:
    """Say for what it has not run yet."""
    of = purpose(app, context)
    if database.is_golden_copy(app, context):
        return ""
    return "" if batch.is_done("migrate", of, context) else f"it has not run for {of}"


def apply(app: ReviewApp, context: Context) -> None:
    """Run it, or watch it when it runs already."""
    spec = app.project.migrate
    assert spec is not None  # noqa: S101 - the engine asks `wanted` first
    of = purpose(app, context)
    job = process.job(app, context, "migrate", spec, meta={batch.OF: of})
    batch.run(job, of, spec.timeout_seconds, context)


def undo(app: ReviewApp, context: Context) -> None:
    """Remove the job; what it changed goes with the database."""
    jobs.remove(app, "migrate", context)


def purpose(app: ReviewApp, context: Context) -> str:
    """Return what one run is for."""
    return f"release {app.release.number} on {database.identity(app, context)}"
