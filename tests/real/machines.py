"""A cloud of fresh machines: three servers, two nodes, and the AWS around them."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.server import ThreadedMotoServer

from tests.terraform.machine import Machine, build_image, docker
from tests.terraform.metadata import Metadata, metadata_service

NETWORK = "reviewapps-test-machines"
RANGE = "10.97.0"
GATEWAY = f"{RANGE}.1"
SERVERS = (f"{RANGE}.10", f"{RANGE}.20", f"{RANGE}.30")
SERVER, ONE, TWO = SERVERS[0], f"{RANGE}.11", f"{RANGE}.12"
IMAGE = "debian:bookworm-slim"


@dataclass
class Cloud:
    """The machines and the AWS around them."""

    url: str
    metadata: Metadata
    hooks: list[tuple[str, str]] = field(default_factory=list)
    target_group: str = ""
    servers: list[Machine] = field(default_factory=list)
    nodes: list[Machine] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a boto3 client for this AWS."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def secret(self, name: str) -> dict[str, str]:
        """Return one of the cluster's secrets."""
        found = self.client("secretsmanager").get_secret_value(SecretId=f"reviewapps/{name}")
        return dict(json.loads(found["SecretString"]))

    def targets(self) -> set[str]:
        """Return the machines in the balancer."""
        health = self.client("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        return {item["Target"]["Id"] for item in health["TargetHealthDescriptions"]}


def settings(cloud: Cloud, role: str, index: int = 0) -> dict[str, str]:
    """Return what Terraform writes into machine.env, and where this AWS is."""
    common = {
        "STACK": "reviewapps",
        "AWS_REGION": "us-east-1",
        "SERVERS": " ".join(SERVERS),
        "NOMAD_VERSION": "1.11.3",
        "CONSUL_VERSION": "1.22.7",
        "ROLE": role,
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.metadata.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    if role == "server":
        return common | {"SERVER_INDEX": str(index)}
    return common | {
        "GROUP": "reviewapps-nodes",
        "HOOK_JOINED": "reviewapps-joined",
        "HOOK_DRAINED": "reviewapps-drained",
        "TARGET_GROUP": cloud.target_group,
        "ROUTER_HEALTH_PORT": "9080",
        "POLL_SECONDS": "1",
    }


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    if os.geteuid():
        pytest.skip("machines with systemd in containers need root")
    build_image()
    remove()
    docker("network", "create", f"--subnet={RANGE}.0/24", f"--gateway={GATEWAY}", NETWORK)
    server = ThreadedMotoServer(ip_address=GATEWAY, port=0)
    server.start()
    host, port = server.get_host_and_port()
    patched = pytest.MonkeyPatch()
    try:
        with metadata_service(GATEWAY) as metadata:
            cloud = Cloud(f"http://{host}:{port}", metadata)
            # moto keeps hooks but has no call that answers them.
            patched.setattr(
                AutoScalingResponse, "complete_lifecycle_action", recorder(cloud), raising=False
            )
            prepare(cloud)
            yield cloud
    finally:
        patched.undo()
        server.stop()
        remove()


def recorder(cloud: Cloud) -> Callable[[AutoScalingResponse], ActionResult]:
    """Return the missing call, which writes down the instance and the hook."""

    def complete(self: AutoScalingResponse) -> ActionResult:
        names = ("InstanceId", "LifecycleHookName", "LifecycleActionResult")
        instance, hook, result = (self._get_param(name) for name in names)
        cloud.hooks.append((instance, f"{hook}: {result}"))
        return ActionResult({})

    return complete


def prepare(cloud: Cloud) -> None:
    """Make what Terraform makes around the machines, and start them."""
    for name in ("servers", "node", "deploy"):
        cloud.client("secretsmanager").create_secret(Name=f"reviewapps/{name}")
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.97.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.97.0.0/24")["Subnet"]["SubnetId"]
    made = cloud.client("elbv2").create_target_group(
        Name="routers", Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="instance"
    )
    cloud.target_group = made["TargetGroups"][0]["TargetGroupArn"]
    for address in (ONE, TWO):
        instance = ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=subnet
        )["Instances"][0]["InstanceId"]
        cloud.metadata.said[address] = {"instance-id": instance}
        cloud.client("elbv2").register_targets(
            TargetGroupArn=cloud.target_group, Targets=[{"Id": instance}]
        )
    start(cloud)


def start(cloud: Cloud) -> None:
    """Boot all machines at once, as one apply does: each waits for what it needs."""
    for index in range(len(SERVERS)):
        cloud.servers.append(start_server(cloud, index))
    for number, address in ((1, ONE), (2, TWO)):
        name = f"{NETWORK}-node{number}"
        cloud.nodes.append(Machine.start(name, NETWORK, address, settings(cloud, "node")))
    machines = [*cloud.nodes, *cloud.servers]
    with ThreadPoolExecutor(len(machines)) as pool:
        for machine, told in zip(machines, pool.map(Machine.boot, machines), strict=True):
            cloud.told[machine.name] = told


def start_server(cloud: Cloud, index: int) -> Machine:
    """Start a fresh machine at a server's address."""
    name = f"{NETWORK}-server{index}"
    return Machine.start(name, NETWORK, SERVERS[index], settings(cloud, "server", index))


def remove() -> None:
    """Remove what this test started, in this run or in one that was killed."""
    for name in ("server0", "server1", "server2", "node1", "node2"):
        with suppress(AssertionError):
            docker("rm", "--force", "--volumes", f"{NETWORK}-{name}")
    with suppress(AssertionError):
        docker("network", "rm", NETWORK)


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true answer of `what`."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.5)


def server(cloud: Cloud) -> Machine:
    return cloud.servers[0]
