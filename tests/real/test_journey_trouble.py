"""What happens to a team on the way from a push to a URL: cancelled jobs, two pushes, odd names."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from reviewapps import packages
from tests.github.stand_in import StandIn, Trouble
from tests.hostile import LEGAL_IN_GIT
from tests.real.apps import TINY, WHOLE, until
from tests.real.journey import FILE, Team

pytestmark = pytest.mark.real
BRANCH = "deploy-x"
CIRCLECI = (packages.folder("circleci") / "config.yml").read_text()


def project(**environment: str) -> str:
    """Return a project file with a web process only."""
    web = WHOLE["unicorn"] | {"env": environment}
    return str(yaml.safe_dump({"project": "shop", "branches": "deploy-*", "unicorn": web}))


@pytest.fixture
def team(team: Team, tiny: str, tmp_path: Path) -> Iterator[Team]:
    """A team whose application is tiny."""
    (tmp_path / "app").mkdir()
    files = {
        "Dockerfile": f"FROM {TINY}\nCOPY version /\n",
        "version": "1",
        "reviewapps.yml": project(),
    }
    team.begin(tmp_path / "app", more=files | {FILE: CIRCLECI})
    yield team
    for branch in {BRANCH, *LEGAL_IN_GIT}:
        if team.record(branch):
            team.reviewapps("destroy", team.slug(branch))


def page(team: Team) -> httpx.Response:
    record = team.record(BRANCH)
    assert record
    return team.open(record.url)


def title(github: StandIn, number: int) -> str:
    (comment,) = github.comments[number]
    lines: list[str] = comment["body"].split("\n")
    return next(line.split("|")[2].strip() for line in lines if line.startswith("| Status"))


def until_at_work(team: Team, step: str = "unicorn") -> None:
    def is_at_work() -> bool:
        record = team.record(BRANCH)
        return record is not None and step in {each.step for each in record.steps}

    until(is_at_work, f"the deploy to come to {step}")


def leftovers(team: Team, branch: str = BRANCH) -> list[object]:
    return [each for each in team.doctor()["leftovers"] if each["slug"] == team.slug(branch)]


def test_a_job_that_was_cancelled_says_so_and_goes_on_when_it_is_run_again(
    team: Team, github: StandIn
) -> None:
    commit = team.push(BRANCH, {"reviewapps.yml": project(TROUBLE="slow=4")})
    number = github.pull_request(BRANCH)
    running = team.start("deploy", BRANCH, commit=commit)
    until_at_work(team)
    running.cancel(signal.SIGTERM)
    code, _ = running.done()
    assert code != 0
    assert title(github, number) == "Failed"
    assert "The same job again goes on" in github.comments[number][0]["body"]

    code, said = team.start("deploy", BRANCH, commit=commit).done()
    assert code == 0, said
    assert page(team).text.strip() == "release 1"
    assert title(github, number) == "Running"
    assert github.states() == [(commit, ["in_progress", "failure", "in_progress", "success"])]


def test_a_job_that_was_killed_goes_on_when_it_is_run_again(team: Team, github: StandIn) -> None:
    commit = team.push(BRANCH, {"reviewapps.yml": project(TROUBLE="slow=4")})
    number = github.pull_request(BRANCH)
    running = team.start("deploy", BRANCH, commit=commit)
    until_at_work(team)
    running.cancel(signal.SIGKILL)
    assert running.done()[0] == -signal.SIGKILL
    assert title(github, number) == "Deploying"
    code, said = team.start("deploy", BRANCH, commit=commit).done()
    assert code == 0, said
    assert page(team).text.strip() == "release 1"
    assert title(github, number) == "Running"


@pytest.mark.parametrize("step", ["image", "unicorn"])
def test_of_two_pushes_the_newer_wins_and_the_older_says_why_it_stops(
    team: Team, github: StandIn, step: str
) -> None:
    """A second push seconds after the first, and one while the first's processes start."""
    first = team.push(BRANCH, {"reviewapps.yml": project(TROUBLE="slow=8")})
    number = github.pull_request(BRANCH)
    older = team.start("deploy", BRANCH, commit=first)
    until_at_work(team, step)
    second = team.push(BRANCH, {"reviewapps.yml": project()})
    newer = team.start("deploy", BRANCH, commit=second)
    code, said = older.done()
    assert code == 4, said
    assert f"{team.slug(BRANCH)} is to be deployed anew, as asked by" in said
    code, said = newer.done()
    assert code == 0, said
    assert page(team).text.strip() == "release 2"
    assert title(github, number) == "Running"
    assert second[:12] in github.comments[number][0]["body"]
    assert [each[1][-1] for each in github.states()] == ["inactive", "success"]


def test_a_branch_that_is_deleted_while_its_deploy_runs_leaves_nothing(
    team: Team, github: StandIn
) -> None:
    commit = team.push(BRANCH, {"reviewapps.yml": project(TROUBLE="slow=8")})
    number = github.pull_request(BRANCH)
    running = team.start("deploy", BRANCH, commit=commit)
    until_at_work(team)
    team.delete(BRANCH)
    code, said = team.start("prune", "main").done()
    assert code == 0, said
    assert "its branch is gone" in said
    code, said = running.done()
    assert code == 4, said
    assert f"{team.slug(BRANCH)} is to be destroyed, as asked by" in said or "is gone" in said
    assert team.record(BRANCH) is None
    assert leftovers(team) == []
    assert title(github, number) == "Removed"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble(0), "GitHub did not answer"),
        (Trouble(403, {"Retry-After": "3600"}, "API rate limit exceeded"), "rate limit"),
        (Trouble(403, {}, "Resource not accessible by integration"), "the token needs: "),
    ],
)
def test_no_trouble_of_github_s_fails_a_deploy(
    team: Team, github: StandIn, trouble: Trouble, said: str
) -> None:
    commit = team.push(BRANCH, {})
    number = github.pull_request(BRANCH)
    github.troubles = [trouble] * 999
    began = time.monotonic()
    code, output = team.start("deploy", BRANCH, commit=commit).done()
    assert code == 0, output
    assert page(team).status_code == 200
    assert "the comment at GitHub is not up to date" in output
    assert said in output
    team.say(f"# the deploy took {time.monotonic() - began:.0f} s")
    github.troubles = []
    team.delete(BRANCH)
    assert team.start("prune", "main").done()[0] == 0
    assert github.comments[number] == []


def test_without_a_pull_request_nothing_is_missing_and_two_both_get_the_url(
    team: Team, github: StandIn
) -> None:
    commit = team.push(BRANCH, {})
    code, output = team.start("deploy", BRANCH, commit=commit).done()
    assert code == 0, output
    assert "GitHub" not in output
    numbers = [github.pull_request(BRANCH), github.pull_request(BRANCH)]
    commit = team.push(BRANCH, {"version": "2"})
    assert team.start("deploy", BRANCH, commit=commit).done()[0] == 0
    assert [title(github, each) for each in numbers] == ["Running", "Running"]


@pytest.mark.parametrize("how", ["shallow", "blobless", "detached"])
def test_it_does_not_matter_how_ci_checks_out(team: Team, how: str) -> None:
    commit = team.push(BRANCH, {"version": "2"})
    folder = team.checkout(BRANCH, commit, how="full" if how == "detached" else how)
    if how == "detached":
        team.detach(folder, BRANCH, commit)
    done = team.reviewapps("deploy", BRANCH, folder=folder)
    assert done.returncode == 0, done.stderr
    record = team.record(BRANCH)
    assert record
    assert (record.wanted_release.commit, record.state) == (commit, "running")


HOSTILE = (
    'deploy-zzz";echo${IFS}"hello";#',
    "deploy-$(id)",
    "deploy-'quoted'",
    "deploy-<script>alert(1)</script>",
    "deploy-\u202eabc\u2028d",
)


def test_names_that_are_legal_in_git_and_hostile_elsewhere_go_all_the_way(
    team: Team, github: StandIn
) -> None:
    for branch in HOSTILE:
        commit = team.push(branch, {})
        number = github.pull_request(branch)
        code, said = team.start("deploy", branch, commit=commit).done()
        assert code == 0, said
        assert title(github, number) == "Running"
        body = github.comments[number][0]["body"]
        assert "<script>" not in body
        record = team.record(branch)
        assert record
        assert team.open(record.url).text.strip() == "release 1"
    assert team.start("prune", "main").done()[1].startswith("Nothing to remove: there are 5 apps")
    for branch in HOSTILE:
        team.delete(branch)
    code, said = team.start("prune", "main").done()
    assert code == 2, "all five at once are not believed"
    assert "would be removed at once" in said
    pruned = team.reviewapps("prune", "--cap", "5")
    assert pruned.returncode == 0, pruned.stderr
    for branch in HOSTILE:
        assert team.record(branch) is None
        assert leftovers(team, branch) == []
