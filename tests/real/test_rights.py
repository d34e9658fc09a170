"""The calls of AWS that CI's commands really make, against those that its roles are granted.

One journey of each role on a local AWS, with assets, images, a database found at RDS, and nodes
that come and go; terraform's side is in tests/terraform/test_rights.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reviewapps.local import aws
from reviewapps.local.cluster import Cluster, load
from reviewapps.local.down import down
from reviewapps.local.up import up
from tests import repositories
from tests.real.apps import TINY, Done, Place, Running, until
from tests.real.elastic import APP_MB, DEPLOY_SECONDS, FILLER_MB, NODE_MB, Elastic
from tests.real.troubled_aws import Trouble, troubled
from tests.terraform import rights

NAME, NUMBER = "awsrights", 21
BUCKET = "assets"
pytestmark = [pytest.mark.real, pytest.mark.slow]
DATABASE = {"engine": "postgresql", "connections": 5}
ASSETS = {"directory": "/app/public", "prefix": "/assets"}
ASSET = "public/app-0123456789abcdef.js"
DOCKERFILE = f"FROM {TINY}\nCOPY version /\nCOPY public /app/public\n"


class Noting:
    """Runs commands as one of CI's roles, and knows which rights they needed."""

    def __init__(self, role: str, folder: Path) -> None:
        self.file = folder / f"{role}.calls"
        self.file.touch()

    def start(self, place: Place, *command: str, **env: str) -> Running:
        environment = {"CALLS_FILE": str(self.file), **env}
        return place.start(*command, module="tests.real.aws_calls", env=environment)

    def run(self, place: Place, *command: str, **env: str) -> Done:
        return self.start(place, *command, **env).done(DEPLOY_SECONDS)

    @property
    def rights(self) -> set[str]:
        return set(self.file.read_text().split())


@pytest.fixture(scope="module")
def elastic(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elastic]:
    """A cluster whose first node is full, with a bucket, repositories of images, and RDS."""
    left = load(NAME)
    if left:
        down(print, left)
    cluster = up(print, NAME, NUMBER, group_maximum=2, node_memory_mb=NODE_MB)
    furnish(cluster)
    made = Elastic(cluster, tmp_path_factory.mktemp("rights"))
    assert made.deploy(made.app("filler", FILLER_MB)).code == 0
    made.apps.clear()
    yield made
    made.forget_images()
    down(print, cluster)


def furnish(cluster: Cluster) -> None:
    """Make what Terraform makes, and write it into the cluster's settings."""
    aws.client(cluster, "s3").create_bucket(Bucket=BUCKET)
    aws.client(cluster, "ecr").create_repository(repositoryName="shop")
    values = yaml.safe_load(cluster.settings_file.read_text())
    values["aws"] |= {"assets_bucket": BUCKET, "assets_host": "cdn.example.com"}
    values["postgresql"] = {"instance": "apps"}
    cluster.settings_file.write_text(yaml.safe_dump(values))
    rds = aws.client(cluster, "rds")
    rds.create_db_instance(
        DBInstanceIdentifier="apps",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="reviewapps",
        ManageMasterUserPassword=True,
    )
    until(lambda: status_of(rds) == "available", "the instance at RDS", 180)


def status_of(rds: Any) -> str:
    (found,) = rds.describe_db_instances(DBInstanceIdentifier="apps")["DBInstances"]
    return str(found["DBInstanceStatus"])


def with_assets(place: Place) -> Place:
    """Let the project's image have an asset, and its branch a remote."""
    files = {"Dockerfile": DOCKERFILE, ASSET: "console.log(1)"}
    repositories.commit(place.folder, files)
    place.write(assets=ASSETS)
    place.commit("1")
    remote = place.folder.parent / f"{place.folder.name}.git"
    repositories.git(place.folder.parent, "clone", "-q", "--bare", str(place.folder), str(remote))
    repositories.git(place.folder, "remote", "add", "origin", str(remote))
    repositories.git(place.folder, "push", "--quiet", "origin", place.branch)
    return place


def test_the_commands_call_what_ci_is_granted_and_nothing_else(
    elastic: Elastic, tmp_path: Path
) -> None:
    shop = with_assets(elastic.app("shop", APP_MB, database=DATABASE))
    deploying = Noting("deploy", tmp_path)
    with troubled(aws.endpoint(elastic.cluster)) as way:
        nobody_has_room(elastic, shop, deploying, way)
    done = deploying.run(shop, "deploy", shop.file, "--", shop.branch)
    assert done.code == 0, done.said
    for command in (["deploy", shop.file, "--", shop.branch], ["list"], ["status", shop.slug]):
        done = deploying.run(shop, *command)
        assert done.code == 0, done.said
    assert "Error" not in deploying.run(shop, "doctor").said
    watch_a_while(shop, deploying)
    assert elastic.instances, "the app has a node of the group"

    late = stopped_while_its_node_comes(elastic, shop, deploying)
    done = deploying.run(late, "destroy", late.slug)
    assert done.code == 0, done.said
    assert len(elastic.instances) == 1, "what never joined is given back"

    pruning = Noting("prune", tmp_path)
    late = stopped_while_its_node_comes(elastic, shop, deploying)
    for branch in (shop.branch, late.branch):
        repositories.git(shop.folder, "push", "--quiet", "origin", "--delete", branch)
    done = pruning.run(shop, "prune")
    assert done.code == 0, done.said
    assert not (shop.has_record() or late.has_record())
    assert elastic.instances == []
    elastic.nodes_join()
    assert deploying.rights == rights.DEPLOY_CALLS
    assert pruning.rights == rights.PRUNE_CALLS


def nobody_has_room(elastic: Elastic, shop: Place, deploying: Noting, way: Trouble) -> None:
    """LaunchInstances is not for this group, and AWS launches nothing for what is desired."""
    way.refuse("LaunchInstances", "UnsupportedOperation", "not for mixed groups")
    elastic.refuse(elastic.subnets, "InsufficientInstanceCapacity", "no Spot capacity")
    done = deploying.run(shop, "deploy", shop.file, "--", shop.branch, AWS_ENDPOINT_URL=way.url)
    assert done.code == 1, done.said
    assert "no Spot capacity" in done.error, done.said
    elastic.refuse([], "", "")


def watch_a_while(shop: Place, deploying: Noting) -> None:
    """Let the controller lead and sweep the nodes once."""
    before = len(deploying.file.read_text())
    controller = deploying.start(shop, "controller")
    try:
        until(lambda: len(deploying.file.read_text()) > before, "the controller to look")
    finally:
        controller.process.terminate()
        done = controller.done()
    assert done.code == 0, done.said


def stopped_while_its_node_comes(elastic: Elastic, shop: Place, deploying: Noting) -> Place:
    """Kill the deploy of another branch whose node has been launched and never joins."""
    late = Place(shop.folder, elastic.cluster, "deploy-late")
    repositories.commit(late.folder, {"Dockerfile": DOCKERFILE})
    late.project = json.loads(json.dumps(shop.project))
    late.write(unicorn={"memory_mb": 2 * APP_MB})
    late.commit("2")
    repositories.git(late.folder, "push", "--quiet", "--force", "origin", late.branch)
    known = elastic.instances
    elastic.no_node_joins()
    running = deploying.start(late, "deploy", late.file, "--", late.branch)
    elastic.until_launched(running, *known)
    running.process.kill()
    running.done()
    return late
