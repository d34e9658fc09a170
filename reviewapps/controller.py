"""Keeps apps as their records want them, when nobody is at a command line.

A loop without a memory that matters: it looks at all records and at what Nomad runs, and where that
has changed it takes the app's lock and reconciles, as `reviewapps deploy` does. It wakes when
Nomad's allocations change and sweeps every half minute. One controller leads, by a Consul lock; an
app whose lock somebody else holds is left to them.
"""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

from reviewapps import fleet, retirement
from reviewapps.apps import app_of
from reviewapps.clients import Clients
from reviewapps.clients.nomad import Json
from reviewapps.errors import Conflict, ReviewAppsError
from reviewapps.progress import Event, sentence
from reviewapps.reconcile import Reconciler
from reviewapps.store import keys
from reviewapps.store.held import HeldRecord
from reviewapps.store.lock import Held, hold, is_held
from reviewapps.store.record import Record
from reviewapps.store.records import Records
from reviewapps.store.routes import forget_gone

LOCK = "reviewapps-controller"
SWEEP_SECONDS = 30.0
WHOLE_SECONDS = 600.0  # an app that looks unchanged is looked at whole once in so long
ABANDONED_SECONDS = 60.0  # what nobody works on for so long was killed
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 30.0, 600.0
WORKERS = 4
Say = Callable[[str], None]


class Controller:
    """Leads, or waits to lead, until told to stop."""

    def __init__(self, clients: Clients, say: Say) -> None:
        self.clients = clients
        self.say = say
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor(max_workers=WORKERS)
        self.at_work: dict[str, Future[None]] = {}
        self.settled: dict[str, tuple[str, float]] = {}
        self.failed: dict[str, tuple[int, float]] = {}

    def run(self) -> None:
        """Lead whenever nobody else does; what goes wrong is told, and tried again."""
        while not self.stop.is_set():
            try:
                with hold(self.clients.consul, LOCK, while_waiting=self._follow) as held:
                    self.say("leading")
                    self._lead(held)
            except _Over:
                break
            except ReviewAppsError as error:
                self.say(f"not leading: {error.message}")
                self.stop.wait(2)
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _follow(self, _leader: str) -> None:
        if self.stop.is_set():
            raise _Over

    def _lead(self, held: Held) -> None:
        index, swept = 0, 0.0
        while not self.stop.is_set():
            held.check()
            index, allocations = self.clients.nomad.all_allocations(index=index, wait_seconds=5)
            self.look(allocations)
            if time.monotonic() - swept > SWEEP_SECONDS:
                swept = time.monotonic()
                self._begin(retirement.LOCK, self._sweep_nodes)
            self.stop.wait(0.2)  # what changes together is looked at together

    def look(self, allocations: list[Json]) -> None:
        """Begin to reconcile each app that is due and differs from when it was last well."""
        records, faults = Records(self.clients.consul).all()
        for fault in faults:
            self.say(fault.message)
        routes = {each.key: each.value for each in self.clients.consul.list(keys.ROUTES)[1]}
        for record in records:
            mark = fingerprint(record, allocations, routes.get(keys.route(record.host), ""))
            if is_due(record) and self._differs(record.slug, mark):
                self._begin(record.slug, lambda record=record, mark=mark: self.mend(record, mark))  # type: ignore[misc]

    def mend(self, record: Record, mark: str) -> None:
        """Reconcile one app, unless somebody else works on it."""
        slug = record.slug
        if is_held(self.clients.consul, slug):
            return
        try:
            with hold(self.clients.consul, slug) as held:
                found = Records(self.clients.consul).find(slug)
                if found is None or not is_due(found):
                    return
                engine = Reconciler(
                    app_of(found), self.clients, HeldRecord(held, found.wish), self._teller(slug)
                )
                if found.wanted == "gone":
                    engine.destroy()
                else:
                    engine.deploy()
        except Conflict:  # somebody came first, or wants something newer
            return
        except ReviewAppsError as error:
            times = self.failed.get(slug, (0, 0.0))[0] + 1
            pause = min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (times - 1))
            self.failed[slug] = (times, time.monotonic() + pause)
            self.say(f"{slug}: {error.message}; again in {pause:.0f} s")
            return
        self.failed.pop(slug, None)
        self.settled[slug] = (mark, time.monotonic())

    def _differs(self, slug: str, mark: str) -> bool:
        if time.monotonic() < self.failed.get(slug, (0, 0.0))[1]:
            return False
        known, at = self.settled.get(slug, ("", 0.0))
        return known != mark or time.monotonic() - at > WHOLE_SECONDS

    def _sweep_nodes(self) -> None:
        """Let go of nodes that are lost, never joined, or carry nothing."""
        if not fleet.is_elastic(self.clients):
            return
        work = retirement.Work(self.clients, lambda line: self.say(f"nodes: {line}"), self._check)
        try:
            retirement.replace_lost(work)
            retirement.give_back(work)
        except ReviewAppsError as error:
            self.say(f"nodes: {error.message}")

    def _forget_routers(self) -> None:
        """Delete what the routers of nodes that are gone have left in Consul."""
        nodes = {each["Name"] for each in self.clients.nomad.nodes()}
        for name in forget_gone(self.clients.consul, nodes):
            self.say(f"routers: {name} is gone with its node")

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        """Do one thing at a time for each name."""
        running = self.at_work.get(name)
        if running is None or running.done():
            self.at_work[name] = self.pool.submit(self._safely, name, work)

    def _safely(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # a fault with one app must not end the others' care
            self.say(f"{name}: {type(error).__name__}: {error}")

    def _check(self) -> None:
        if self.stop.is_set():
            raise _Over

    def _teller(self, slug: str) -> Callable[[Event], None]:
        return lambda event: self.say(f"{slug} {sentence(event)}")


class _Over(Conflict):
    """The controller is told to stop."""

    def __init__(self) -> None:
        super().__init__("told to stop")


def is_due(record: Record) -> bool:
    """Say whether the controller should care for an app now.

    What runs, always; what is being deployed or destroyed, when nobody has gone on with it for a
    while; what failed, only when it ran before: what never ran is its author's to change.
    """
    if record.wanted == "gone" or record.state == "deploying":
        return _age(record) > ABANDONED_SECONDS
    return record.state == "running" or (record.serving == record.release)


def fingerprint(record: Record, allocations: list[Json], route: str) -> str:
    """Return what stands for Nomad's view of an app, its route and what is wanted."""
    mine = [
        (
            each["JobID"],
            each["ID"],
            each["ClientStatus"],
            each["DesiredStatus"],
            (each.get("DeploymentStatus") or {}).get("Healthy"),
        )
        for each in allocations
        if each["JobID"].startswith(f"{record.slug}--")
    ]
    whole = json.dumps([sorted(mine, key=str), route, record.wish, record.state])
    return hashlib.sha256(whole.encode()).hexdigest()


def _age(record: Record) -> float:
    """Return how many seconds ago something was last written of an app."""
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(record.updated_at or record.asked_at)
        return (datetime.now(UTC) - at).total_seconds()
    return float("inf")
