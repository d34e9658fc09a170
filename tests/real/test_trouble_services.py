"""Consul, Nomad or PostgreSQL is away: one sentence says which, and the same command goes on."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from reviewapps.local import consul, nomad, postgres
from reviewapps.local.cluster import Cluster
from reviewapps.local.up import up
from tests.real.apps import Place, docker, leftovers, until

pytestmark = [pytest.mark.real, pytest.mark.slow]
Kill = Callable[[Cluster], object]


def pid_of(service: str, cluster: Cluster) -> int:
    """Return the process of one of the cluster's servers."""
    processes = {"Consul": consul.process(cluster.node(1)), "Nomad": nomad.server(cluster)}
    return processes[service].pid()


def kill(service: str, cluster: Cluster) -> None:
    """End a service without warning."""
    if service == "PostgreSQL":
        docker("kill", postgres.container(cluster))
        return
    os.kill(pid_of(service, cluster), signal.SIGKILL)
    until(lambda: not pid_of(service, cluster), f"the end of {service}")


@pytest.fixture
def mended(local_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster; what a test has broken runs again at its end."""
    yield local_cluster
    up(print, local_cluster.name)


@pytest.mark.parametrize("service", ["Consul", "Nomad", "PostgreSQL"])
def test_a_service_that_is_down_is_named_at_once(
    place: Place, mended: Cluster, service: str
) -> None:
    place.only(*["database"] if service == "PostgreSQL" else [])
    assert place.deploy().code == 0
    kill(service, mended)
    for command in ("deploy", "destroy"):
        done = place.deploy() if command == "deploy" else place.destroy()
        assert done.code == 5, done.said
        assert done.error.startswith(f"{service} at "), done.said
        assert "does not answer" in done.error
        assert "waiting: " not in done.out, "nothing will come of waiting"
        assert "Next: " in done.err
        if service == "PostgreSQL":
            break  # destroy begins with what needs no database

    up(print, mended.name)
    done = place.deploy()
    assert done.code == 0, done.said
    assert place.destroy().code == 0
    assert leftovers(place) == []


@pytest.mark.parametrize("service", ["Consul", "Nomad", "PostgreSQL"])
def test_a_deploy_goes_on_when_a_service_comes_back(
    place: Place, mended: Cluster, service: str
) -> None:
    place.only("database", "redis", "migrate")
    place.write(migrate={"env": {"MIGRATE_SECONDS": "4"}})
    if service == "PostgreSQL":  # it goes while the redis starts, not while a task needs it
        place.write(migrate={"env": {}})
    deploying = place.start_deploy()
    step = "redis" if service == "PostgreSQL" else "migrate"
    until(lambda: begun(place, step), f"the step {step}")
    kill(service, mended)
    up(print, mended.name)
    done = deploying.done()
    if done.code:  # it may have lost its lock, or its task its database; it says so
        assert done.code in (1, 4, 5), done.said
        assert done.error
        assert "bug" not in done.said
        done = place.deploy()
    assert done.code == 0, done.said
    assert place.get().startswith("release ")
    assert place.destroy().code == 0
    assert leftovers(place) == []


def test_a_deploy_whose_consul_freezes_stops_and_says_so(place: Place, mended: Cluster) -> None:
    """Its lock may be another's by then, so it does nothing more."""
    place.only("database", "migrate")
    place.write(migrate={"env": {"MIGRATE_SECONDS": "3"}})
    deploying = place.start_deploy()
    until(lambda: begun(place, "migrate"), "the migration")
    frozen = pid_of("Consul", mended)
    os.kill(frozen, signal.SIGSTOP)
    try:
        done = deploying.done()
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert done.code in (4, 5), done.said
    assert "the lock of" in done.error or done.error.startswith("Consul at ")
    again = place.deploy()
    assert again.code == 0, again.said


def test_a_deploy_whose_nomad_freezes_for_a_while_goes_on(place: Place, mended: Cluster) -> None:
    place.only("database", "migrate")
    place.write(migrate={"env": {"MIGRATE_SECONDS": "3"}})
    deploying = place.start_deploy()
    until(lambda: begun(place, "migrate"), "the migration")
    frozen = pid_of("Nomad", mended)
    os.kill(frozen, signal.SIGSTOP)
    try:
        said = "Nomad at "
        until(lambda: any(said in each.detail for each in place.record().events), said)
    finally:
        os.kill(frozen, signal.SIGCONT)
    done = deploying.done()
    assert done.code == 0, done.said


def begun(place: Place, step: str) -> bool:
    """Say whether the deploy under way has begun with a step."""
    return place.has_record() and any(each.step == step for each in place.record().steps)
