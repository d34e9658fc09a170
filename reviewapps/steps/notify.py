"""Tells people where the app is, once for each release: here, and at GitHub where there is one."""

from dataclasses import replace
from datetime import UTC, datetime

from reviewapps import news
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context

NEEDS: tuple[str, ...] = ("route",)


def wanted(app: ReviewApp) -> bool:
    """Every app's people want to know."""
    return True


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether this release has not been told yet."""
    told = context.record.read().told
    return "" if told == app.release.number else f"release {app.release.number} is not told yet"


def apply(app: ReviewApp, context: Context) -> None:
    """Write the URL to the output and to GitHub, and note that it was told.

    What GitHub refuses is said and never fails the deploy.
    """
    asked = datetime.fromisoformat(context.record.read().asked_at)
    seconds = (datetime.now(UTC) - asked).total_seconds()
    for problem in news.tell(context.clients, app, "running", seconds=seconds):
        context.say(problem)
    context.say(app.url)
    number = app.release.number
    context.record.update(lambda record: replace(record, told=number))


def undo(app: ReviewApp, context: Context) -> None:
    """Tell GitHub that the app is removed."""
    for problem in news.tell(context.clients, app, "destroyed"):
        context.say(problem)
