"""What a cluster is made of, in the order in which it starts; `down` goes backwards.

A part has `state(cluster)`, which says what is missing and "" when nothing is, `start` and `stop`;
all three may be called at any time and any number of times.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reviewapps.local import aws, consul, network, nodes, nomad, postgres, registry, router
from reviewapps.local.cluster import Cluster


@dataclass(frozen=True)
class Part:
    """A part of the cluster, by its name and its three functions."""

    name: str
    address: str
    state: Callable[[Cluster], str]
    start: Callable[[Cluster], None]
    stop: Callable[[Cluster], None]


PARTS = (
    Part("network", "{network}", network.state, network.start, network.stop),
    Part("consul", "http://{loopback}:8500", consul.state, consul.start, consul.stop),
    Part("nomad", "http://{loopback}:4646", nomad.state, nomad.start, nomad.stop),
    Part("node 1", "{address}", nodes.first_state, nodes.start_first, nodes.stop_first),
    Part("postgresql", "{address}:5432", postgres.state, postgres.start, postgres.stop),
    Part("aws", "http://{loopback}:4566", aws.state, aws.start, aws.stop),
    Part("registry", "https://{address}:5443", registry.state, registry.start, registry.stop),
    Part("router", "http://{loopback}:8080", router.state, router.start, router.stop),
)


ELASTIC = ("aws", "registry")


def of(cluster: Cluster) -> list[Part]:
    """Return the parts that this cluster has: an AWS account only when it was asked for."""
    return [part for part in PARTS if cluster.group_maximum or part.name not in ELASTIC]


def place(part: Part, cluster: Cluster) -> str:
    """Return where a part is found."""
    return part.address.format(
        network=cluster.network, loopback=cluster.loopback, address=cluster.address
    )
