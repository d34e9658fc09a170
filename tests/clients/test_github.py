"""The GitHub client and its report, against a GitHub that checks every request."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from reviewapps.clients.github import GitHub, PullRequest
from reviewapps.clients.github_report import News, comment, marker, report
from reviewapps.errors import ServiceError, Unreachable
from tests.github.stand_in import StandIn, Trouble, github_stand_in

BRANCH = "deploy-checkout"
SLUG = "checkout-abc234"
COMMIT = "1" * 40
NEXT = "2" * 40
RUNNING = News(SLUG, BRANCH, "running", COMMIT, "https://checkout-abc234.apps.test", seconds=42)
DEPLOYING = replace(RUNNING, state="deploying", seconds=None)


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def there() -> Iterator[StandIn]:
    with github_stand_in() as state:
        yield state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(there: StandIn, clock: Clock) -> GitHub:
    return client(there, clock)


def client(there: StandIn, clock: Clock) -> GitHub:
    return GitHub(there.repository, there.token, api=there.url, clock=clock, sleep=clock.sleep)


def bodies(there: StandIn, number: int) -> list[str]:
    return [item["body"] for item in there.comments[number]]


def test_a_deploy_is_told_in_one_comment_and_one_deployment(there: StandIn, github: GitHub) -> None:
    number = there.pull_request(BRANCH)
    assert report(github, DEPLOYING) == []
    assert report(github, RUNNING) == []
    assert bodies(there, number) == [
        "<!-- review-app:checkout-abc234 -->\n"
        "**Review app checkout-abc234**\n\n"
        "| | |\n|---|---|\n"
        "| Status | Running |\n"
        "| URL | https://checkout-abc234.apps.test |\n"
        "| Branch | <code>deploy-checkout</code> |\n"
        "| Commit | 111111111111 |\n"
        "| Took | 42 s |"
    ]
    assert there.states() == [(COMMIT, ["in_progress", "success"])]
    made = there.deployments[0]
    assert made["environment"] == "review/checkout-abc234"
    assert made["transient_environment"] is True
    assert there.statuses[made["id"]][1]["environment_url"] == RUNNING.url


def test_the_same_news_again_writes_nothing(there: StandIn, github: GitHub) -> None:
    there.pull_request(BRANCH)
    report(github, RUNNING)
    there.requests.clear()
    assert report(github, RUNNING) == []
    assert [line for line in there.requests if not line.startswith("GET")] == []


def test_a_second_release_retires_the_first(there: StandIn, github: GitHub) -> None:
    report(github, RUNNING)
    report(github, replace(DEPLOYING, commit=NEXT))
    assert there.states()[0] == (COMMIT, ["success"]), "the first serves until the second does"
    report(github, replace(RUNNING, commit=NEXT))
    assert there.states() == [
        (COMMIT, ["success", "inactive"]),
        (NEXT, ["in_progress", "success"]),
    ]


def test_a_failed_release_leaves_the_serving_one_active(there: StandIn, github: GitHub) -> None:
    report(github, RUNNING)
    report(github, replace(RUNNING, state="failed", commit=NEXT, cause="migrate exited with 1"))
    assert there.states() == [(COMMIT, ["success"]), (NEXT, ["failure"])]
    assert there.statuses[101][0]["description"] == "migrate exited with 1"


def test_destroy_edits_the_comment_and_retires_all(there: StandIn, github: GitHub) -> None:
    number = there.pull_request(BRANCH)
    report(github, RUNNING)
    report(github, replace(RUNNING, state="failed", commit=NEXT))
    assert report(github, News(SLUG, BRANCH, "destroyed")) == []
    assert len(bodies(there, number)) == 1
    assert "| Status | Removed |" in bodies(there, number)[0]
    assert "https://" not in bodies(there, number)[0]
    assert [states[-1] for _, states in there.states()] == ["inactive", "inactive"]
    there.requests.clear()
    assert report(github, News(SLUG, BRANCH, "destroyed")) == []
    assert [line for line in there.requests if not line.startswith("GET")] == []


def test_a_branch_deployed_again_after_destroy_gets_a_new_deployment(
    there: StandIn, github: GitHub
) -> None:
    report(github, RUNNING)
    report(github, News(SLUG, BRANCH, "destroyed"))
    report(github, RUNNING)
    assert there.states() == [(COMMIT, ["success", "inactive"]), (COMMIT, ["success"])]


def test_destroy_of_what_was_never_told_comments_nothing(there: StandIn, github: GitHub) -> None:
    number = there.pull_request(BRANCH)
    assert report(github, News(SLUG, BRANCH, "destroyed")) == []
    assert bodies(there, number) == []


def test_retiring_resumes_where_it_was_interrupted(there: StandIn, github: GitHub) -> None:
    for digit in "123":
        github.create_deployment(digit * 40, f"review/{SLUG}", {})
    there.troubles.append(Trouble(422, only="POST /repos/acme/shop/deployments/101"))
    assert report(github, News(SLUG, BRANCH, "destroyed")) != []
    assert [states for _, states in there.states()] == [["inactive"], [], []]
    assert report(github, News(SLUG, BRANCH, "destroyed")) == []
    assert [states for _, states in there.states()] == [["inactive"]] * 3


def test_no_pull_request_is_no_error(there: StandIn, github: GitHub) -> None:
    assert report(github, RUNNING) == []
    assert there.states() == [(COMMIT, ["success"])]


def test_every_pull_request_of_the_branch_is_told(there: StandIn, github: GitHub) -> None:
    numbers = [there.pull_request(BRANCH), there.pull_request(BRANCH)]
    there.pull_request("deploy-other")
    assert report(github, RUNNING) == []
    assert [len(bodies(there, number)) for number in numbers] == [1, 1]
    assert bodies(there, 3) == []


def test_a_fork_s_pull_request_is_never_told(there: StandIn, github: GitHub) -> None:
    there.pull_request(BRANCH, repository="stranger/shop")
    assert github.pull_requests(BRANCH) == []


def test_other_branches_are_left_out_when_github_ignores_the_filter(
    there: StandIn, github: GitHub
) -> None:
    there.pull_request("deploy-other")
    assert github.pull_requests("") == []


def test_our_comment_is_found_on_a_later_page(there: StandIn, github: GitHub) -> None:
    number = there.pull_request(BRANCH)
    there.page_size = 2
    for _ in range(5):
        there.say(number, "looks good", "alice")
    report(github, DEPLOYING)
    report(github, RUNNING)
    assert len(bodies(there, number)) == 6
    assert "Running" in bodies(there, number)[5]


def test_a_stranger_s_comment_with_our_marker_is_not_edited(there: StandIn, github: GitHub) -> None:
    number = there.pull_request(BRANCH)
    there.say(number, f"{marker(SLUG)}\nmine", "mallory")
    report(github, RUNNING)
    assert bodies(there, number)[0].endswith("mine")
    assert len(bodies(there, number)) == 2


def test_an_app_s_token_that_may_not_ask_who_it_is_finds_its_comment(
    there: StandIn, github: GitHub
) -> None:
    there.user_answer = 403
    number = there.pull_request(BRANCH)
    there.say(number, f"{marker(SLUG)}\nold", "review[bot]", "Bot")
    assert report(github, RUNNING) == []
    assert len(bodies(there, number)) == 1


def test_an_app_whose_slug_begins_alike_has_its_own_comment(there: StandIn, github: GitHub) -> None:
    number = there.pull_request(BRANCH)
    report(github, RUNNING)
    report(github, replace(RUNNING, slug=f"{SLUG}2"))
    assert len(bodies(there, number)) == 2


@pytest.mark.parametrize(
    "limit",
    [
        Trouble(403, {"Retry-After": "7"}, "You have exceeded a secondary rate limit"),
        Trouble(429, {"Retry-After": "7"}),
        Trouble(502, body=b"<html>Bad gateway</html>"),
        Trouble(0),
    ],
)
def test_github_s_request_for_patience_is_followed(
    there: StandIn, github: GitHub, clock: Clock, limit: Trouble
) -> None:
    there.troubles = [replace(limit, only="GET ")] * 2
    there.pull_request(BRANCH)
    assert report(github, RUNNING) == []
    assert clock.now >= 6
    assert len(bodies(there, 1)) == 1


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble(403, {"Retry-After": "3600"}, "secondary rate limit"), "secondary rate limit"),
        (
            Trouble(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}, "API"),
            "the next one tries again",
        ),
        (Trouble(403, message="Resource not accessible by integration"), "Deployments write"),
        (Trouble(401, message="Bad credentials"), "Bad credentials"),
        (Trouble(404, message="Not Found"), "404"),
        (Trouble(503, body=b"<html>Unicorn!</html>"), "503"),
        (Trouble(0), "did not answer"),
        (Trouble(200, body=b"not json"), "cannot be read"),
        (Trouble(200, body=b'{"unexpected": 1}'), "cannot be read"),
    ],
)
def test_trouble_at_github_is_told_and_never_raised(
    there: StandIn, github: GitHub, clock: Clock, trouble: Trouble, said: str
) -> None:
    there.troubles = [trouble] * 1000
    problems = report(github, RUNNING)
    assert len(problems) == 2
    assert said in problems[0]
    assert there.token not in str(problems)
    assert clock.now <= github.deadline_seconds


def test_a_comment_that_fails_does_not_keep_the_deployment_from_being_told(
    there: StandIn, github: GitHub
) -> None:
    there.pull_request(BRANCH)
    there.troubles = [Trouble(403, message="no rights", only="POST /repos/acme/shop/issues")]
    problems = report(github, RUNNING)
    assert len(problems) == 1
    assert "comment" in problems[0]
    assert there.states() == [(COMMIT, ["success"])]


@pytest.mark.parametrize("code", [0, 502])
def test_a_lost_answer_makes_no_second_comment_and_no_second_deployment(
    there: StandIn, github: GitHub, code: int
) -> None:
    there.pull_request(BRANCH)
    there.troubles = [
        Trouble(code, after=True, only="POST /repos/acme/shop/issues/1/comments"),
        Trouble(code, after=True, only="POST /repos/acme/shop/deployments"),
    ]
    assert report(github, RUNNING) == []
    assert there.troubles == []
    assert len(bodies(there, 1)) == 1
    assert there.states() == [(COMMIT, ["success"])]


def test_nobody_listening_is_unreachable(there: StandIn, clock: Clock) -> None:
    github = GitHub("acme/shop", "t", api="http://127.0.0.1:9", clock=clock, sleep=clock.sleep)
    with pytest.raises(Unreachable):
        github.pull_requests(BRANCH)


def test_the_token_does_not_follow_a_link_elsewhere(there: StandIn, github: GitHub) -> None:
    there.pull_request(BRANCH)
    elsewhere = {"Link": f'<http://localhost:{there.url.rpartition(":")[2]}/x>; rel="next"'}
    there.troubles = [Trouble(200, elsewhere, body=b"[]")]
    assert github.pull_requests(BRANCH) == []
    assert len(there.requests) == 1


def test_a_wrong_token_names_no_secret(there: StandIn, clock: Clock) -> None:
    github = GitHub(there.repository, "wrong-secret", api=there.url, clock=clock)
    with pytest.raises(ServiceError) as raised:
        github.pull_requests(BRANCH)
    assert "wrong-secret" not in str(raised.value) + repr(github)


@pytest.mark.parametrize(
    "branch",
    [
        "deploy-`whoami`",
        "deploy-@everyone",
        "deploy-|x|",
        "deploy-</code><script>",
        "deploy-#1_a_*b*[x](http://evil.test)",
        "deploy-&lt;é",
        "deploy-www.evil.test",
    ],
)
def test_a_hostile_branch_is_only_text_in_the_comment(branch: str) -> None:
    cell = comment(replace(RUNNING, branch=branch)).split("| Branch | ")[1].split(" |\n")[0]
    inside = cell.removeprefix("<code>").removesuffix("</code>")
    assert cell == f"<code>{inside}</code>"
    assert not set("`@|<>*[]()_.:") & set(inside)


def test_a_hostile_branch_is_told_like_any_other(there: StandIn, github: GitHub) -> None:
    branch = 'deploy-zzz";echo${IFS}"hello";#&head=x:y'
    there.pull_request(branch)
    assert github.pull_requests(branch) == [PullRequest(1, there.pulls[0]["html_url"])]


def test_a_cause_cannot_leave_its_box() -> None:
    text = comment(replace(RUNNING, state="failed", cause="</pre>@everyone <img src=x>"))
    assert text.endswith("<pre>&lt;/pre&gt;@everyone &lt;img src=x&gt;</pre>")


def test_a_long_cause_is_cut_where_github_cuts(there: StandIn, github: GitHub) -> None:
    report(github, replace(RUNNING, state="failed", cause="x" * 500))
    assert len(there.statuses[100][0]["description"]) == 140
