"""What only the holder of an app's lock may write: its record, its page and its route.

Every write is one transaction that checks the lock's session and the record's index, so a holder
that was paused and relieved cannot change anything when it wakes up.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from reviewapps.clients.consul import (
    Operation,
    check_session,
    delete,
    delete_below,
    delete_if,
    put,
)
from reviewapps.errors import Conflict, LostLock, Superseded
from reviewapps.progress import Event
from reviewapps.store import keys
from reviewapps.store.hosts import page
from reviewapps.store.lock import Held
from reviewapps.store.record import Record, dump, parse

ATTEMPTS = 20


class HeldRecord:
    """The record of an app whose lock is `held`, for as long as nothing newer is asked for."""

    def __init__(self, held: Held, wish: int) -> None:
        self.held = held
        self.consul = held.consul
        self.slug = held.slug
        self.wish = wish
        self.stopped = ""
        self._writing = threading.Lock()
        self._watched_index = 0

    def check(self) -> None:
        """Raise LostLock or Superseded when this holder should stop."""
        self.held.check()
        if self.stopped:
            raise Superseded(self.stopped, hint=f"reviewapps status {self.slug}")

    def watch(self, stop: threading.Event) -> None:
        """Notice, until `stop`, when somebody asks for something newer; runs in a thread."""
        index = 0
        while not stop.is_set():
            try:
                index, entry = self.consul.get(
                    keys.app(self.slug), index=index, wait_seconds=2 if index else 0
                )
                self._compare(parse(entry.value, entry.key) if entry else None)
            except Superseded:
                return
            except Exception:
                index = 0
                stop.wait(0.5)

    def read(self) -> Record:
        """Return the record as it is now; raises Superseded when something newer is wanted."""
        return self._read()[0]

    def update(self, change: Callable[[Record], Record]) -> Record:
        """Change the record, and the page made from it."""

        def operations(old: Record, new: Record) -> list[Operation]:
            return [] if new == old else [put(keys.host(new.host), page(new))]

        return self._write(change, operations)

    def tell(self, event: Event) -> None:
        """Add an event to the record."""
        self.update(lambda record: replace(record.with_event(event), updated_at=event.at))

    def publish(self, route: str) -> None:
        """Let the app's host lead to `route`, `ip:port`, at the release that is wanted now."""
        self._write(
            lambda record: replace(record, serving=record.release),
            lambda _old, new: [
                *self._no_hosts(),
                put(keys.route(new.host), route),
                put(keys.host(new.host), page(new)),
            ],
        )

    def withdraw(self) -> None:
        """Take the app's route away."""
        self._write(
            lambda record: replace(record, serving=0),
            lambda _old, new: [*self._no_hosts(), put(keys.host(new.host), page(new))],
        )

    def forget(self) -> None:
        """Delete everything Consul has of the app; the last write of a destroy."""
        for _ in range(ATTEMPTS):
            _, index = self._read()
            try:
                self._transact(
                    [
                        delete_if(keys.app(self.slug), index),
                        *self._no_hosts(),
                        delete(keys.wish(self.slug)),
                        delete(keys.lock(self.slug)),
                    ]
                )
                return
            except LostLock:
                raise
            except Conflict:  # somebody wrote the record; the next read says what for
                continue
        raise Conflict(f"the record of {self.slug} changes too often", hint="try again")

    def _no_hosts(self) -> list[Operation]:
        """Delete the keys of every host the app ever had: its domain may have changed."""
        return [delete_below(prefix) for prefix in keys.hosts_of(self.slug)]

    def _read(self) -> tuple[Record, int]:
        _, entry = self.consul.get(keys.app(self.slug))
        record = parse(entry.value, entry.key) if entry else None
        self._compare(record)
        assert record is not None and entry is not None  # noqa: S101 - _compare saw to it
        return record, entry.index

    def _compare(self, record: Record | None) -> None:
        if record is None:
            self.stopped = f"the record of {self.slug} is gone: somebody destroyed the app"
        elif record.wish != self.wish:
            asked = "destroyed" if record.wanted == "gone" else "deployed anew"
            who = f" by {record.asked_by}" if record.asked_by else ""
            self.stopped = f"{self.slug} is to be {asked}, as asked{who} at {record.asked_at}"
        if self.stopped:
            raise Superseded(self.stopped, hint=f"reviewapps status {self.slug}")

    def _write(
        self,
        change: Callable[[Record], Record],
        more: Callable[[Record, Record], list[Operation]],
    ) -> Record:
        with self._writing:
            for attempt in range(ATTEMPTS):
                self.held.check()
                old, index = self._read()
                new = change(old)
                operations = more(old, new)
                if new == old and not operations:
                    return new
                try:
                    self._transact([put(keys.app(self.slug), dump(new), index), *operations])
                    return new
                except LostLock:
                    raise
                except Conflict:
                    time.sleep(0.01 * attempt)
            raise Conflict(f"the record of {self.slug} changes too often", hint="try again")

    def _transact(self, operations: list[Operation]) -> None:
        fence = check_session(keys.lock(self.slug), self.held.session)
        try:
            self.consul.transact(fence, *operations)
        except Conflict as error:
            if "check-session" in error.message:
                self.held.lost = "another holder has it"
                self.held.check()
            raise
