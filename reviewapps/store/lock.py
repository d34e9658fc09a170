"""One Consul session lock per app; a holder that has lost it finds out at its next write.

A Consul lock is advisory and its TTL only a lower bound, so holding is never trusted: every write
checks the session in its own transaction (held.py), and work stops when the session could not be
renewed for its TTL. https://developer.hashicorp.com/consul/docs/automate/session.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reviewapps.clients.consul import (
    SESSION_TTL_SECONDS,
    Consul,
    check_absent,
    check_session,
    delete,
    lock,
)
from reviewapps.errors import Conflict, LostLock, ServiceError
from reviewapps.store import keys

RENEW_SECONDS = SESSION_TTL_SECONDS / 3


class Held:
    """A lock that is held: its session, and whether it may still be relied on."""

    def __init__(self, consul: Consul, slug: str, session: str) -> None:
        self.consul = consul
        self.slug = slug
        self.session = session
        self.deadline = time.monotonic() + SESSION_TTL_SECONDS
        self.lost = ""

    def check(self) -> None:
        """Raise LostLock when the lock is lost or could not be renewed in time."""
        if not self.lost and time.monotonic() > self.deadline:
            self.lost = "it could not be renewed in time"
        if self.lost:
            raise LostLock(
                f"the lock of {self.slug} was lost: {self.lost}", hint="run the same command again"
            )

    def renew(self) -> None:
        """Renew the session; an error counts only once the deadline has passed."""
        sent = time.monotonic()
        try:
            known = self.consul.renew_session(self.session)
        except ServiceError:
            return
        if known:
            self.deadline = sent + SESSION_TTL_SECONDS
        else:
            self.lost = "somebody ended its session"


def identity() -> dict[str, str | int]:
    """Return who we are, so that others on this machine can see whether we still live."""
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    return {
        "host": socket.gethostname(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pid": os.getpid(),
        "started": started,
        "user": os.environ.get("USER", ""),
    }


def is_dead(holder: str) -> bool:
    """Say whether a holder was a process of this machine that no longer runs."""
    try:
        who = json.loads(holder)
        mine = identity()
        if (who["host"], who["boot"]) != (mine["host"], mine["boot"]):
            return False
        stat = Path(f"/proc/{int(who['pid'])}/stat").read_text().rpartition(")")[2].split()
        return stat[19] != who["started"] or stat[0] in "ZX"
    except (ValueError, KeyError, TypeError):
        return False
    except FileNotFoundError:
        return True


def is_held(consul: Consul, slug: str) -> bool:
    """Say whether somebody who lives, as far as we know, holds the app's lock."""
    _, entry = consul.get(keys.lock(slug))
    return bool(entry and entry.session and not is_dead(entry.value))


@contextlib.contextmanager
def hold(
    consul: Consul, slug: str, *, while_waiting: Callable[[str], None] | None = None
) -> Iterator[Held]:
    """Hold the app's lock for the length of the block.

    When somebody else has it, `while_waiting` is called again and again with the holder's JSON
    (it may raise to give up); without it Conflict is raised. A holder that was killed on this
    machine is relieved at once, elsewhere after its TTL and the lock delay (about 15 to 25 s).
    """
    session = consul.create_session(f"reviewapps {slug}")
    held = Held(consul, slug, session)
    stop = threading.Event()

    def keep() -> None:
        while not stop.wait(RENEW_SECONDS):
            held.renew()

    threading.Thread(target=keep, name=f"renew-{slug}", daemon=True).start()
    try:
        _acquire(held, while_waiting)
        yield held
    finally:
        stop.set()
        with contextlib.suppress(ServiceError, Conflict):
            _give_back(consul, slug, session)
            consul.destroy_session(session)


def _give_back(consul: Consul, slug: str, session: str) -> None:
    """Release the lock; where no app is left, its key goes too."""
    key = keys.lock(slug)
    try:
        consul.transact(check_session(key, session), check_absent(keys.app(slug)), delete(key))
    except Conflict:
        consul.release(key, "", session)


def _acquire(held: Held, while_waiting: Callable[[str], None] | None) -> None:
    key = keys.lock(held.slug)
    me = json.dumps(identity())
    while True:
        held.check()
        try:
            held.consul.transact(lock(key, me, held.session))
            return
        except Conflict as error:
            index, entry = held.consul.get(key)
            if entry and entry.session and is_dead(entry.value):
                held.consul.release(key, "", entry.session)
                continue
            if while_waiting is None:
                raise Conflict(
                    f"{held.slug} is being worked on by {_who(entry.value if entry else '')}",
                    hint=f"reviewapps status {held.slug}",
                ) from error
            while_waiting(entry.value if entry else "")
            held.consul.get(key, index=index, wait_seconds=0.5)


def _who(holder: str) -> str:
    try:
        who = json.loads(holder)
        return f"process {who['pid']} on {who['host']}"
    except (ValueError, KeyError, TypeError):
        return "somebody who has just stopped"
