"""Nodes come when an app does not fit and go when nothing is left on them.

Everything here looks at the group and at Nomad first, and whatever changes the group is done under
one lock for all nodes: two deploys that both need room share the node that comes. A launch is
written down before AWS is asked (store/nodes.py), so that a killed one launches no second.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reviewapps import fleet
from reviewapps.clients import Clients
from reviewapps.clients.aws.group import AtMaximum, CannotLaunch, NoCapacity
from reviewapps.errors import Failed
from reviewapps.fleet import Fleet, Member
from reviewapps.step import Context
from reviewapps.store import nodes as notes
from reviewapps.store.lock import Held, hold, is_held
from reviewapps.store.record import Record
from reviewapps.store.records import Records

LOCK = "reviewapps-nodes"
JOIN_SECONDS = 600.0  # the machines' own script has as long
LOST_SECONDS = 60.0
SETTLE_SECONDS = 15.0  # for Nomad to place what waited for a node that is ready now
FAILURES_SECONDS = 900.0
Json = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What work on the nodes is given: `say` tells what is done, `check` raises to stop it."""

    clients: Clients
    say: Callable[[str], None]
    check: Callable[[], None]


def is_elastic(clients: Clients) -> bool:
    """Say whether there is a group that nodes can come from."""
    return bool(clients.settings.aws.group)


def make_room(job_id: str, problem: str, context: Context) -> None:
    """See to it that a node comes for a job that Nomad can't place: wait for one, or launch one.

    Nomad places the job itself once a node has joined; this is called again until it has. Raises
    AtMaximum, NoCapacity with AWS's reasons, Failed when an empty node is too small for the job.
    """
    work = _work(context)
    seen = fleet.look(work.clients, group=work.clients.nodes.glance())
    if seen.joining and not _late(seen, work):
        context.say(_waiting(seen, problem))
        return
    with _alone(work) as held:
        now = fleet.look(work.clients)
        if _is_coming(now, problem, held, work) or _take_back(now, held, work):
            return
        if not _lacks_place(job_id, work.clients):
            context.say(f"a node is ready: {problem}")
            return
        if _empty(now, work.clients):
            if _settled(now, work.clients):
                raise Failed(
                    f"{problem}, and an empty node of the group {now.group.name} has not either",
                    hint="ask for less in reviewapps.yml, or set larger node_types in Terraform",
                )
            return
        _launch(now, problem, held, work)


def require_nodes(wanted: int, context: Context) -> None:
    """See to it that the group has `wanted` nodes, for apps that want one each."""
    work = _work(context)
    with _alone(work) as held:
        now = fleet.look(work.clients)
        coming = len(notes.unlisted(held, {each.instance for each in now.members}))
        if len(now.members) + now.asked_for + coming < wanted:
            _launch(now, f"each app has a node, and {wanted} are wanted", held, work)


def give_back(work: Work) -> None:
    """Terminate the nodes that no app uses, down to what the group and its apps want at least.

    None goes while an app waits or is deployed: it may be for that one. What has not joined goes
    first.
    """
    with _alone(work) as held:
        now = fleet.look(work.clients)
        _forget_gone(now, held, work)
        if _is_needed(work.clients):
            return
        buried = _bury(now, held, work)
        spare = len(now.members) - len(buried) - max(now.group.minimum, per_app(work.clients))
        candidates = [each for each in now.joining if each.instance not in buried]
        candidates += _empty(now, work.clients)
        for member in candidates[: max(spare, 0)]:
            if _vacated(member, held, work):
                _terminate(member, held, work)


def replace_lost(work: Work) -> None:
    """Terminate nodes that Nomad has missed for a while or that never joined: they only cost."""
    now = fleet.look(work.clients)
    if not any(_is_lost(each) for each in now.members) and not _late(now, work):
        return
    with _alone(work) as held:
        _bury(fleet.look(work.clients), held, work)


def per_app(clients: Clients) -> int:
    """Return how many nodes the apps want that have one each."""
    return sum(_counts(record) for record in Records(clients.consul).all()[0])


def _counts(record: Record) -> bool:
    policy = record.wanted_release.project.get("capacity", {}).get("policy")
    return record.wanted == "running" and policy == "per-app"


def _is_coming(now: Fleet, problem: str, held: Held, work: Work) -> bool:
    """Say whether a node is on its way; those that came too late or were lost go here."""
    buried = _bury(now, held, work)
    joining = [each for each in now.joining if each.instance not in buried]
    unlisted = notes.unlisted(held, {each.instance for each in now.members})
    if joining or unlisted:
        work.say(_waiting(now, problem, *unlisted))
        return True
    if now.asked_for and not buried:
        _require_no_failure(now, held, work)
        work.say(f"waiting for AWS to launch a node: {problem}")
        return True
    return False


def _require_no_failure(now: Fleet, held: Held, work: Work) -> None:
    """Raise NoCapacity when the group could not launch what it wants, which it then gives up."""
    last = notes.read(held)
    since = datetime.now(UTC) - timedelta(seconds=FAILURES_SECONDS)
    reasons = work.clients.nodes.failures(max(last.began, since) if last else since)
    if not reasons:
        return
    work.clients.nodes.set_desired(max(len(now.members), now.group.minimum))
    if last:
        notes.finish(held, last, ())
    raise NoCapacity(
        f"AWS has no instance for the group {now.group.name}: {'; '.join(reasons)}",
        hint="more instance types or zones in terraform/nodes.tf, or the same command later",
    )


def _bury(now: Fleet, held: Held, work: Work) -> list[str]:
    """Terminate members that are lost, or have not joined in time; return which.

    When most of them seem lost at once it is Nomad that is in trouble, and nothing is done.
    """
    late = _late(now, work)
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


def _late(now: Fleet, work: Work) -> list[str]:
    ages = work.clients.nodes.ages([each.instance for each in now.joining])
    return [instance for instance, age in ages.items() if age > JOIN_SECONDS]


def _is_lost(member: Member) -> bool:
    return member.lost and member.state_seconds > LOST_SECONDS


def _take_back(now: Fleet, held: Held, work: Work) -> bool:
    """Use a node that somebody began to give back and did not end."""
    for member in now.members:
        if member.given_back:
            work.say(f"taking node {member.instance} back")
            _open(member, held, work)
            return True
    return False


def _lacks_place(job_id: str, clients: Clients) -> bool:
    """Ask Nomad's plan whether the job would still find no node."""
    job = clients.nomad.job(job_id)
    return bool(job and not job.get("Stop") and clients.nomad.plan(job).get("FailedTGAllocs"))


def _empty(now: Fleet, clients: Clients) -> list[Member]:
    """Return the nodes that carry no app."""
    up = [each for each in now.members if each.ready or each.given_back]
    return [each for each in up if fleet.is_idle(clients.nomad, each.node_id)]


def _settled(now: Fleet, clients: Clients) -> bool:
    return any(each.state_seconds > SETTLE_SECONDS for each in _empty(now, clients))


def _launch(now: Fleet, problem: str, held: Held, work: Work) -> None:
    """Launch one instance, once, however often this is killed and run again."""
    group, nodes = now.group, work.clients.nodes
    if max(group.desired, len(now.members)) >= group.maximum:
        raise AtMaximum(
            f"{problem}, and the group {group.name} is at its maximum of {group.maximum}",
            hint=nodes.at_maximum().hint,
        )
    work.say(f"launching a node: {problem}")
    launch = notes.begin(held)
    held.check()
    try:
        made = nodes.launch(group, launch.token)
    except CannotLaunch:
        notes.begin(held, anew=True)
        nodes.set_desired(group.desired + 1)  # absolute: we have the lock and have just looked
        return
    except (NoCapacity, AtMaximum):
        notes.finish(held, launch, ())
        raise
    notes.finish(held, launch, made)
    work.say(f"waiting for node {', '.join(made)} to join: {problem}")


def _vacated(member: Member, held: Held, work: Work) -> bool:
    """Close a node to new work; False, and open again, when an app is on it after all."""
    if not member.node_id or member.lost:
        return True
    notes.leave(held, member.node_id)
    work.clients.nomad.set_eligible(member.node_id, False)
    if fleet.is_idle(work.clients.nomad, member.node_id):
        return True
    _open(member, held, work)  # something was placed while we looked
    return False


def _open(member: Member, held: Held, work: Work) -> None:
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
        _open(member, held, work)
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


def _waiting(now: Fleet, problem: str, *more: str) -> str:
    coming = [*(each.instance for each in now.joining), *more]
    return f"waiting for node {', '.join(coming)} to join: {problem}"


def _work(context: Context) -> Work:
    return Work(context.clients, context.say, context.check)


@contextlib.contextmanager
def _alone(work: Work) -> Iterator[Held]:
    """Hold the lock of all nodes; wait for whoever has it."""

    def wait(_holder: str) -> None:
        work.check()
        work.say("waiting for another deploy that looks at the nodes")

    with hold(work.clients.consul, LOCK, while_waiting=wait) as held:
        yield held
