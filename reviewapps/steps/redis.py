"""The app's own Redis: password, memory limit, nothing kept on disk."""

from reviewapps import jobs, rollout
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context

NEEDS: tuple[str, ...] = ("capacity",)
CPU_MHZ = 50


def wanted(app: ReviewApp) -> bool:
    """Whether the project file has a redis section."""
    return app.project.redis is not None


def missing(app: ReviewApp, context: Context) -> str:
    """Say what differs from a healthy Redis."""
    return rollout.difference(job(app, context), context)


def apply(app: ReviewApp, context: Context) -> None:
    """Register the job and wait until it is healthy."""
    rollout.require(job(app, context), context)


def undo(app: ReviewApp, context: Context) -> None:
    """Stop it, with all that it holds, and forget its password."""
    jobs.remove(app, "redis", context)
    context.nomad.delete_variable(password_path(app))


def password_path(app: ReviewApp) -> str:
    """Return the Variable that keeps the password; no task can read it."""
    return f"reviewapps/{app.slug}/redis"


def job(app: ReviewApp, context: Context) -> jobs.Job:
    """Return Redis' job."""
    memory_mb = app.project.redis.memory_mb if app.project.redis else 0
    task = {
        "image": context.clients.settings.docker.redis_image,
        "memory_mb": memory_mb,
        "cpu_mhz": CPU_MHZ,
    }
    items = {"REDIS_PASSWORD": jobs.password(context, password_path(app))}
    return jobs.make(app, context, "redis", task, items)
