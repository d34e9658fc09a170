"""Nodes come and go with the apps: real nodes, launched and terminated by the local AWS group."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps.local import aws, nodes
from reviewapps.local.cluster import load
from reviewapps.local.down import down
from reviewapps.local.up import up
from reviewapps.store import keys
from tests.real.apps import WHOLE, until
from tests.real.elastic import (
    DEPLOY_SECONDS,
    FILLER_MB,
    MAXIMUM,
    NAME,
    NODE_MB,
    NUMBER,
    PROGRAM,
    Elastic,
)
from tests.real.troubled_aws import troubled

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def elastic(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elastic]:
    """A cluster of its own, whose first node has no room for any of the tests' apps."""
    left = load(NAME)
    if left:
        down(print, left)
    cluster = up(print, NAME, NUMBER, group_maximum=MAXIMUM, node_memory_mb=NODE_MB)
    made = Elastic(cluster, tmp_path_factory.mktemp("elastic"))
    filler = made.app("filler", FILLER_MB)
    assert made.deploy(filler).code == 0
    assert made.instances == []
    made.apps.clear()
    yield made
    made.forget_images()
    down(print, cluster)


@pytest.fixture
def group(elastic: Elastic) -> Iterator[Elastic]:
    """The cluster with an empty group; the test's apps are destroyed at the end."""
    elastic.limit(MAXIMUM)
    yield elastic
    elastic.refuse([], "", "")
    elastic.limit(MAXIMUM)
    elastic.nodes_join()
    elastic.clear()
    elastic.until_gone()


def test_an_app_that_does_not_fit_gets_a_node_and_takes_it_along_when_it_goes(
    group: Elastic,
) -> None:
    app = group.app("one")
    done = group.deploy(app)
    assert done.code == 0, done.said
    (instance,) = group.instances
    assert f"waiting for node {instance} to join: no node has room: out of memory" in done.said
    (name,) = group.nodes()
    assert [each["NodeName"] for each in app.allocations("unicorn")] == [name]
    address = app.route().partition(":")[0]
    assert address != group.cluster.address
    host = f"{app.slug}.localhost"
    for router in (address, group.cluster.loopback):  # every node has one
        assert group.router(router, host) == "release 1"

    again = group.deploy(app)
    assert again.code == 0
    assert group.instances == [instance]

    assert app.destroy().code == 0
    assert group.instances == []
    assert group.desired == 0
    group.until_gone()


def test_two_deploys_that_both_need_a_node_share_it(group: Elastic) -> None:
    apps = [group.app("one"), group.app("two")]
    for done in [each.start_deploy(group.image) for each in apps]:
        assert done.done(DEPLOY_SECONDS).code == 0
    assert len(group.instances) == 1
    first, second = apps
    assert first.destroy().code == 0
    assert len(group.instances) == 1, "a node that carries another app stays"
    assert second.get() == "release 1"
    assert second.destroy().code == 0
    assert group.instances == []


@pytest.mark.parametrize("fault", ["KILL_AFTER", "SILENT_AFTER"])
def test_a_launch_that_nobody_heard_of_is_not_made_twice(group: Elastic, fault: str) -> None:
    """Killed after AWS's call, or never answered: asked again with the same token."""
    app = group.app("one")
    group.no_node_joins()
    running = app.start_deploy(group.image, module=PROGRAM, env={fault: "LaunchInstances"})
    if fault == "KILL_AFTER":
        assert running.done().code == -9
        running = app.start_deploy(group.image)
    group.until_launched(running)
    group.nodes_join()
    done = running.done(DEPLOY_SECONDS)
    assert done.code == 0, done.said
    assert len(group.instances) == 1


def test_a_destroy_that_is_killed_after_the_node_goes_is_gone_on_with(group: Elastic) -> None:
    app = group.app("one")
    assert group.deploy(app).code == 0
    env = {"KILL_AFTER": "TerminateInstanceInAutoScalingGroup"}
    assert app.destroy(module=PROGRAM, env=env).code == -9
    assert app.destroy().code == 0
    assert (group.instances, group.desired) == ([], 0)
    assert not app.clients.consul.list(f"{keys.ROOT}nodes/leaving/")[1]


def test_the_maximum_is_respected_and_told(group: Elastic) -> None:
    group.limit(0)
    done = group.deploy(group.app("one"))
    assert done.code == 1
    assert "no node has room" in done.error
    assert "the group nodes is at its maximum of 0" in done.error


def test_the_minimum_is_kept(group: Elastic) -> None:
    group.limit(MAXIMUM, minimum=1)
    app = group.app("one")
    done = group.deploy(app)
    assert done.code == 0, done.said
    instances = group.instances
    assert len(instances) == 1
    assert app.destroy().code == 0
    assert group.instances == instances
    group.limit(MAXIMUM)
    other = group.app("two")
    assert group.deploy(other).code == 0
    assert group.instances == instances, "the node that stayed is used"


def test_another_subnet_is_tried_and_at_last_the_words_of_aws_are_told(group: Elastic) -> None:
    words = "You have requested more vCPU capacity than your current limit of 32"
    group.refuse(group.subnets, "VcpuLimitExceeded", words)
    app = group.app("one")
    done = group.deploy(app)
    assert done.code == 1
    assert f"{words} (VcpuLimitExceeded)" in done.error
    assert group.desired == 0

    group.refuse(group.subnets[:1], "InsufficientInstanceCapacity", "no Spot capacity")
    done = group.deploy(app)
    assert done.code == 0, done.said
    assert len(group.instances) == 1


def test_a_group_without_launch_instances_is_raised_by_one_for_two_deploys(
    group: Elastic,
) -> None:
    """Its desired capacity is absolute: both have read 0, and only the lock makes it 1, not 2."""
    apps = [group.app("one"), group.app("two")]
    with troubled(aws.endpoint(group.cluster)) as way:
        way.refuse("LaunchInstances", "UnsupportedOperation", "not for a mixed group")
        env = {"AWS_ENDPOINT_URL": way.url}
        deploys = [each.start_deploy(group.image, env=env) for each in apps]
        for done in [each.done(DEPLOY_SECONDS) for each in deploys]:
            assert done.code == 0, done.said
        assert way.refused["LaunchInstances"] == 1
    assert (len(group.instances), group.desired) == (1, 1)


def test_what_aws_throttles_is_asked_again(group: Elastic) -> None:
    app = group.app("one")
    with troubled(aws.endpoint(group.cluster)) as way:
        throttled = (
            *("DescribeAutoScalingGroups", "LaunchInstances"),
            "TerminateInstanceInAutoScalingGroup",
        )
        for action in throttled:
            way.refuse(action, "Throttling", "Rate exceeded", times=2)
        env = {"AWS_ENDPOINT_URL": way.url}
        done = group.deploy(app, env=env)
        assert done.code == 0, done.said
        assert len(group.instances) == 1
        done = app.start("destroy", "--", app.branch, env=env).done(DEPLOY_SECONDS)
        assert done.code == 0, done.said
        assert way.refused == dict.fromkeys(throttled, 2)
    assert (group.instances, group.desired) == ([], 0)


def test_a_teardown_while_the_node_is_coming_gives_it_back(group: Elastic) -> None:
    app = group.app("one")
    group.no_node_joins()
    deploying = app.start_deploy(group.image)
    group.until_launched(deploying)
    assert app.destroy().code == 0
    assert deploying.done().code == 4
    assert (group.instances, group.desired) == ([], 0)


def test_a_node_that_never_joins_is_replaced(group: Elastic) -> None:
    app = group.app("one")
    group.no_node_joins()
    deploying = app.start_deploy(group.image, module=PROGRAM, env={"JOIN_SECONDS": "25"})
    first = group.until_launched(deploying)
    group.until_launched(deploying, *first)
    group.nodes_join()
    done = deploying.done(DEPLOY_SECONDS)
    assert done.code == 0, done.said
    assert f"node {first[0]} has not joined within 25 s" in done.said
    assert len(group.instances) == 1


def test_an_app_too_large_for_an_empty_node_fills_the_group_with_none(group: Elastic) -> None:
    app = group.app("one", memory_mb=2 * NODE_MB)
    done = group.deploy(app)
    assert done.code == 1
    assert "an empty node of the group nodes has not either" in done.error
    assert len(group.instances) == 1


def test_each_app_of_the_policy_per_app_has_a_node(group: Elastic) -> None:
    apps = [group.app(name, 100, capacity={"policy": "per-app"}) for name in ("one", "two")]
    for number, app in enumerate(apps, start=1):
        assert group.deploy(app).code == 0
        assert len(group.instances) == number
    for number, app in enumerate(apps, start=1):
        assert app.destroy().code == 0
        assert len(group.instances) == len(apps) - number


def test_the_controller_brings_apps_of_a_lost_node_back_with_their_data(
    group: Elastic, tmp_path: Path
) -> None:
    app = group.app("one", **WHOLE)
    assert group.deploy(app).code == 0
    before = app.query("SELECT * FROM runs ORDER BY step")
    assert before
    (lost,) = group.instances
    address = app.route()
    (node,) = [each for each in nodes.started(group.cluster) if each.instance == lost]
    controller = app.start("controller")
    try:
        nodes.cut_off(group.cluster, node.k)
        until(lambda: app.route() not in ("", address), "the route to follow", 240)
        assert app.get() == "release 1"
        assert app.query("SELECT * FROM runs ORDER BY step") == before
        assert group.router(group.cluster.loopback, f"{app.slug}.localhost") == "release 1"
        until(lambda: lost not in group.instances, "the lost node to go", 240)
    finally:
        controller.process.terminate()
        done = controller.done()
    assert done.code == 0, done.said
    assert app.record().state == "running"
