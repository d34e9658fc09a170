"""From a push to a URL and back to nothing: `pytest tests/real/test_journey.py -s` to watch it.

A bare remote, the example application, `reviewapps init`, the commands of the CircleCI file as the
file has them, a GitHub whose every request is checked against GitHub's own description, and the
local cluster.
"""

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from bench.redeploys import Load
from tests.circleci.run_job import Result
from tests.github.stand_in import StandIn
from tests.real.journey import FILE, ROOT, Team

pytestmark = pytest.mark.real
BRANCH = "deploy-x"
GUESTBOOK = ROOT / "examples" / "guestbook"
RATE = 30

# What init cannot see in the guest book, which has no Gemfile; its note asks for the first two.
BY_HAND = """
database:
  engine: postgresql
migrate:
  command: ruby tasks/migrate.rb
  memory_mb: 128
seed:
  command: ruby tasks/seed.rb
  memory_mb: 128
resque:
  command: ruby tasks/worker.rb
  memory_mb: 128
  stop_signal: SIGQUIT
"""


@pytest.fixture
def team(team: Team) -> Iterator[Team]:
    yield team
    if team.record(BRANCH):
        team.reviewapps("destroy", team.slug(BRANCH))


def test_a_pushed_branch_gets_its_url_and_a_deleted_one_leaves_nothing(
    team: Team, github: StandIn
) -> None:
    team.begin(GUESTBOOK, without=("reviewapps.yml",))

    # Once for a project: init, what it could not know, one commit.
    told = team.reviewapps("init")
    assert told.returncode == 0, told.stderr
    assert "add `database: {engine: postgresql}`" in told.stdout
    file = team.work / "reviewapps.yml"
    file.write_text(file.read_text() + BY_HAND)
    assert yaml.safe_load(file.read_text())["project"] == "shop"
    team.push("main", {})
    assert (team.work / FILE).is_file()

    # A push, its pull request, its pipeline.
    first = team.push(BRANCH, {"look.json": look("Hello from the first push", 20)})
    number = github.pull_request(BRANCH)
    succeed(team.job("build", BRANCH, commit=first))
    succeed(team.job("deploy", BRANCH, commit=first))
    comment = only_comment(github, number)
    assert "| Status | Running |" in comment
    url = url_in(comment)
    page = team.open(url)
    assert page.status_code == 200
    assert "Hello from the first push" in page.text

    # A second push, while people look at the first.
    second = team.push(BRANCH, {"look.json": look("Hello from the second push", 200)})
    record = team.record(BRANCH)
    assert record
    with Load((team.cluster.loopback, team.settings.url_port), record.host, RATE) as load:
        succeed(team.job("deploy", BRANCH, commit=second, how="blobless"))
        assert "Hello from the second push" in team.open(url).text
    team.say(f"\n# {sum(load.counts.values())} requests meanwhile: {dict(load.counts)}")
    assert set(load.counts) == {"200"}
    assert url_in(only_comment(github, number)) == url
    assert second[:12] in only_comment(github, number)
    assert github.states() == [
        (first, ["in_progress", "success", "inactive"]),
        (second, ["in_progress", "success"]),
    ]

    # The branch is still there: the scheduled prune leaves its app alone.
    succeed(team.job("prune", "main"))
    assert team.open(url).status_code == 200

    # The branch goes, and within half an hour all else.
    team.delete(BRANCH)
    succeed(team.job("prune", "main"))
    assert team.record(BRANCH) is None
    assert team.open(url).status_code == 404
    assert "| Status | Removed |" in only_comment(github, number)
    assert github.states()[-1] == (second, ["in_progress", "success", "inactive"])
    found = team.doctor()
    assert [each for each in found["checks"] if not each["ok"]] == []
    assert [each for each in found["leftovers"] if each["slug"] == team.slug(BRANCH)] == []


def look(greeting: str, hue: int) -> str:
    return json.dumps({"greeting": greeting, "hue": hue}) + "\n"


def succeed(results: list[Result]) -> None:
    assert all(each.code in (0, None) for each in results), results[-1].output


def only_comment(github: StandIn, number: int) -> str:
    (comment,) = github.comments[number]
    return str(comment["body"])


def url_in(comment: str) -> str:
    match = re.search(r"^\| URL \| (\S+) \|$", comment, re.M)
    assert match, comment
    return match[1]
