"""The AWS account of a local cluster: moto's server, with real nodes and databases behind it.

Three processes: one serves the API and keeps the account in memory, one makes the nodes equal to
the group's instances (aws_nodes.py), one makes servers of the instances of RDS (aws_databases.py).
Each may be killed and started again; instances of RDS and their data outlive all three.
"""

import functools
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from reviewapps.errors import Failed, UserError
from reviewapps.local import ports
from reviewapps.local.cluster import Cluster, load, replace
from reviewapps.local.processes import Process

REGION = "us-east-1"
PORT = 4566
GROUP = "nodes"
IMAGE = "ami-12c6146b"  # one that moto knows
ZONES = ("us-east-1a", "us-east-1b")
READY_SECONDS = 60
CREDENTIALS = "[default]\naws_access_key_id = local\naws_secret_access_key = local\n"


def state(cluster: Cluster) -> str:
    """Say what is missing, "" when nothing is."""
    if not api(cluster).pid():
        return "its API does not run"
    if not watcher(cluster).pid():
        return "nothing makes nodes of its instances"
    if not database_watcher(cluster).pid():
        return "nothing makes servers of its databases"
    return "" if answers(cluster) else "it runs but has no group"


def start(cluster: Cluster) -> None:
    """Start the API, make the group, and start what turns its instances into nodes."""
    replace(credentials_file(cluster), CREDENTIALS, mode=0o600)
    server = api(cluster)
    if not server.pid():
        ports.require_free(cluster.loopback, [PORT], "the local AWS")
        server.start([sys.executable, "-m", "reviewapps.local.aws", cluster.name], paths())
    server.wait(lambda: is_reachable(cluster), READY_SECONDS)
    make_group(cluster)
    for process, module in (
        (watcher(cluster), "reviewapps.local.aws_nodes"),
        (database_watcher(cluster), "reviewapps.local.aws_databases"),
    ):
        if not process.pid():
            process.start([sys.executable, "-m", module, cluster.name], paths())


def stop(cluster: Cluster) -> None:
    """Stop all processes; nodes and databases are removed by `down` itself."""
    watcher(cluster).stop()
    database_watcher(cluster).stop()
    api(cluster).stop()


def api(cluster: Cluster) -> Process:
    """Return the process that serves the API."""
    return Process("aws", cluster.server_folder)


def watcher(cluster: Cluster) -> Process:
    """Return the process that makes nodes of instances."""
    return Process("aws-nodes", cluster.server_folder)


def database_watcher(cluster: Cluster) -> Process:
    """Return the process that makes servers of the instances of RDS."""
    return Process("aws-databases", cluster.server_folder)


def endpoint(cluster: Cluster) -> str:
    """Return where the API is found."""
    return f"http://{cluster.loopback}:{PORT}"


def settings(cluster: Cluster) -> dict[str, Any]:
    """Return what the cluster's settings say of AWS."""
    return {
        "aws": {
            "region": REGION,
            "endpoint": endpoint(cluster),
            "group": GROUP,
            "credentials_file": str(credentials_file(cluster)),
        }
    }


def credentials_file(cluster: Cluster) -> Path:
    """Return the file with credentials that are worth nothing."""
    return cluster.folder / "aws-credentials"


def refusals_file(cluster: Cluster) -> Path:
    """Return the file that says in which subnets AWS shall have no room, for trials."""
    return cluster.folder / "aws-refusals.json"


@functools.cache  # the watchers ask twice a second, and a session takes boto3 a while
def client(cluster: Cluster, service: str) -> Any:
    """Return boto3's client for this account, whatever the environment says."""
    return boto3.session.Session().client(
        service,
        region_name=REGION,
        endpoint_url=endpoint(cluster),
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - moto takes anything
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=30),
    )


def groups(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the group as AWS describes it, in a list that is empty before it is made."""
    scaling = client(cluster, "autoscaling")
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
    described: list[dict[str, Any]] = found["AutoScalingGroups"]
    return described


def is_reachable(cluster: Cluster) -> bool:
    """Say whether the API answers."""
    try:
        groups(cluster)
    except (BotoCoreError, ClientError):
        return False
    return True


def answers(cluster: Cluster) -> bool:
    """Say whether the API answers and has the group."""
    return is_reachable(cluster) and bool(groups(cluster))


def make_group(cluster: Cluster) -> None:
    """Make the network, the launch template and the group, each as Terraform does."""
    if groups(cluster):
        return
    ec2 = client(cluster, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.87.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.87.{n}.0/24", AvailabilityZone=zone)
        for n, zone in enumerate(ZONES)
    ]
    ec2.create_launch_template(
        LaunchTemplateName=GROUP,
        LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "t3.large"},
    )
    client(cluster, "autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchTemplate={"LaunchTemplateName": GROUP, "Version": "$Latest"},
        MinSize=0,
        MaxSize=cluster.group_maximum,
        VPCZoneIdentifier=",".join(each["Subnet"]["SubnetId"] for each in subnets),
        NewInstancesProtectedFromScaleIn=True,
    )


def paths() -> dict[str, str]:
    """Return the environment of a Python process that finds what this one finds."""
    return {"PYTHONPATH": ":".join(filter(None, sys.path))}


def require_moto() -> None:
    """Raise UserError when this installation has no AWS to offer."""
    try:
        import moto.server  # noqa: F401, PLC0415 - a dependency of development only
    except ImportError as error:
        raise UserError(
            "a local AWS needs moto, which is not installed",
            hint="pip install 'reviewapps[dev]'",
        ) from error


def serve(cluster: Cluster) -> None:
    """Serve the API until told to stop."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - as above

    from reviewapps.local import aws_rds, aws_scaling  # noqa: PLC0415 - both import moto

    aws_scaling.install(aws_scaling.refusals_in(refusals_file(cluster)))
    aws_rds.install(cluster, REGION)
    ThreadedMotoServer(cluster.loopback, PORT, verbose=False).start()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    over.wait()


def main() -> None:
    """Serve the account of the cluster that the argument names."""
    cluster = load(sys.argv[1])
    if cluster is None:
        raise Failed(f"there is no cluster {sys.argv[1]}")
    serve(cluster)


if __name__ == "__main__":
    main()
