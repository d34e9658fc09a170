"""Tells the state of each part of a local cluster."""

from dataclasses import dataclass

from reviewapps.local import aws_databases, nodes, parts
from reviewapps.local.cluster import Cluster


@dataclass(frozen=True)
class Line:
    """A part, where it is found, whether it runs, and what it lacks."""

    part: str
    place: str
    running: bool
    lacks: str


def status(cluster: Cluster) -> list[Line]:
    """Return a line for every part, every further node and every database of the local AWS."""
    lines = []
    for part in parts.of(cluster):
        lacks = part.state(cluster)
        lines.append(Line(part.name, parts.place(part, cluster), not lacks, lacks))
    wanted = {node.k for node in nodes.started(cluster)} | set(range(2, cluster.nodes + 1))
    for k in sorted(wanted):
        node = cluster.node(k)
        lacks = nodes.state(node)
        lines.append(Line(f"node {k}", node.address, not lacks, lacks))
    for server in aws_databases.known(cluster):
        lines.append(Line(f"rds {server.name}", server.place, not server.lacks, server.lacks))
    return lines
