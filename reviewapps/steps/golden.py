"""The golden database: a copy of the first app's, migrated and seeded, for all that come after.

Mode template only. It is made from an app's database that has just been filled and that nobody has
used yet; an app whose migrations and seeds are the same then starts from a copy of it.
"""

from reviewapps.naming import slug_of
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import database
from reviewapps.steps.database import golden_name

NEEDS: tuple[str, ...] = ("seed",)


def wanted(app: ReviewApp) -> bool:
    """Whether the app's database is to be a copy, and it is known of what."""
    return bool(golden_name(app))


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether the golden database is not there, and could be made from this app's now."""
    if not _untouched(app, context):
        return ""
    found = database.server(app, context).find(golden_name(app))
    return "" if found and found.ready else f"there is no {golden_name(app)} yet"


def apply(app: ReviewApp, context: Context) -> None:
    """Copy the app's database before anybody uses it."""
    owner = {"project": app.project.project, "schema": app.release.schema}
    owner |= {"branch": "", "slug": slug_of(golden_name(app))}
    database.server(app, context).make_template(golden_name(app), app.named("db"), owner)


def undo(app: ReviewApp, context: Context) -> None:
    """The golden database belongs to the project and stays: `reviewapps sweep` removes old ones."""


def _untouched(app: ReviewApp, context: Context) -> bool:
    """Say whether nothing but migrate and seed has worked on the app's database."""
    return context.nomad.job(app.named("unicorn")) is None
