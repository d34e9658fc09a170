"""A cluster whose nodes come from the local AWS group, and what the tests look at in it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import requests

from reviewapps.local import aws, aws_nodes, registry
from reviewapps.local.cluster import Cluster
from tests.real.apps import TINY, WHOLE, Done, Place, Running, docker, until

NAME, NUMBER = "awstest", 21
MAXIMUM = 2
NODE_MB = 1100  # of which the router has 256
FILLER_MB, APP_MB = 600, 400  # one filler on the first node; two apps share another one
DEPLOY_SECONDS = 300
BOOT_SECONDS = 120  # a fresh node pulls, and starts its first container, while it settles
PROGRAM = "tests.real.aws_faults"


class Elastic:
    """The cluster, its group, and projects on it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.apps: list[Place] = []
        self.scaling = aws.client(cluster, "autoscaling")
        self.image = f"{registry.host(cluster)}/tiny:1"
        docker("tag", TINY, self.image)
        docker("push", "--quiet", self.image)
        docker("image", "rm", self.image)

    def app(self, name: str, memory_mb: int = APP_MB, **sections: Any) -> Place:
        """Return a project with a web process and nothing else, unless `sections` say so."""
        place = Place(self.folder / name, self.cluster)
        smallest = {key: WHOLE[key] for key in ("project", "branches", "unicorn")}
        place.project = json.loads(json.dumps({**smallest, **sections}))
        place.write_whole(project=name)
        place.write(unicorn={"memory_mb": memory_mb, "boot_seconds": BOOT_SECONDS})
        place.commit("1")
        self.apps.append(place)
        return place

    def forget_images(self) -> None:
        """Remove from this machine's Docker what was pulled from the registry."""
        wanted = f"reference={registry.host(self.cluster)}/*"
        form = "{{.Repository}} {{.Tag}} {{.Digest}}"
        rows = docker("image", "ls", "--digests", "--filter", wanted, "--format", form)
        for repository, tag, digest in (row.split() for row in rows.splitlines()):
            for name, part in ((f"{repository}:{tag}", tag), (f"{repository}@{digest}", digest)):
                if part != "<none>":  # by name: other names of the same image stay
                    subprocess.run(["docker", "image", "rm", name], check=False)

    def clear(self) -> None:
        """Destroy the apps that were made since the last time."""
        for place in self.apps:
            done = place.start("destroy", "--", place.branch).done(DEPLOY_SECONDS)
            assert done.code == 0, done.said
            shutil.rmtree(place.folder)
        self.apps.clear()

    def deploy(self, place: Place, **options: Any) -> Done:
        """Deploy a project's branch; a node may have to come first."""
        return place.start_deploy(self.image, **options).done(DEPLOY_SECONDS)

    @property
    def instances(self) -> list[str]:
        """Return the group's instances."""
        return sorted(each["InstanceId"] for each in aws.groups(self.cluster)[0]["Instances"])

    @property
    def desired(self) -> int:
        """Return how many instances the group wants."""
        return int(aws.groups(self.cluster)[0]["DesiredCapacity"])

    def nodes(self) -> list[str]:
        """Return the ready nodes beyond the first."""
        client = Place(self.folder / "any", self.cluster).clients.nomad
        ready = [each["Name"] for each in client.nodes() if each["Status"] == "ready"]
        return [each for each in ready if each != self.cluster.node(1).name]

    def limit(self, maximum: int, minimum: int = 0) -> None:
        """Change how small and how large the group may be."""
        self.scaling.update_auto_scaling_group(
            AutoScalingGroupName=aws.GROUP, MinSize=minimum, MaxSize=maximum
        )

    def until_launched(self, deploying: Running, *but: str) -> list[str]:
        """Wait until a deploy has launched instances other than these; else show what it said."""
        try:
            until(lambda: set(self.instances) - set(but), "an instance", DEPLOY_SECONDS)
        except AssertionError as error:
            deploying.process.kill()
            raise AssertionError(deploying.done().said) from error
        return [each for each in self.instances if each not in but]

    def until_gone(self) -> None:
        """Wait until nothing is left of the group's nodes."""
        until(lambda: not self.instances, "the group to be empty")
        until(lambda: not aws_nodes.members(self.cluster), "the nodes to stop", 90)

    def no_node_joins(self) -> None:
        """Stop what makes nodes of instances: what is launched from now on never joins."""
        aws.watcher(self.cluster).stop()

    def nodes_join(self) -> None:
        """Let instances become nodes again."""
        aws.start(self.cluster)

    def refuse(self, subnets: list[str], code: str, text: str) -> None:
        """Let AWS have no room in some subnets."""
        words = {each: [code, text] for each in subnets}
        aws.refusals_file(self.cluster).write_text(json.dumps(words))

    @property
    def subnets(self) -> list[str]:
        """Return the group's subnets."""
        zones: str = aws.groups(self.cluster)[0]["VPCZoneIdentifier"]
        return zones.split(",")

    def router(self, address: str, host: str) -> str:
        """Ask a node's router for a host."""
        answer = requests.get(f"http://{address}:8080/", headers={"Host": host}, timeout=5)
        return answer.text.strip()
