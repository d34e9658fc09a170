"""From a push to a URL and back to nothing: `pytest tests/real/test_journey.py -s` to watch it.

A bare remote, the example application, `reviewapps init`, the commands of the CircleCI file as the
file has them, a GitHub whose every request is checked against GitHub's own description, an AWS that
is moto's server, and the local cluster. cloud.py and ci_machine.py say what is real of AWS.
"""

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import yaml

from bench import redeploys
from bench.redeploys import Load
from reviewapps import packages
from reviewapps.local import images, postgres, registry
from reviewapps.local.cluster import Cluster
from tests.circleci.run_job import Result
from tests.github.stand_in import StandIn, github_stand_in
from tests.real.apps import docker
from tests.real.ci_machine import Machine, machine
from tests.real.cloud import Account, account
from tests.real.journey import FILE, ROOT, Team

pytestmark = pytest.mark.real
BRANCH = "deploy-x"
GUESTBOOK = ROOT / "examples" / "guestbook"
RATE = 10
PATIENT = "unicorn:\n  boot_seconds: 300\n"  # for a machine that is busy with other tests
# The one thing that init leaves to the team, since an app may well serve its files itself.
ON_THE_CDN = "assets: {directory: /app/public/assets, prefix: /assets}"


class Visitors(Load):
    """Requests at a constant rate, each on a connection of its own; a slow answer is no failure.

    A connection that is kept may be closed by the server at the moment of its next request, which
    is nobody's fault; bench/redeploys.py has those too.
    """

    def _request(self, number: int) -> None:
        super()._request(2 * number + 1)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redeploys, "TIMEOUT_SECONDS", 300)


@pytest.fixture
def cloud(local_cluster: Cluster) -> Iterator[Account]:
    """The team's account, with a registry that has the platform's Redis."""
    runs = registry.process(local_cluster).pid()
    registry.start(local_cluster)
    redis = f"{registry.host(local_cluster)}/redis:7"
    docker("tag", images.RECIPES["redis"].tag, redis)
    docker("push", "--quiet", redis)
    with account(local_cluster) as made:
        made.make()
        made.place_here()
        yield made
    docker("image", "rm", redis)
    if not runs:
        registry.stop(local_cluster)


@pytest.fixture
def github(local_cluster: Cluster) -> Iterator[StandIn]:
    with github_stand_in(local_cluster.address) as running:
        yield running


@pytest.fixture
def ci(local_cluster: Cluster, tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "machine").mkdir()
    with machine(local_cluster, tmp_path / "machine", postgres.PORT) as made:
        yield made


@pytest.fixture
def team(team: Team, cloud: Account, ci: Machine) -> Iterator[Team]:
    made = replace(team, account=cloud, machine=ci)
    yield made
    if made.record(BRANCH):
        made.reviewapps("destroy", made.slug(BRANCH))


def test_a_pushed_branch_gets_its_url_and_a_deleted_one_leaves_nothing(
    team: Team, github: StandIn, cloud: Account
) -> None:
    team.begin(GUESTBOOK, without=("reviewapps.yml",))

    # Once for a project: init, the two files of Terraform's outputs, one commit.
    told = team.reviewapps("init")
    assert told.returncode == 0, told.stderr
    file = team.work / "reviewapps.yml"
    assert yaml.safe_load(file.read_text())["database"] == {"engine": "postgresql"}
    assert (team.work / FILE).is_file()
    file.write_text(file.read_text().replace("unicorn:\n", PATIENT))
    team.push("main", cloud.files(str(next(team.home.glob("*.whl")))))

    # A push, its pull request, its pipeline: the file as init wrote it.
    first = team.push(BRANCH, {"look.json": look("Hello from the first push", 20)})
    number = github.pull_request(BRANCH)
    succeed(team.job("build", BRANCH, commit=first))
    succeed(team.job("deploy", BRANCH, commit=first))
    assert cloud.taken[-1] == ("reviewapps-shop-deploy", BRANCH)
    forward = "AWS-StartPortForwardingSession"
    ends = {f"{forward} 4646", f"{forward} 8500", f"{forward}ToRemoteHost 5432"}
    assert set(cloud.tunnels) == ends
    comment = only_comment(github, number)
    assert "| Status | Running |" in comment
    url = url_in(comment)
    page = team.open(url)
    assert page.status_code == 200
    assert "Hello from the first push" in page.text
    record = team.record(BRANCH)
    assert record
    assert record.wanted_release.pinned.startswith(f"{registry.host(team.cluster)}/shop@sha256:")

    # A second push, with its files on the CDN, while people look at the first.
    files = {
        "look.json": look("Hello from the second push", 200),
        "reviewapps.yml": f"{file.read_text()}\n{ON_THE_CDN}\n",
    }
    second = team.push(BRANCH, files)
    with Visitors((team.cluster.loopback, team.settings.url_port), record.host, RATE) as load:
        succeed(team.job("deploy", BRANCH, commit=second, how="blobless"))
        page = team.open(url)
        assert "Hello from the second push" in page.text
    team.say(f"\n# {sum(load.counts.values())} requests meanwhile: {dict(load.counts)}")
    assert set(load.counts) == {"200"}
    assert url_in(only_comment(github, number)) == url
    assert second[:12] in only_comment(github, number)
    assert github.states() == [
        (first, ["in_progress", "success", "inactive"]),
        (second, ["in_progress", "success"]),
    ]
    every_asset_is_on_the_cdn(cloud, page.text)

    # The branch is still there: whoever prunes now removes nothing.
    assert team.reviewapps("prune").stdout == (
        "Nothing to remove: there is 1 app of shop, each with a branch.\n"
    )
    assert team.open(url).status_code == 200

    # The branch goes, and within half an hour all else.
    team.delete(BRANCH)
    succeed(team.job("prune", "main"))
    assert cloud.taken[-1] == ("reviewapps-shop-prune", "main")
    assert team.record(BRANCH) is None
    assert team.open(url).status_code == 404
    assert "| Status | Removed |" in only_comment(github, number)
    assert github.states()[-1] == (second, ["in_progress", "success", "inactive"])
    found = team.doctor()
    assert [each for each in found["checks"] if not each["ok"]] == []
    assert [each for each in found["leftovers"] if each["slug"] == team.slug(BRANCH)] == []


def test_the_account_of_the_journey_says_what_terraform_prints(cloud: Account) -> None:
    """Made by hand, since an apply takes minutes: tests/terraform/test_apply.py has one."""
    outputs = (packages.folder("terraform") / "outputs.tf").read_text()
    printed = set(re.findall(r"^ +([A-Z]+_[A-Z_]+) += ", outputs, re.M))
    assert set(cloud.variables) == printed
    values = outputs.partition('\noutput "')[0]
    known = set(re.findall(r"\b(\w+) += ", values, re.M)) | {"postgresql"}
    # a registry of our own, whose certificate not all trust, and a server that has no name
    own = {"registry_ca_file", "build_network", "host", "port"}
    for section, value in cloud.settings.items():
        assert {section, *(value if isinstance(value, dict) else ())} - own <= known


def every_asset_is_on_the_cdn(cloud: Account, page: str) -> None:
    """Ask for each as a browser does: it is there, compressed, and may be kept for ever."""
    urls = re.findall(rf'"(https://{re.escape(cloud.cdn)}/shop/assets/[^"]+)"', page)
    assert len(urls) >= 3, page
    trust = ssl.create_default_context(cafile=str(registry.ca_file(cloud.cluster)))
    for url in urls:
        answer = httpx.get(url, verify=trust, trust_env=False)
        assert answer.status_code == 200, url
        assert answer.headers["Cache-Control"].endswith("immutable")
        name = re.sub(r"-[0-9a-f]{16}\.", ".", url.rpartition("/")[2])
        assert answer.text == (GUESTBOOK / "assets" / name).read_text()


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
