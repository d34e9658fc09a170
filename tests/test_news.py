"""What GitHub is told, in which order, and that none of its troubles reaches a deploy."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reviewapps import apps, news
from reviewapps.clients import Clients
from reviewapps.clients.github import GitHub
from reviewapps.clients.github_report import report
from reviewapps.errors import Failed, ReviewAppsError, ServiceError, Superseded, UserError
from reviewapps.progress import Event
from reviewapps.project import Project
from reviewapps.review_app import Release, ReviewApp
from reviewapps.store.record import Record
from tests.github.stand_in import StandIn, Trouble, github_stand_in

COMMIT = "1" * 40
BRANCH = "deploy-blue"
APP = ReviewApp(
    project=Project("shop"),
    branch=BRANCH,
    slug="blue-abc234",
    host="blue-abc234.localhost",
    url="http://blue-abc234.localhost:8080",
    release=Release(1, "shop:1", COMMIT, built=True, project={"project": "shop"}),
)
RECORD = Record(APP.slug, "shop", BRANCH, APP.host, APP.url, state="deploying")


@pytest.fixture
def there() -> Iterator[StandIn]:
    with github_stand_in() as state:
        yield state


@pytest.fixture
def clients(there: StandIn) -> Clients:
    github = GitHub(there.repository, there.token, api=there.url, sleep=lambda _: None)
    return cast("Clients", SimpleNamespace(github=github))


def statuses(there: StandIn) -> list[str]:
    return [each["state"] for found in there.statuses.values() for each in found]


def titles(there: StandIn) -> list[str]:
    lines = [
        line for some in there.comments.values() for c in some for line in c["body"].split("\n")
    ]
    return [line.split("|")[2].strip() for line in lines if line.startswith("| Status")]


def test_a_project_that_is_not_at_github_is_told_nowhere() -> None:
    assert news.tell(cast("Clients", SimpleNamespace(github=None)), APP, "running") == []


def test_what_is_told_later_is_never_overtaken(
    there: StandIn, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub is slow with "deploying"; "running", told meanwhile, still has the last word."""
    there.pull_request(BRANCH)
    slow = threading.Event()

    def slowly(github: GitHub, told: Any) -> list[str]:
        if told.state == "deploying":
            slow.wait(10)
        return report(github, told)

    monkeypatch.setattr("reviewapps.news.report", slowly)
    first = news.tell_later(clients, APP, "deploying")
    second = news.tell_later(clients, APP, "running", seconds=3)
    slow.set()
    assert (first.result(10), second.result(10)) == ([], [])
    assert titles(there) == ["Running"]
    assert statuses(there) == ["in_progress", "success"]


def test_the_comment_of_a_pull_request_that_was_closed_with_its_branch_is_still_edited(
    there: StandIn, clients: Clients
) -> None:
    first, second = there.pull_request(BRANCH), there.pull_request(BRANCH)
    assert news.tell(clients, APP, "running", seconds=3) == []
    there.close(BRANCH)
    assert news.tell(clients, APP, "destroyed") == []
    assert titles(there) == ["Removed", "Removed"]
    assert [len(there.comments[each]) for each in (first, second)] == [1, 1]


def test_a_new_deploy_says_nothing_in_closed_pull_requests(
    there: StandIn, clients: Clients
) -> None:
    there.pull_request(BRANCH)
    there.close(BRANCH)
    assert news.tell(clients, APP, "running", seconds=3) == []
    assert titles(there) == []
    assert statuses(there) == ["success"]


TROUBLES = {
    "down": ([Trouble(0)] * 99, "GitHub did not answer"),
    "failing": ([Trouble(502)] * 99, "GitHub answered 502"),
    "limited": ([Trouble(403, {"Retry-After": "3600"}, "rate limit")] * 99, "rate limit"),
    "no rights": ([Trouble(403, {}, "Resource not accessible")] * 99, "the token needs: "),
    "no repository": ([Trouble(404, {}, "Not Found")] * 99, "GitHub answered 404"),
    "no token": ([Trouble(401, {}, "Bad credentials")] * 99, "Bad credentials"),
    "no JSON": ([Trouble(200, {}, body=b"<html>")] * 99, "cannot be read"),
    "another shape": ([Trouble(200, {}, body=b'["pull"]')] * 99, "cannot be read"),
    "a number for text": ([Trouble(200, {}, body=b"7")] * 99, "cannot be read"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_no_trouble_of_github_s_is_raised_and_each_is_told(there: StandIn, name: str) -> None:
    there.pull_request(BRANCH)
    there.troubles, said = TROUBLES[name]
    there.troubles = list(there.troubles)
    passed = iter(range(10_000))
    github = GitHub(
        there.repository,
        there.token,
        api=there.url,
        clock=lambda: float(next(passed)),
        sleep=lambda _: None,
    )
    clients = cast("Clients", SimpleNamespace(github=github))
    problems = news.tell(clients, APP, "running")
    assert len(problems) == 2, "one for the comment, one for the deployment"
    assert all(said in each for each in problems), problems


def test_an_answer_that_nobody_foresaw_is_told_too(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[str]:
        raise AttributeError("int has no startswith")

    monkeypatch.setattr("reviewapps.news.report", broken)
    assert news.tell(clients, APP, "running") == [
        "GitHub could not be told: AttributeError: int has no startswith"
    ]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (None, "Deploying"),
        (Failed("it crashed"), "Failed"),
        (UserError("no such mode"), "Failed"),
        (ServiceError("Nomad refused"), "Failed"),
        (KeyboardInterrupt(), "Failed"),
        (Superseded("blue-abc234 is to be deployed anew"), "Deploying"),
    ],
)
def test_a_deploy_tells_how_it_ended(
    there: StandIn, clients: Clients, raised: BaseException | None, told: str
) -> None:
    """What replaces a deploy tells of itself; that an app runs is told by the step notify."""
    there.pull_request(BRANCH)
    if raised is None:
        with apps._telling(clients, APP, RECORD, lambda _: None):
            pass
    else:
        with (
            pytest.raises(type(raised)),
            apps._telling(clients, APP, RECORD, lambda _: None),
        ):
            raise raised
    clients.github.line.shutdown() if clients.github else None
    assert titles(there) == [told]
    cause = {"Failed": "failure", "Deploying": "in_progress"}[told]
    assert statuses(there)[-1] == cause
    if isinstance(raised, KeyboardInterrupt):
        assert "The same job again goes on" in there.comments[1][0]["body"]


def test_what_github_could_not_be_told_of_a_failure_is_said(
    there: StandIn, clients: Clients
) -> None:
    there.troubles = [Trouble(404, {}, "Not Found")] * 9
    events: list[Event] = []
    failing: ReviewAppsError = Failed("it crashed")
    with pytest.raises(Failed), apps._telling(clients, APP, RECORD, events.append):
        raise failing
    assert [each.step for each in events] == ["notify", "notify"]
    assert "the comment at GitHub is not up to date" in events[0].detail


def test_a_deploy_that_has_nothing_to_do_tells_nothing(there: StandIn, clients: Clients) -> None:
    with apps._telling(clients, APP, replace(RECORD, state="running"), lambda _: None):
        pass
    assert there.requests == []


def test_the_build_s_page_is_linked(
    there: StandIn, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/shop/7")
    there.pull_request(BRANCH)
    news.tell(clients, APP, "running", seconds=3)
    assert "| Log | https://circleci.com/gh/acme/shop/7 |" in there.comments[1][0]["body"]


def test_after_a_trouble_github_gets_only_a_few_seconds_more(
    there: StandIn, clients: Clients
) -> None:
    there.troubles = [Trouble(404)] * 2
    assert len(news.tell(clients, APP, "deploying")) == 2
    assert clients.github
    assert clients.github.deadline_seconds == news.HASTY_SECONDS
