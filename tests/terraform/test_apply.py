"""A real apply against moto's AWS, what the tool then calls, and an apply that stops half-way."""

import base64
import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from reviewapps import packages, settings
from reviewapps.clients import Clients
from tests.real.troubled_aws import troubled
from tests.terraform.stack import VARIABLES, Stack, copy_of_stack

pytestmark = pytest.mark.slow
REGION = "us-east-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def stack(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    stack = copy_of_stack(tmp_path_factory.mktemp("apply") / "terraform")
    stack.environment = {
        "AWS_ENDPOINT_URL": aws,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }
    lines = [f"{name} = {value}" for name, value in VARIABLES.items()]
    # moto knows no image of Canonical's; what guards data would keep the test from tidying up.
    lines += ['ami_id = "ami-12c6146b"', "keep_data = false"]
    (stack.folder / "terraform.tfvars").write_text("\n".join(lines))
    return stack


def client(aws: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=aws,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def resources(stack: Stack) -> list[str]:
    return stack.run("state", "list").stdout.split()


def test_an_apply_that_stops_half_way_is_run_again(stack: Stack, aws: str) -> None:
    """Two services refuse; the same command then makes the rest, and none twice.

    Not by a signal: what AWS makes in the moment in which Terraform gives up is known to nobody.
    """
    plain = dict(stack.environment)
    with troubled(aws) as way:
        way.refuse("CreateDBInstance", "InsufficientDBInstanceCapacity", "none of that class")
        way.refuse("CreateTargetGroup", "TooManyTargetGroups", "the quota is reached")
        stack.environment |= {"AWS_ENDPOINT_URL": way.url}
        stopped = stack.run("apply", "-auto-approve", "-no-color", check=False)
    stack.environment = plain
    assert stopped.returncode != 0
    assert "none of that class" in stopped.stderr
    half = len(resources(stack))
    stack.run("apply", "-auto-approve", "-no-color")
    assert 15 <= half < len(resources(stack))
    ec2 = client(aws, "ec2")
    ours = [{"Name": "tag:stack", "Values": ["reviewapps"]}]
    assert len(ec2.describe_vpcs(Filters=ours)["Vpcs"]) == 1
    assert len(ec2.describe_subnets(Filters=ours)["Subnets"]) == 9
    assert len(client(aws, "rds").describe_db_instances()["DBInstances"]) == 1


def test_a_second_apply_replaces_and_destroys_nothing(stack: Stack) -> None:
    """What moto answers differs from AWS in some fields, so updates in place are not counted."""
    stack.run("plan", "-out=plan", "-no-color")
    plan = json.loads(stack.run("show", "-json", "plan").stdout)
    for change in plan["resource_changes"]:
        assert "delete" not in change["change"]["actions"], change["address"]
        assert "create" not in change["change"]["actions"], change["address"]


def test_its_settings_are_read_by_reviewapps_which_finds_the_database(
    stack: Stack, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name: where it is and which secret has its password is asked at each run."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    values = yaml.safe_load(stack.run("output", "-raw", "settings").stdout)
    assert values["postgresql"].keys() == {"instance", "ca_file"}
    read = settings.parse(values, "terraform output", {"AWS_ENDPOINT_URL": aws})
    assert read.aws.group == "reviewapps-nodes"
    assert read.postgresql is not None
    clients = Clients(read)
    server = clients._located(read.postgresql, "postgresql")
    known = client(aws, "rds").describe_db_instances()["DBInstances"][0]["Endpoint"]
    assert (server.host, server.port) == (known["Address"], known["Port"])
    assert server.user == "reviewapps"
    assert clients._master_password(server)
    client(aws, "s3").head_bucket(Bucket=read.aws.assets_bucket)


def test_the_group_grows_and_gives_a_named_node_back(stack: Stack, aws: str) -> None:
    """The calls that the capacity step makes, on the group that Terraform made."""
    autoscaling = client(aws, "autoscaling")

    def group() -> dict[str, Any]:
        found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["reviewapps-nodes"])
        return dict(found["AutoScalingGroups"][0])

    assert (group()["MinSize"], group()["DesiredCapacity"]) == (1, 1)
    autoscaling.set_desired_capacity(AutoScalingGroupName="reviewapps-nodes", DesiredCapacity=2)
    instances = [instance["InstanceId"] for instance in group()["Instances"]]
    assert len(instances) == 2
    autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=instances[0], ShouldDecrementDesiredCapacity=True
    )
    assert [instance["InstanceId"] for instance in group()["Instances"]] == instances[1:]
    plan = stack.run("plan", "-no-color", "-target=aws_autoscaling_group.nodes").stdout
    assert "desired_capacity" not in plan


def test_machines_are_told_to_run_the_files_that_are_tested(stack: Stack, aws: str) -> None:
    """What cloud-init gets is what tests/real/test_machines.py runs, with settings, in 16 KB."""
    ec2 = client(aws, "ec2")
    template = ec2.describe_launch_template_versions(LaunchTemplateName="reviewapps-node")
    node = template["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]
    (server, *_) = [
        instance["InstanceId"]
        for reservation in ec2.describe_instances(
            Filters=[{"Name": "tag:role", "Values": ["server"]}]
        )["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] == "running"
    ]
    told = ec2.describe_instance_attribute(InstanceId=server, Attribute="userData")
    for role, data in (("node", node), ("server", told["UserData"]["Value"])):
        packed = base64.b64decode(data)
        assert len(packed) <= 16 * 1024
        text = gzip.decompress(packed).decode()
        assert text.startswith("#cloud-config\n")
        boot = yaml.safe_load(text)
        assert boot["runcmd"] == [["bash", "/usr/local/lib/reviewapps/machine.sh"]]
        written = {file["path"]: file["content"] for file in boot["write_files"]}
        settings_text = written.pop("/etc/reviewapps/machine.env")
        assert f"ROLE='{role}'" in settings_text
        machines = packages.folder("terraform") / "machines"
        files = [*(machines / "common").iterdir(), *(machines / role).iterdir()]
        assert written == {
            f"/usr/local/lib/reviewapps/{file.name}": file.read_text() for file in files
        }


def test_the_secrets_are_empty_and_the_state_holds_none(stack: Stack, aws: str) -> None:
    secrets = client(aws, "secretsmanager")
    for name in ("servers", "node", "deploy"):
        with pytest.raises(secrets.exceptions.ResourceNotFoundException):
            secrets.get_secret_value(SecretId=f"reviewapps/{name}")
    state = (stack.folder / "terraform.tfstate").read_text()
    assert "BEGIN" not in state
    assert "P@55w0rd!" not in state, "moto's database password"


def test_destroy_leaves_nothing(stack: Stack, aws: str) -> None:
    started = time.monotonic()
    stack.run("destroy", "-auto-approve", "-no-color")
    assert resources(stack) == []
    ours = [{"Name": "tag:stack", "Values": ["reviewapps"]}]
    assert client(aws, "ec2").describe_vpcs(Filters=ours)["Vpcs"] == []
    print(f"destroyed in {time.monotonic() - started:.0f} s")
