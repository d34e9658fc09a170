"""The group's instances beside Nomad's nodes: which come, which work, which are idle or lost."""

import time
from dataclasses import dataclass
from typing import Any

from reviewapps.allocation import is_over
from reviewapps.clients import Clients
from reviewapps.clients.aws.group import Group
from reviewapps.clients.nomad import Nomad
from reviewapps.store import nodes

INSTANCE = "unique.platform.aws.instance-id"
Json = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """An instance of the group with the node that it became, if it has joined.

    `state_seconds` says for how long Nomad has called the node ready or lost.
    """

    instance: str
    node_id: str = ""
    name: str = ""
    ready: bool = False
    lost: bool = False
    given_back: bool = False
    state_seconds: float = 0.0

    @property
    def joining(self) -> bool:
        """Whether it has yet to join."""
        return not (self.ready or self.lost or self.given_back or self.node_id)


@dataclass(frozen=True)
class Fleet:
    """The group and its members; `gone` are nodes in Nomad whose instance is none any more."""

    group: Group
    members: tuple[Member, ...]
    gone: tuple[str, ...]

    @property
    def joining(self) -> list[Member]:
        """Return those that are on their way."""
        return [each for each in self.members if each.joining]

    @property
    def asked_for(self) -> int:
        """Return how many instances the group wants and does not have yet."""
        return max(0, self.group.desired - len(self.members))


def is_elastic(clients: Clients) -> bool:
    """Say whether there is a group that nodes can come from."""
    return bool(clients.settings.aws.group)


def look(clients: Clients, *, group: Group | None = None) -> Fleet:
    """Return the fleet as it is."""
    group = group or clients.nodes.look()
    instances = {each.id for each in group.instances}
    known: dict[str, Json] = {}
    gone = []
    for node in (clients.nomad.node(each["ID"]) for each in clients.nomad.nodes()):
        instance = instance_of(node)
        if instance in instances:
            known[instance] = _newest(known.get(instance), node)
        elif instance and node["Status"] == "down":
            gone.append(node["ID"])
    leaving = nodes.leaving(clients.consul)
    members = [_member(each, known.get(each), leaving) for each in sorted(instances)]
    return Fleet(group, tuple(members), tuple(gone))


def instance_of(node: Json) -> str:
    """Return the id of the instance that a Nomad node runs on, "" when it is none."""
    named = (node.get("Meta") or {}).get("instance_id", "")
    return str((node.get("Attributes") or {}).get(INSTANCE, "") or named)


def _newest(one: Json | None, other: Json) -> Json:
    """Return the node that counts when an instance has joined twice."""
    if one is None:
        return other
    return max(one, other, key=lambda each: (each["Status"] == "ready", each["ModifyIndex"]))


def _member(instance: str, node: Json | None, leaving: set[str]) -> Member:
    docker = ((node or {}).get("Drivers") or {}).get("docker") or {}
    if node is None or node["Status"] == "initializing":
        return Member(instance)
    if node["Status"] == "ready" and not docker.get("Healthy"):
        return Member(instance)
    up = node["Status"] == "ready"
    eligible = node["SchedulingEligibility"] == "eligible"
    return Member(
        instance=instance,
        node_id=node["ID"],
        name=node["Name"],
        ready=up and eligible and node["ID"] not in leaving,
        lost=not up,
        given_back=up and node["ID"] in leaving,
        state_seconds=time.time() - float(node["StatusUpdatedAt"]),
    )


def is_idle(nomad: Nomad, node_id: str) -> bool:
    """Say whether a node has nothing of any app: the router, a system job, does not count."""
    return all(
        is_over(each) or (each.get("Job") or {}).get("Type") == "system"
        for each in nomad.node_allocations(node_id)
    )
