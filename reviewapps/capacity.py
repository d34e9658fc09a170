"""Nodes come when an app does not fit; retirement.py lets them go.

Everything here looks at the group and at Nomad first, and whatever changes the group is done under
one lock for all nodes: two deploys that both need room share the node that comes. A launch is
written down before AWS is asked (store/nodes.py), so that a killed one launches no second.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from reviewapps import fleet
from reviewapps.clients import Clients
from reviewapps.clients.aws.group import AtMaximum, CannotLaunch, NoCapacity
from reviewapps.errors import Failed
from reviewapps.fleet import Fleet
from reviewapps.retirement import Work, alone, bury, empty, overdue, reopen
from reviewapps.step import Context
from reviewapps.store import nodes as notes
from reviewapps.store.lock import Held

SETTLE_SECONDS = 15.0  # for Nomad to place what waited for a node that is ready now
FAILURES_SECONDS = 900.0
Json = dict[str, Any]


def make_room(job_id: str, problem: str, context: Context) -> None:
    """See to it that a node comes for a job that Nomad can't place: wait for one, or launch one.

    Nomad places the job itself once a node has joined; this is called again until it has. Raises
    AtMaximum, NoCapacity with AWS's reasons, Failed when an empty node is too small for the job.
    """
    work = _work(context)
    seen = fleet.look(work.clients, group=work.clients.nodes.glance())
    if seen.joining and not overdue(seen, work):
        context.say(_waiting(seen, problem))
        return
    with alone(work) as held:
        now = fleet.look(work.clients)
        if _is_coming(now, problem, held, work) or _take_back(now, held, work):
            return
        if not _lacks_place(job_id, work.clients):
            context.say(f"a node is ready: {problem}")
            return
        if empty(now, work.clients):
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
    with alone(work) as held:
        now = fleet.look(work.clients)
        coming = len(notes.unlisted(held, {each.instance for each in now.members}))
        if len(now.members) + now.asked_for + coming < wanted:
            _launch(now, f"each app has a node, and {wanted} are wanted", held, work)


def _is_coming(now: Fleet, problem: str, held: Held, work: Work) -> bool:
    """Say whether a node is on its way; those that came too late or were lost go here."""
    buried = bury(now, held, work)
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


def _take_back(now: Fleet, held: Held, work: Work) -> bool:
    """Use a node that somebody began to give back and did not end."""
    for member in now.members:
        if member.given_back:
            work.say(f"taking node {member.instance} back")
            reopen(member, held, work)
            return True
    return False


def _lacks_place(job_id: str, clients: Clients) -> bool:
    """Ask Nomad's plan whether the job would still find no node."""
    job = clients.nomad.job(job_id)
    return bool(job and not job.get("Stop") and clients.nomad.plan(job).get("FailedTGAllocs"))


def _settled(now: Fleet, clients: Clients) -> bool:
    return any(each.state_seconds > SETTLE_SECONDS for each in empty(now, clients))


def _launch(now: Fleet, problem: str, held: Held, work: Work) -> None:
    """Launch one instance, once, however often this is killed and run again."""
    group, nodes = now.group, work.clients.nodes
    if max(group.desired, len(now.members)) >= group.maximum:
        raise AtMaximum(
            f"{problem}, and the group {group.name} is at its maximum of {group.maximum}",
            hint=nodes.at_maximum().hint,
        )
    work.say(f"launching a node: {problem}")
    listed = [each.instance for each in now.members]
    launch = notes.begin(held, listed)
    held.check()
    try:
        made = nodes.launch(group, launch.token)
    except CannotLaunch:
        notes.begin(held, listed, anew=True)
        nodes.set_desired(group.desired + 1)  # absolute: we have the lock and have just looked
        return
    except (NoCapacity, AtMaximum):
        notes.finish(held, launch, ())
        raise
    notes.finish(held, launch, made)
    work.say(f"waiting for node {', '.join(made)} to join: {problem}")


def _waiting(now: Fleet, problem: str, *more: str) -> str:
    coming = [*(each.instance for each in now.joining), *more]
    return f"waiting for node {', '.join(coming)} to join: {problem}"


def _work(context: Context) -> Work:
    return Work(context.clients, context.say, context.check)
