"""Tells GitHub how a review app fares; GitHub's troubles never become the deploy's troubles."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reviewapps.clients.github import Deployment, GitHub
from reviewapps.errors import ServiceError, Unreachable

State = Literal["deploying", "running", "failed", "destroyed"]
STATUS = {"deploying": "in_progress", "running": "success", "failed": "failure"}
TITLE = {
    "deploying": "Deploying",
    "running": "Running",
    "failed": "Failed",
    "destroyed": "Removed",
}


@dataclass(frozen=True)
class News:
    """What is to be told of one app; `commit` is the whole SHA, `log_url` the build's page."""

    slug: str
    branch: str
    state: State
    commit: str = ""
    url: str = ""
    log_url: str = ""
    seconds: float | None = None
    cause: str = ""


def report(github: GitHub, news: News) -> list[str]:
    """Bring comments and deployments in line with `news`; return in words what was not possible.

    Every part is tried even when another failed, and may be repeated: nothing is told twice.
    """
    github.hurry()
    problems = []
    for what, act in (("comment", tell_people), ("deployment", tell_deployments)):
        try:
            attempt(act, github, news)
        except ServiceError as error:
            hint = f" ({error.hint})" if error.hint else ""
            problems.append(f"the {what} at GitHub is not up to date: {error.message}{hint}")
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"GitHub's answer about the {what} cannot be read: {error!r}")
    return problems


def attempt(act: Callable[[GitHub, News], None], github: GitHub, news: News) -> None:
    """Act, and once more when it is unknown what GitHub did: acting looks before it writes."""
    try:
        act(github, news)
    except Unreachable:
        if github.is_late():
            raise
        act(github, news)


def tell_people(github: GitHub, news: News) -> None:
    """Write the comment in each pull request of the branch; an app that is gone gets no new one."""
    gone = news.state == "destroyed"
    for request in github.pull_requests(news.branch, closed=gone):
        github.comment(request.number, marker(news.slug), comment(news), create=not gone)


def tell_deployments(github: GitHub, news: News) -> None:
    """Give the newest deployment its status and mark the older ones inactive."""
    environment = f"review/{news.slug}"
    known = github.deployments(environment)
    if news.state == "destroyed":
        retire(github, known)
        return
    current = next(iter(known), None)
    if news.commit and not is_of(github, current, news.commit):
        current = github.create_deployment(news.commit, environment, {"slug": news.slug})
    if current is None:
        return
    status = STATUS[news.state]
    if github.state(current.id) != status:
        text = news.cause or TITLE[news.state]
        url = news.url if news.state == "running" else ""
        github.set_state(current.id, status, text=text, url=url, log_url=news.log_url)
    if news.state == "running":
        retire(github, [old for old in known if old.id != current.id])


def is_of(github: GitHub, deployment: Deployment | None, commit: str) -> bool:
    """Say whether `deployment` is of `commit` and still in use: what was retired stays so."""
    if deployment is None or deployment.commit != commit:
        return False
    return github.state(deployment.id) != "inactive"


def retire(github: GitHub, newest_first: list[Deployment]) -> None:
    """Mark deployments inactive, since GitHub itself leaves those of transient environments.

    The oldest goes first: so what is older than an inactive one is inactive too, and each is
    asked for only once, however long the list has grown.
    """
    active = []
    for deployment in newest_first:
        if github.state(deployment.id) == "inactive":
            break
        active.append(deployment)
    for deployment in reversed(active):
        github.set_state(deployment.id, "inactive")


def marker(slug: str) -> str:
    """Return the invisible first line by which we know our comment again."""
    return f"<!-- review-app:{slug} -->"


def comment(news: News) -> str:
    """Return the comment's Markdown; whatever came from outside is only ever text in it."""
    rows = [("Status", TITLE[news.state])]
    if news.url and news.state != "destroyed":
        rows.append(("URL", link(news.url)))
    rows.append(("Branch", code(news.branch)))
    if news.commit:
        rows.append(("Commit", news.commit[:12]))
    if news.seconds is not None:
        rows.append(("Took", duration(news.seconds)))
    if news.log_url:
        rows.append(("Log", link(news.log_url)))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    cause = f"\n\n<pre>{html.escape(news.cause)}</pre>" if news.cause else ""
    return f"**Review app {news.slug}**\n\n| | |\n|---|---|\n{table}{cause}"


def code(text: str) -> str:
    """Return `text` for a table's cell: no Markdown, no mention, no HTML, no end of cell."""
    plain = "".join(
        character if character.isalnum() or character in "-/ " else f"&#{ord(character)};"
        for character in text
        if character.isprintable()
    )
    return f"<code>{plain}</code>"


def link(url: str) -> str:
    """Return a URL that Markdown makes a link of, or plain text when it is none."""
    return url if re.fullmatch(r"https?://[\w.:/?&=%~+-]+", url) else code(url)


def duration(seconds: float) -> str:
    """Return seconds as people say them: `42 s`, `3 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
