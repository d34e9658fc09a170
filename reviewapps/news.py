"""What people at GitHub are told of an app; nothing that GitHub does can fail a deploy."""

import os
from concurrent.futures import Future

from reviewapps.clients import Clients
from reviewapps.clients.github import GitHub
from reviewapps.clients.github_report import News, State, report
from reviewapps.review_app import ReviewApp

HASTY_SECONDS = 5.0


def tell(
    clients: Clients,
    app: ReviewApp,
    state: State,
    *,
    seconds: float | None = None,
    cause: str = "",
) -> list[str]:
    """Bring the branch's pull requests and deployments up to date, after what was told before.

    Returns in words what was not possible; [] where the project is not at GitHub.
    """
    return tell_later(clients, app, state, seconds=seconds, cause=cause).result()


def tell_later(
    clients: Clients,
    app: ReviewApp,
    state: State,
    *,
    seconds: float | None = None,
    cause: str = "",
) -> Future[list[str]]:
    """Do what `tell` does beside the caller's work, still in the order of the calls."""
    github = clients.github
    if github is None:
        nothing: Future[list[str]] = Future()
        nothing.set_result([])
        return nothing
    news = News(
        slug=app.slug,
        branch=app.branch,
        state=state,
        commit=app.release.commit,
        url=app.url,
        log_url=os.environ.get("CIRCLE_BUILD_URL", ""),
        seconds=seconds,
        cause=cause,
    )
    return github.line.submit(_report, github, news)


def _report(github: GitHub, news: News) -> list[str]:
    """Report; an answer that nobody foresaw is a problem to tell and never one of the deploy."""
    try:
        problems = report(github, news)
        if problems:  # what is told next should not wait as long again
            github.deadline_seconds = HASTY_SECONDS
        return problems
    except Exception as error:
        return [f"GitHub could not be told: {type(error).__name__}: {error}"]


def hurry(clients: Clients) -> None:
    """Give what is told from now on a few seconds only: somebody wants us to stop."""
    if clients.github is not None:
        clients.github.deadline_seconds = HASTY_SECONDS
