"""What a route may say, and which routers have seen a change of the routes."""

import contextlib
import ipaddress
import json
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from reviewapps.clients.consul import Consul, delete_if
from reviewapps.errors import Conflict, ServiceError, UserError
from reviewapps.store import keys

PORTS = range(20000, 32001)
SILENT_AFTER_SECONDS = 30
GONE_AFTER_SECONDS = 3600
ACKNOWLEDGE_SECONDS = SILENT_AFTER_SECONDS + 5.0  # by then a router that died is not counted


def route_value(addresses: Sequence[tuple[str, int]], node_network: str) -> str:
    """Return the value of a route: `ip:port`, several separated by one space.

    Raises UserError for an address outside `node_network` or Nomad's dynamic ports 20000-32000: a
    route that could name any address would let its writer aim the routers at anything.
    """
    network = ipaddress.ip_network(node_network)
    for ip, port in addresses:
        if ipaddress.ip_address(ip) not in network or port not in PORTS:
            raise UserError(
                f"a route may not lead to {ip}:{port}: only into {node_network}, "
                f"ports {PORTS.start} to {PORTS.stop - 1}",
                hint="node_network in the settings names the network of the Nomad clients",
            )
    return " ".join(f"{ip}:{port}" for ip, port in sorted(addresses))


def wait_for_routers(
    consul: Consul,
    *,
    check: Callable[[], None],
    timeout_seconds: float = ACKNOWLEDGE_SECONDS,
) -> list[str]:
    """Wait until every living router serves the routes as they are now.

    Returns the routers that did not acknowledge in time; a router that has been silent for 30 s is
    taken for dead. `check` is called while waiting and may raise.
    """
    generation, _ = consul.list(keys.ROUTES)
    deadline = time.monotonic() + timeout_seconds
    index = 0
    while True:
        check()
        index, entries = consul.list(keys.ROUTERS, index=index, wait_seconds=1 if index else 0)
        late = [
            entry.key.removeprefix(keys.ROUTERS)
            for entry in entries
            if _lives(entry.value) and _index(entry.value) < generation
        ]
        if not late or time.monotonic() > deadline:
            return late


def behind(consul: Consul) -> tuple[list[str], list[str]]:
    """Return the routers that live, and those of them that serve older routes than there are.

    Without any route nobody is behind: Consul's index of nothing moves with every write elsewhere.
    """
    generation, routes = consul.list(keys.ROUTES)
    generation = generation if routes else 0
    entries = [each for each in consul.list(keys.ROUTERS)[1] if _lives(each.value)]
    names = {each.key.removeprefix(keys.ROUTERS): _index(each.value) for each in entries}
    return sorted(names), sorted(name for name, index in names.items() if index < generation)


def forget_gone(consul: Consul, nodes: Collection[str]) -> list[str]:
    """Delete what routers have left that are gone for good, and return their names.

    Gone is a router whose node Nomad does not know and that has told nothing of itself for an hour.
    `nodes` are the names of Nomad's nodes; when there are none, that is taken for a fault.
    A key that a router writes meanwhile stays.
    """
    if not nodes:
        return []
    told = {e.key.removeprefix(keys.ROUTERS): e for e in consul.list(keys.ROUTERS)[1]}
    seen = {e.key.removeprefix(keys.SEEN): e for e in consul.list(keys.SEEN)[1]}
    gone = []
    for name in sorted({*told, *seen} - set(nodes)):
        if name in told and _silent_seconds(told[name].value) < GONE_AFTER_SECONDS:
            continue
        left = [each for each in (told.get(name), seen.get(name)) if each]
        with contextlib.suppress(Conflict):
            consul.transact(*(delete_if(each.key, each.index) for each in left))
            gone.append(name)
    return gone


def _index(value: str) -> int:
    try:
        return int(json.loads(value)["index"])
    except (ValueError, KeyError, TypeError):
        return 0


def _lives(value: str) -> bool:
    return _silent_seconds(value) < SILENT_AFTER_SECONDS


def _silent_seconds(value: str) -> float:
    """Return how long ago a router wrote this; for ever, when it cannot be read."""
    try:
        at = datetime.fromisoformat(json.loads(value)["at"])
        return (datetime.now(UTC) - at).total_seconds()
    except (ValueError, KeyError, TypeError):
        return float("inf")


def require_no_leftover(late: Sequence[str]) -> None:
    """Raise ServiceError when routers did not acknowledge that a route is gone."""
    if late:
        raise ServiceError(
            f"these routers did not acknowledge the change of routes in time: {', '.join(late)}",
            hint="consul kv get -recurse reviewapps/routers/",
        )
