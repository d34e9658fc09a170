"""A real cluster for the tests of this folder: `cluster` gives the settings that reach it."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps import settings
from reviewapps.local.cluster import Cluster, load
from reviewapps.local.down import down
from reviewapps.local.up import up
from reviewapps.settings import Settings
from tests.github.stand_in import StandIn, github_stand_in
from tests.real.apps import Place, build_tiny
from tests.real.journey import Team, build_wheel, install

NAME = "test"
NUMBER = 7
LOCK = Path("/run/lock/reviewapps-tests.lock")


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[Cluster]:
    """A running cluster of this machine, stopped at the end.

    REVIEWAPPS_TEST_CLUSTER names one that runs already, which is used and left as it is.
    """
    if os.geteuid():
        pytest.skip("the real cluster needs root")
    named = os.environ.get("REVIEWAPPS_TEST_CLUSTER")
    if named:
        found = load(named)
        assert found, f"REVIEWAPPS_TEST_CLUSTER names {named}, which does not run"
        yield found
        return
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(
                "another test run uses the cluster `test`: wait for it, or start your own with "
                "`reviewapps local up --name mine` and set REVIEWAPPS_TEST_CLUSTER=mine"
            )
        left = load(NAME)
        if left:  # a killed run's
            down(print, left)
        cluster = up(print, NAME, NUMBER)
        yield cluster
        down(print, cluster)


@pytest.fixture(scope="session")
def cluster(local_cluster: Cluster) -> Settings:
    """The settings of a running cluster, as a user's commands read them."""
    return settings.load({"REVIEWAPPS_SETTINGS": str(local_cluster.settings_file)})


@pytest.fixture(scope="session")
def tiny() -> str:
    """The image of the tiny application."""
    return build_tiny()


@pytest.fixture
def place(
    local_cluster: Cluster, tiny: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """A project of the test's own, with a branch `deploy-blue`; its app is destroyed at the end."""
    made = Place(tmp_path / "project", local_cluster)
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:6]
    made.write_whole(project=f"tiny-{digest}")
    made.commit("1")
    yield made
    if made.has_record():
        made.destroy()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with `reviewapps` installed from the wheel of this tree."""
    folder = tmp_path_factory.mktemp("home")
    return install(folder, build_wheel(folder))


@pytest.fixture
def github() -> Iterator[StandIn]:
    """A GitHub that checks every request against GitHub's own description."""
    with github_stand_in() as running:
        yield running


@pytest.fixture
def team(local_cluster: Cluster, github: StandIn, home: Path, tmp_path: Path) -> Team:
    """A team with a remote, a developer and CircleCI."""
    return Team(tmp_path, local_cluster, home, github)
