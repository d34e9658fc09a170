"""Nodes go when nothing is left on them, when they are lost, and when they never joined.

Everything here looks at the group and at Nomad first, and whatever changes the group is done under
one lock for all nodes. A node is closed to new work before it goes, which is written down before
(store/nodes.py): whoever is killed there is gone on with, or undone, by the next run.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reviewapps import fleet
from reviewapps.clients import Clients
from reviewapps.fleet import Fleet, Member
from reviewapps.store import nodes as notes
from reviewapps.store.lock import Held, hold, is_held
from reviewapps.store.record import Record
from reviewapps.store.records import Records

LOCK = "reviewapps-nodes"
JOIN_SECONDS = 600.0  # the machines' own script has as long
LOST_SECONDS = 60.0


@dataclass(frozen=True)
class Work:
    """What work on the nodes is given: `say` tells what is done, `check` raises to stop it."""

    clients: Clients
    say: Callable[[str], None]
    check: Callable[[], None]


def give_back(work: Work) -> None:
    """Terminate the nodes that no app uses, down to what the group and its apps want at least.

    None goes while an app waits or is deployed: it may be for that one. What has not joined goes
    first.
    """
    with alone(work) as held:
        now = fleet.look(work.clients)
        _forget_gone(now, held, work)
        if _is_needed(work.clients):
            return
        buried = bury(now, held, work)
        spare = len(now.members) - len(buried) - max(now.group.minimum, per_app(work.clients))
        candidates = [each for each in now.joining if each.instance not in buried]
        candidates += empty(now, work.clients)
        for member in candidates[: max(spare, 0)]:
            if _vacated(member, held, work):
                _terminate(member, held, work)


def replace_lost(work: Work) -> None:
    """Terminate nodes that Nomad has missed for a while or that never joined: they only cost."""
    now = fleet.look(work.clients)
    if not any(_is_lost(each) for each in now.members) and not overdue(now, work):
        return
    with alone(work) as held:
        bury(fleet.look(work.clients), held, work)


def per_app(clients: Clients) -> int:
    """Return how many nodes the apps want that have one each."""
    return sum(_counts(record) for record in Records(clients.consul).all()[0])


def _counts(record: Record) -> bool:
    policy = record.wanted_release.project.get("capacity", {}).get("policy")
    return record.wanted == "running" and policy == "per-app"


def bury(now: Fleet, held: Held, work: Work) -> list[str]:
    """Terminate members that are lost, or have not joined in time; return which.

    When most of them seem lost at once it is Nomad that is in trouble, and nothing is done.
    """
    late = overdue(now, work)
    lost = [each for each in now.members if _is_lost(each)]
    if len(lost) > max(1, len(now.members) // 2):
        work.say(f"{len(lost)} of {len(now.members)} nodes are lost at once: none is terminated")
        lost = []
    minimum = now.group.minimum
    buried: list[str] = []
    for member in now.members:
        if member.instance in late:
            work.say(f"node {member.instance} has not joined within {JOIN_SECONDS:.0f} s")
        elif member in lost:
            work.say(f"node {member.instance} is lost")
        else:
            continue
        _terminate(member, held, work, replace=now.group.desired - len(buried) <= minimum)
        buried.append(member.instance)
    return buried


def overdue(now: Fleet, work: Work) -> list[str]:
    """Return the instances that should have joined by now."""
    ages = work.clients.nodes.ages([each.instance for each in now.joining])
    return [instance for instance, age in ages.items() if age > JOIN_SECONDS]


def _is_lost(member: Member) -> bool:
    return member.lost and member.state_seconds > LOST_SECONDS


def empty(now: Fleet, clients: Clients) -> list[Member]:
    """Return the nodes that carry no app."""
    up = [each for each in now.members if each.ready or each.given_back]
    return [each for each in up if fleet.is_idle(clients.nomad, each.node_id)]


def _vacated(member: Member, held: Held, work: Work) -> bool:
    """Close a node to new work; False, and open again, when an app is on it after all."""
    if not member.node_id or member.lost:
        return True
    notes.leave(held, member.node_id)
    work.clients.nomad.set_eligible(member.node_id, False)
    if fleet.is_idle(work.clients.nomad, member.node_id):
        return True
    reopen(member, held, work)  # something was placed while we looked
    return False


def reopen(member: Member, held: Held, work: Work) -> None:
    """Let Nomad place work on a node again."""
    work.clients.nomad.set_eligible(member.node_id, True)
    notes.stay(held, member.node_id)


def _terminate(member: Member, held: Held, work: Work, *, replace: bool = False) -> None:
    """Terminate an instance; one that the group's minimum keeps is opened again."""
    held.check()
    work.say(f"terminating node {member.instance}")
    notes.forget(held, member.instance)  # before it is gone: nobody shall wait for it
    if work.clients.nodes.terminate(member.instance, replace=replace):
        if member.node_id:
            notes.stay(held, member.node_id)
        return
    if member.node_id:
        reopen(member, held, work)
    work.say(f"node {member.instance} stays: the group is at its minimum")


def _forget_gone(now: Fleet, held: Held, work: Work) -> None:
    """Let Nomad and the notes forget nodes whose instance is none any more."""
    for node_id in now.gone:
        work.clients.nomad.purge_node(node_id)
    here = {each.node_id for each in now.members}
    for node_id in notes.leaving(work.clients.consul) - here:
        notes.stay(held, node_id)


def _is_needed(clients: Clients) -> bool:
    """Say whether an app may need a node that is idle now.

    A job waits for a place, or somebody is deploying: between two of an app's jobs its node is
    idle too.
    """
    wanted = [each for each in Records(clients.consul).all()[0] if each.wanted == "running"]
    if any(each.state == "deploying" and is_held(clients.consul, each.slug) for each in wanted):
        return True
    waiting = clients.nomad.blocked_jobs()
    alive = [each.slug for each in wanted if each.state != "failed"]
    return any(job.startswith(f"{slug}--") for job in waiting for slug in alive)


@contextlib.contextmanager
def alone(work: Work) -> Iterator[Held]:
    """Hold the lock of all nodes; wait for whoever has it."""

    def wait(_holder: str) -> None:
        work.check()
        work.say("waiting for another deploy that looks at the nodes")

    with hold(work.clients.consul, LOCK, while_waiting=wait) as held:
        yield held
