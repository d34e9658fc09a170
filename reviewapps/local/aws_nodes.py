"""Makes the nodes equal to the instances of the local group: launched ones start, others stop.

It compares and acts, again and again, and keeps nothing but a file in each node's folder that
names its instance; so it may be killed anywhere. When the API does not answer, nothing is done.
"""

import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from reviewapps import settings
from reviewapps.clients.consul import Consul, delete
from reviewapps.local import aws, nodes
from reviewapps.local.aws_watcher import follow, say
from reviewapps.local.cluster import FIRST_GROUP_NODE, Cluster, Node, replace
from reviewapps.store import keys

LOOK_SECONDS = 0.5
WORKERS = 2
LAST_GROUP_NODE = 200


class Watcher:
    """Follows the group of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.pool = ThreadPoolExecutor(max_workers=WORKERS)
        self.at_work: dict[int, Future[None]] = {}
        self.last = 0

    def step(self) -> None:
        """Look once, and begin what is needed for instances that nothing is done for."""
        instances = self.instances()
        if instances is None:
            return
        known = members(self.cluster)
        assigned = {node.instance for node in known}
        known += [self.assign(each) for each in instances if each not in assigned]
        for node in known:
            instance = node.instance
            working = self.at_work.get(node.k)
            if working and not working.done():
                continue
            if instance not in instances:
                self.at_work[node.k] = self.pool.submit(self.bury, node, instance)
            elif instances[instance] != "InService":  # one that has joined and died stays dead
                self.at_work[node.k] = self.pool.submit(self.start, node, instance)

    def instances(self) -> dict[str, str] | None:
        """Return the state of each instance, None when the API does not answer."""
        try:
            found = aws.groups(self.cluster)
        except (BotoCoreError, ClientError) as error:
            say(f"the API does not answer: {error}")
            return None
        if not found:
            return None
        return {each["InstanceId"]: each["LifecycleState"] for each in found[0]["Instances"]}

    def assign(self, instance: str) -> Node:
        """Give an instance the first free number of a node."""
        taken = {node.k for node in nodes.started(self.cluster)}
        free = [n for n in range(FIRST_GROUP_NODE, LAST_GROUP_NODE) if n not in taken]
        # Nomad takes a while to miss the last node of a number, so numbers go round.
        self.last = next((n for n in free if n > self.last), free[0])
        node = self.cluster.node(self.last)
        replace(node.folder / "instance", instance)
        return node

    def start(self, node: Node, instance: str) -> None:
        """Start an instance's node, and let the group know when it has joined."""
        began = time.monotonic()
        try:
            nodes.start(self.cluster, node.k)
            aws.client(self.cluster, "autoscaling").complete_lifecycle_action(
                LifecycleHookName="joined",
                AutoScalingGroupName=aws.GROUP,
                LifecycleActionResult="CONTINUE",
                InstanceId=instance,
            )
            say(f"node {node.k} ({instance}) joined in {time.monotonic() - began:.1f} s")
        except Exception:  # the next look tries again
            say(traceback.format_exc())

    def bury(self, node: Node, instance: str) -> None:
        """Stop the node of an instance that is gone; its router no longer acknowledges routes."""
        began = time.monotonic()
        try:
            nodes.stop(self.cluster, node.k)
            where = settings.Consul(address=f"http://{self.cluster.loopback}:8500")
            Consul(where).transact(delete(f"{keys.ROUTERS}{node.name}"))
            say(f"node {node.k} ({instance}) removed in {time.monotonic() - began:.1f} s")
        except Exception:  # the next look tries again
            say(traceback.format_exc())


def members(cluster: Cluster) -> list[Node]:
    """Return the nodes that are, or were, instances of the group."""
    return [node for node in nodes.started(cluster) if node.k >= FIRST_GROUP_NODE]


if __name__ == "__main__":
    follow(Watcher, LOOK_SECONDS)
