"""What the app's own processes have in common: image, environment and secrets."""

from collections.abc import Mapping

from reviewapps import jobs, naming, project_secrets
from reviewapps.project import Task, Unicorn, Worker
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import assets, database, image, redis

OWN = "project_"  # before the name of each of the project's own secrets in the Variable


def job(  # noqa: PLR0913 - the last two are named
    app: ReviewApp,
    context: Context,
    step: str,
    spec: Task | Unicorn | Worker,
    *,
    more: Mapping[str, object] | None = None,
    meta: Mapping[str, str] | None = None,
) -> jobs.Job:
    """Return the job of one of the app's own processes, as `spec` in the project file says."""
    task = {
        "image": image.reference(app, context),
        "command": list(spec.command or ()),
        "memory_mb": spec.memory_mb,
        "cpu_mhz": spec.cpu_mhz,
        "port": 0,
        "redis": naming.thing(app.slug, "redis") if app.project.redis else "",
        "secrets": list(app.project.secrets),
        "env": {**app.project.env, **spec.env, **ours(app), **asset_host(app, context)},
        **(more or {}),
    }
    release = {"reviewapps_release": str(app.release.number), **(meta or {})}
    own, index = project_secrets.chosen(context.nomad, app.project)
    if index:  # a changed secret comes as a new version does, beside the old one
        release["reviewapps_secrets"] = str(index)
    items = secrets(app, context) | {f"{OWN}{name}": value for name, value in own.items()}
    count = getattr(spec, "count", 1)
    return jobs.make(app, context, step, task, items, count=count, meta=release)


def ours(app: ReviewApp) -> dict[str, str]:
    """Return the variables that tell the app who it is."""
    return {
        "REVIEWAPPS_COMMIT": app.release.commit,
        "REVIEWAPPS_HOST": app.host,
        "REVIEWAPPS_PROJECT": app.project.project,
        "REVIEWAPPS_RELEASE": str(app.release.number),
        "REVIEWAPPS_SLUG": app.slug,
        "REVIEWAPPS_URL": app.url,
    }


def asset_host(app: ReviewApp, context: Context) -> dict[str, str]:
    """Return ASSET_HOST, where the app's files lie on the CDN."""
    found = assets.host(app, context)
    return {"ASSET_HOST": found} if found else {}


def secrets(app: ReviewApp, context: Context) -> dict[str, str]:
    """Return what the platform puts into the process's Variable.

    The branch's name is there too: Nomad would read a `${…}` in it anywhere else.
    """
    items = {"REVIEWAPPS_BRANCH": app.branch}
    if database.wanted(app):
        items["DATABASE_URL"] = database.url(app, context)
    if redis.wanted(app):
        items["REDIS_PASSWORD"] = jobs.password(context, redis.password_path(app))
    return items
