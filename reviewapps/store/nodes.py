"""What is under way with the nodes, written before it is done and fenced by the lock of all nodes.

A launch: whoever was killed between asking AWS and hearing left it here, so the next one asks with
the same token, and AWS launches nothing twice. A node that is being given back: whoever was killed
then left it closed to new work, so the next one ends that, or opens it again.
"""

import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from reviewapps.clients.consul import Consul, Operation, check_session, delete, put
from reviewapps.store import keys
from reviewapps.store.lock import Held

KEY = f"{keys.ROOT}nodes/launch"
LEAVING = f"{keys.ROOT}nodes/leaving/"
# A token is worth something for 8 hours; a launch that nobody heard of for this long is void.
VOID_SECONDS = 3600.0
# How long AWS may take to list an instance that it has told us of.
UNLISTED_SECONDS = 120.0


@dataclass(frozen=True)
class Launch:
    """A launch: its token, when it began, and the instances once AWS has named them.

    `before` are the group's instances when it began: another one is what came of it.
    """

    token: str
    at: float
    instances: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def began(self) -> datetime:
        """Return when it began."""
        return datetime.fromtimestamp(self.at, UTC)


def begin(held: Held, listed: Iterable[str], *, anew: bool = False) -> Launch:
    """Return the launch that nobody has heard the end of, else a new one, which is written.

    When an instance has been listed since, that is how it ended. Its token is not used again: AWS
    would name the same instance, which may be gone by now.
    """
    found = None if anew else read(held)
    if found and not found.instances and time.time() - found.at < VOID_SECONDS:
        has_come = set(listed) - set(found.before)
        if not has_come:
            return found
    launch = Launch(secrets.token_hex(16), time.time(), before=tuple(sorted(listed)))
    _write(held, launch)
    return launch


def finish(held: Held, launch: Launch, instances: tuple[str, ...]) -> None:
    """Note what came of a launch; nothing, when AWS has refused it for good."""
    if instances:
        _write(held, replace(launch, instances=instances))
    else:
        _change(held, delete(KEY))


def unlisted(held: Held, listed: set[str]) -> list[str]:
    """Return instances that AWS has named lately and does not list yet."""
    found = read(held)
    if found is None or time.time() - found.at > UNLISTED_SECONDS:
        return []
    return [each for each in found.instances if each not in listed]


def forget(held: Held, instance: str) -> None:
    """Forget the launch of an instance that is given back, whether or not its end was heard."""
    found = read(held)
    if found is None:
        return
    unheard = not found.instances and instance not in found.before
    if unheard or instance in found.instances:
        _change(held, delete(KEY))


def read(held: Held) -> Launch | None:
    """Return the last launch."""
    _, entry = held.consul.get(KEY)
    if entry is None:
        return None
    found = json.loads(entry.value)
    before = tuple(found.get("before", ()))
    return Launch(found["token"], found["at"], tuple(found["instances"]), before)


def leaving(consul: Consul) -> set[str]:
    """Return the nodes that somebody began to give back."""
    return {each.key.removeprefix(LEAVING) for each in consul.list(LEAVING)[1]}


def leave(held: Held, node_id: str) -> None:
    """Write that a node is being given back, before it is closed to new work."""
    _change(held, put(f"{LEAVING}{node_id}", ""))


def stay(held: Held, node_id: str) -> None:
    """Write that a node is no longer being given back: it is open again, or gone."""
    _change(held, delete(f"{LEAVING}{node_id}"))


def _write(held: Held, launch: Launch) -> None:
    _change(held, put(KEY, json.dumps(asdict(launch))))


def _change(held: Held, operation: Operation) -> None:
    held.consul.transact(check_session(keys.lock(held.slug), held.session), operation)
