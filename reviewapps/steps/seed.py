"""Fills a new database: once for each database."""

from reviewapps import batch, jobs
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import database, process

NEEDS: tuple[str, ...] = ("migrate",)


def wanted(app: ReviewApp) -> bool:
    """Whether the project file has a seed section, and the app's database is its own."""
    return app.project.seed is not None and app.project.database.mode in ("own", "template")


def missing(app: ReviewApp, context: Context) -> str:
    """Say for what it has not run yet."""
    of = database.identity(app, context)
    if database.is_golden_copy(app, context):
        return ""
    return "" if batch.is_done("seed", of, context) else f"it has not run for {of}"


def apply(app: ReviewApp, context: Context) -> None:
    """Run it, or watch it when it runs already."""
    spec = app.project.seed
    assert spec is not None  # noqa: S101 - the engine asks `wanted` first
    of = database.identity(app, context)
    job = process.job(app, context, "seed", spec, meta={batch.OF: of})
    batch.run(job, of, spec.timeout_seconds, context)


def undo(app: ReviewApp, context: Context) -> None:
    """Remove the job; what it wrote goes with the database."""
    jobs.remove(app, "seed", context)
