"""Follows what a step writes: both streams, through restarts, redeploys and broken connections."""

import queue
import threading
import time
from typing import Any

from reviewapps import naming
from reviewapps.allocation import is_alive, is_over
from reviewapps.cli.output import Output, tail
from reviewapps.clients import Clients
from reviewapps.clients.nomad import Nomad
from reviewapps.errors import NotFound, ServiceError
from reviewapps.store.record import Record
from reviewapps.store.records import Records

WATCH_SECONDS = 5.0
AGAIN_SECONDS = 1.0
QUIET_SECONDS = 2.0
TAIL_BYTES = 1 << 18
ENDING = ("migrate", "seed")

KINDS = ("stdout", "stderr")
Json = dict[str, Any]


class Follower:
    """Prints a step's output as it comes, until the app is gone or the task has ended."""

    def __init__(
        self, clients: Clients, record: Record, step: str, output: Output, lines: int
    ) -> None:
        self.clients = clients
        self.record = record
        self.step = step
        self.output = output
        self.lines = lines
        self.readers: dict[str, list[_Reader]] = {}
        self._told = ""

    def run(self) -> None:
        """Follow; Ctrl-C ends it. Raises NotFound when the step has never run."""
        index = 0
        job = naming.thing(self.record.slug, self.step)
        while True:
            try:
                index, found = self.clients.nomad.allocations(
                    job, index=index, wait_seconds=WATCH_SECONDS if index else 0
                )
                self._told = ""
            except ServiceError as error:
                self._wait(error)
                index = 0
                continue
            self._start(found)
            if self._is_over(found):
                return

    def _start(self, found: list[Json]) -> None:
        """Read every allocation that is new; at first the newest one even if it has ended."""
        first = not self.readers
        for allocation in reversed(found):
            name = allocation["ID"]
            wanted = is_alive(allocation) or (first and allocation is found[0])
            if name in self.readers or not wanted or not _started(allocation, self.step):
                continue
            self.readers[name] = [
                _Reader(self.clients.nomad, self.output, (name, self.step, kind), tail_bytes)
                for kind, tail_bytes in self._begin(name, first=first)
            ]
        alive = {each["ID"] for each in found if not is_over(each)}
        for name, readers in self.readers.items():
            if name not in alive:  # it has ended, or Nomad has forgotten it
                for reader in readers:
                    reader.ended.set()

    def _begin(self, allocation: str, *, first: bool) -> list[tuple[str, int | None]]:
        """Return from where on each stream is read: the last lines at first, then everything."""
        if not first:
            return [(kind, None) for kind in KINDS]
        nomad = self.clients.nomad
        texts = {kind: nomad.logs(allocation, self.step, kind, TAIL_BYTES) for kind in KINDS}
        return [(kind, len(tail(text, self.lines).encode())) for kind, text in texts.items()]

    def _is_over(self, found: list[Json]) -> bool:
        if not found and not self.readers and Records(self.clients.consul).find(self.record.slug):
            if self.step in self.record.outcomes:
                self.output.write("stdout", self.record.outcomes[self.step].log.rstrip() + "\n")
                return True
            raise NotFound(
                f"{self.step} of {self.record.branch} has not run",
                hint=f"reviewapps status {self.record.slug}",
            )
        if self.step in ENDING and found and all(map(is_over, found)):
            self._join()
            return True
        if found or Records(self.clients.consul).find(self.record.slug):
            return False
        self._join()
        self.output.note(f"The app {self.record.branch} is gone.")
        return True

    def _join(self) -> None:
        for readers in self.readers.values():
            for reader in readers:
                reader.ended.set()
                reader.thread.join(timeout=2 * QUIET_SECONDS)

    def _wait(self, error: ServiceError) -> None:
        if error.message != self._told:
            self.output.note(f"{error.message}; trying again")
            self._told = error.message
        time.sleep(AGAIN_SECONDS)


class _Reader:
    """Reads one stream of one allocation in a thread, line by line."""

    def __init__(
        self, nomad: Nomad, output: Output, where: tuple[str, str, str], tail_bytes: int | None
    ) -> None:
        self.nomad = nomad
        self.output = output
        self.where = where
        self.tail_bytes = tail_bytes
        self.ended = threading.Event()
        self._chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=256)
        self.thread = threading.Thread(target=self._print, daemon=True)
        self.thread.start()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Fetch chunks, again after a broken connection, until the task has ended."""
        tail_bytes = self.tail_bytes
        while True:
            try:
                for chunk in self.nomad.follow(*self.where, tail_bytes=tail_bytes):
                    self._chunks.put(chunk)
                if self.ended.is_set() or tail_bytes != self.tail_bytes:
                    break
            except ServiceError as error:
                if self.ended.is_set():
                    break
                self.output.note(f"{error.message}; lines may be missing here")
            tail_bytes = 0
            if self.ended.wait(AGAIN_SECONDS):
                break
        self._chunks.put(None)

    def _print(self) -> None:
        """Print whole lines; a piece without its end waits for it until the task has ended."""
        allocation, _, kind = self.where
        rest = b""
        while True:
            try:
                chunk = self._chunks.get(timeout=QUIET_SECONDS)
            except queue.Empty:
                if not self.ended.is_set():
                    continue
                chunk = None
            if chunk is None:
                break
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self.output.line(allocation, kind, line + b"\n")
        if rest:
            self.output.line(allocation, kind, rest + b"\n")


def _started(allocation: Json, step: str) -> bool:
    """Say whether the task has been started at all: before that it has no logs to follow."""
    return bool(((allocation.get("TaskStates") or {}).get(step) or {}).get("StartedAt"))
