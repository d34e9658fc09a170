"""The group's client against moto's Auto Scaling, corrected where it differs from AWS's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from reviewapps import settings
from reviewapps.clients.aws.group import AtMaximum, CannotLaunch, NoCapacity, Nodes
from reviewapps.clients.aws.session import Aws
from reviewapps.errors import ServiceError, Unreachable
from reviewapps.local import aws_scaling

REGION = "us-east-1"
NAME = "nodes"
REFUSED: dict[str, list[str]] = {}
SUBNETS: list[str] = []


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    aws_scaling.install(lambda: REFUSED)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def api(endpoint: str) -> Iterator[Any]:
    """Auto Scaling through boto3 itself, with a launch template."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=endpoint)
        ec2.create_launch_template(
            LaunchTemplateName=NAME,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.large"},
        )
        vpc = ec2.create_vpc(CidrBlock="10.87.0.0/16")["Vpc"]["VpcId"]
        for n in range(2):
            made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.87.{n}.0/24")
            SUBNETS.append(made["Subnet"]["SubnetId"])
        yield boto3.client("autoscaling", region_name=REGION, endpoint_url=endpoint)


@pytest.fixture(scope="module")
def client(api: Any, endpoint: str) -> Nodes:
    return nodes_at(endpoint)


def nodes_at(endpoint: str, group: str = NAME) -> Nodes:
    return Nodes(Aws(settings.Aws(region=REGION, endpoint=endpoint, group=group)))


@pytest.fixture
def nodes(api: Any, client: Nodes, request: pytest.FixtureRequest) -> Nodes:
    """A group of the test's own, of at most two, in two subnets."""
    REFUSED.clear()
    client.name = request.node.name
    api.create_auto_scaling_group(
        AutoScalingGroupName=client.name,
        LaunchTemplate={"LaunchTemplateName": NAME, "Version": "$Latest"},
        MinSize=0,
        MaxSize=2,
        VPCZoneIdentifier=",".join(SUBNETS),
        NewInstancesProtectedFromScaleIn=True,
    )
    client._seen = None
    return client


def test_one_more_instance_comes_pending_and_raises_what_is_desired(nodes: Nodes) -> None:
    made = nodes.launch(nodes.look(), "a")
    group = nodes.look()
    assert [(each.id, each.state) for each in group.instances] == [(made[0], "Pending:Wait")]
    assert (group.minimum, group.maximum, group.desired) == (0, 2, 1)


def test_the_same_token_launches_nothing_more(nodes: Nodes) -> None:
    """Whoever was killed before it heard the answer asks again."""
    first = nodes.launch(nodes.look(), "a")
    assert nodes.launch(nodes.look(), "a") == first
    assert len(nodes.look().instances) == 1


def test_a_subnet_without_room_leads_to_the_next(nodes: Nodes) -> None:
    first, second = nodes.look().subnets
    REFUSED[first] = ["InsufficientInstanceCapacity", "There is no Spot capacity available"]
    made = nodes.launch(nodes.look(), "a")
    found = nodes._ec2.describe_instances(InstanceIds=list(made))
    assert found["Reservations"][0]["Instances"][0]["SubnetId"] == second


def test_no_room_anywhere_is_told_in_the_words_of_aws_and_leaves_nothing_desired(
    nodes: Nodes,
) -> None:
    for subnet in nodes.look().subnets:
        REFUSED[subnet] = ["VcpuLimitExceeded", "You have requested more vCPU capacity than 32"]
    with pytest.raises(NoCapacity) as raised:
        nodes.launch(nodes.look(), "a")
    assert raised.value.message == (
        f"AWS has no instance for the group {nodes.name}: "
        "You have requested more vCPU capacity than 32 (VcpuLimitExceeded)"
    )
    assert nodes.look().desired == 0


def test_the_maximum_is_told(nodes: Nodes) -> None:
    for token in "ab":
        nodes.launch(nodes.look(), token)
    with pytest.raises(AtMaximum):
        nodes.launch(nodes.look(), "c")
    with pytest.raises(AtMaximum):
        nodes.set_desired(3)
    assert nodes.look().desired == 2


@pytest.mark.filterwarnings("ignore:Exception")  # moto knows no such error
def test_a_group_that_launch_instances_does_not_serve_says_so(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unsupported(aws_scaling.ValidationError):
        code = "UnsupportedOperation"

    def unsupported(self: Any, *_: Any) -> Any:
        raise Unsupported("LaunchInstances is not supported for groups with warm pools")

    monkeypatch.setattr(aws_scaling.Scaling, "launch", unsupported)
    with pytest.raises(CannotLaunch):
        nodes.launch(nodes.look(), "a")


def test_failed_launches_of_a_raised_capacity_are_heard_of(nodes: Nodes) -> None:
    for subnet in nodes.look().subnets:
        REFUSED[subnet] = ["InsufficientInstanceCapacity", "We currently do not have capacity."]
    before = datetime.now(UTC) - timedelta(seconds=1)
    nodes.set_desired(1)
    group = nodes.look()
    assert (group.desired, group.instances) == (1, ())
    assert nodes.failures(before) == [
        "We currently do not have capacity. Launching EC2 instance failed. "
        "(InsufficientInstanceCapacity)"
    ]
    assert nodes.failures(datetime.now(UTC) + timedelta(seconds=1)) == []


def test_terminating_lowers_what_is_desired_and_twice_is_once(nodes: Nodes) -> None:
    (instance,) = nodes.launch(nodes.look(), "a")
    assert nodes.terminate(instance)
    assert nodes.terminate(instance)
    assert (nodes.look().desired, nodes.look().instances) == (0, ())


def test_a_group_at_its_minimum_keeps_its_node(api: Any, nodes: Nodes) -> None:
    (instance,) = nodes.launch(nodes.look(), "a")
    api.update_auto_scaling_group(AutoScalingGroupName=nodes.name, MinSize=1)
    assert not nodes.terminate(instance)
    assert [each.id for each in nodes.look().instances] == [instance]


def test_a_broken_node_at_the_minimum_is_replaced(api: Any, nodes: Nodes) -> None:
    (instance,) = nodes.launch(nodes.look(), "a")
    api.update_auto_scaling_group(AutoScalingGroupName=nodes.name, MinSize=1)
    assert nodes.terminate(instance, replace=True)
    assert [each.id for each in nodes.look().instances] not in ([], [instance])


def test_ages_are_known_of_what_exists(nodes: Nodes) -> None:
    (instance,) = nodes.launch(nodes.look(), "a")
    ages = nodes.ages([instance, "i-0123456789abcdef0"])
    assert list(ages) == [instance]
    assert ages[instance] >= 0


def test_a_group_that_does_not_exist_is_an_error_with_a_next_step(api: Any, endpoint: str) -> None:
    with pytest.raises(ServiceError, match="there is no Auto Scaling group other") as raised:
        nodes_at(endpoint, "other").look()
    assert "aws.group" in raised.value.hint


@pytest.mark.filterwarnings("ignore:Exception")  # moto knows no such error
def test_a_throttled_call_is_made_again(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = aws_scaling.Scaling.launch
    left = ["Throttling", "RequestLimitExceeded"]

    class Throttled(aws_scaling.ValidationError):
        code = "Throttling"

    def throttled(self: Any, *given: Any) -> Any:
        if left:
            raise Throttled(left.pop(), "Rate exceeded")
        return real(self, *given)

    monkeypatch.setattr(aws_scaling.Scaling, "launch", throttled)
    assert len(nodes.launch(nodes.look(), "a")) == 1
    assert left == []


def test_a_silent_aws_is_unreachable(api: Any) -> None:
    """A call that timed out may have had its effect, so it is no refusal."""
    aws = Aws(settings.Aws(region=REGION, endpoint="http://127.0.0.1:9", group=NAME))
    with pytest.raises(Unreachable, match="did not answer when asked to describe the group"):
        Nodes(aws).look()


def test_a_glance_asks_once_in_a_while_and_a_look_always(api: Any, nodes: Nodes) -> None:
    assert nodes.glance().desired == 0
    api.set_desired_capacity(AutoScalingGroupName=nodes.name, DesiredCapacity=1)
    assert nodes.glance().desired == 0
    assert nodes.look().desired == 1
    assert nodes.glance().desired == 1
