"""Stops a local cluster and removes all of it and only it."""

from collections.abc import Callable

from reviewapps.local import aws, aws_databases, leftovers, nodes, parts
from reviewapps.local.cluster import Cluster
from reviewapps.local.commands import require_machine
from reviewapps.local.locked import locked
from reviewapps.local.processes import end_marked

Say = Callable[[str], None]


def down(say: Say, cluster: Cluster) -> None:
    """Stop and remove everything that belongs to the cluster; succeeds when it is gone."""
    require_machine()
    with locked(cluster.name):
        aws.stop(cluster)  # it would start nodes again
        for node in nodes.started(cluster):
            nodes.stop(cluster, node.k)
            say(f"node {node.k} removed")
        for part in reversed(parts.of(cluster)):
            part.stop(cluster)
            say(f"{part.name} stopped")
        end_marked(cluster.folder)
        aws_databases.remove_all(cluster, say)  # nothing starts one any more
        leftovers.remove_folder(cluster.folder)
        say(f"{cluster.folder} removed")
