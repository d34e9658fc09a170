"""The engine: looks, does what differs, looks again, until an app is as wanted.

It is level-triggered and may be killed at any point: whoever runs it next looks at what is there.
Steps that do not need each other run side by side.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeVar

from reviewapps.clients import Clients
from reviewapps.errors import Failed, LostLock, ReviewAppsError, Superseded, Unreachable, Waiting
from reviewapps.progress import Event, Report, State
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context, Step
from reviewapps.steps import STEPS
from reviewapps.store.held import HeldRecord
from reviewapps.store.record import Record

LOOK_AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
KEEP_SECONDS = 1.0
T = TypeVar("T")


class Reconciler:
    """Brings one app, whose lock is held, to what its record wants."""

    def __init__(  # noqa: PLR0913 - all but the first four have defaults
        self,
        app: ReviewApp,
        clients: Clients,
        record: HeldRecord,
        report: Report,
        *,
        source: Path | None = None,
        steps: Mapping[str, Step] = STEPS,
    ) -> None:
        self.app = app
        self.clients = clients
        self.record = record
        self.report = report
        self.source = source
        self.steps = steps
        self._stop = threading.Event()
        self._deadline = time.monotonic() + app.project.limits.deploy_seconds

    def deploy(self) -> Record:
        """Make every step of the app as it should be and return the record.

        Raises Failed with the cause when a step fails; what ran before goes on running.
        """
        with self._watching():
            started = time.monotonic()
            try:
                self._run({name: step.NEEDS for name, step in self.steps.items()}, self._make_so)
            except ReviewAppsError as error:
                self._note_failure(error)
                raise
            took = time.monotonic() - started
            return self.record.update(lambda record: self._finished(record, took))

    def destroy(self) -> None:
        """Undo every step, the last one first, and then forget the app."""
        dependants: dict[str, list[str]] = {name: [] for name in self.steps}
        for name, step in self.steps.items():
            for need in step.NEEDS:
                dependants[need].append(name)
        with self._watching():
            try:
                self._run(dependants, self._undo)
            except ReviewAppsError as error:
                self._note_failure(error)
                raise
            self.record.forget()

    def _run(self, needs: Mapping[str, Iterable[str]], work: Callable[[str], None]) -> None:
        """Do `work` for every step as soon as its needs are met; raise the first error."""
        sorter: TopologicalSorter[str] = TopologicalSorter(needs)
        sorter.prepare()
        running: dict[Future[None], str] = {}
        errors: list[BaseException] = []
        with ThreadPoolExecutor(max_workers=len(self.steps)) as pool:
            while (sorter.is_active() and not errors) or running:
                ready = [] if errors else sorter.get_ready()
                running |= {pool.submit(work, name): name for name in ready}
                try:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                except KeyboardInterrupt as interrupt:
                    self._stop.set()
                    errors.append(interrupt)
                    continue
                for future in done:
                    name = running.pop(future)
                    error = future.exception()
                    if error is None:
                        sorter.done(name)
                    else:
                        self._stop.set()
                        errors.append(error)
        for error in sorted(errors, key=lambda each: isinstance(each, _Stopped)):
            raise error

    def _make_so(self, name: str) -> None:
        step = self.steps[name]
        teller = Teller(name, self.report, self._keep)
        context = self._context(teller)
        # A service that is down from the start is told at once; one that goes away is waited for.
        patience = PATIENCE_SECONDS if step.NEEDS else 0
        if not step.wanted(self.app):
            self._patiently(lambda: step.undo(self.app, context), context, patience)
            return
        difference = self._patiently(lambda: step.missing(self.app, context), context, patience)
        if not difference:
            return
        teller.say("started", difference)
        while difference:
            self._check()
            try:
                self._patiently(lambda: step.apply(self.app, context), context)
            except Waiting as reason:
                teller.say("waiting", reason.message)
                self._stop.wait(LOOK_AGAIN_SECONDS)
            except (_Stopped, LostLock):
                raise
            except ReviewAppsError as error:
                teller.say("failed", error.message.removeprefix(f"{name} failed: "))
                raise
            difference = self._patiently(lambda: step.missing(self.app, context), context)
        teller.say("done")

    def _undo(self, name: str) -> None:
        step = self.steps[name]
        teller = Teller(name, self.report, self._keep)
        context = self._context(teller)
        is_first = not any(name in each.NEEDS for each in self.steps.values())
        patience = 0 if is_first else PATIENCE_SECONDS
        teller.say("started", "removing")
        while True:
            self._check()
            try:
                self._patiently(lambda: step.undo(self.app, context), context, patience)
                break
            except Waiting as reason:
                teller.say("waiting", reason.message)
                self._stop.wait(LOOK_AGAIN_SECONDS)
        teller.say("done")

    def _patiently(
        self, call: Callable[[], T], context: Context, seconds: float = PATIENCE_SECONDS
    ) -> T:
        """Call again for a while when a service does not answer."""
        until = time.monotonic() + seconds
        while True:
            try:
                return call()
            except Unreachable as error:
                if time.monotonic() > until:
                    raise
                context.say(error.message)
                self._stop.wait(LOOK_AGAIN_SECONDS)
                self._check()

    def _context(self, teller: "Teller") -> Context:
        return Context(
            clients=self.clients,
            record=self.record,
            say=lambda detail: teller.say("waiting", detail),
            check=self._check,
            source=self.source,
        )

    def _check(self) -> None:
        """Raise when the work should stop: lock lost, something newer asked for, out of time."""
        if self._stop.is_set():
            raise _Stopped("another step has failed")
        self.record.check()
        if time.monotonic() > self._deadline:
            seconds = self.app.project.limits.deploy_seconds
            raise Failed(
                f"it was not finished within {seconds} s",
                hint="reviewapps logs shows why; limits.deploy_seconds in reviewapps.yml",
            )

    def _keep(self, event: Event) -> None:
        with contextlib.suppress(Unreachable):
            self.record.tell(event)

    def _note_failure(self, error: ReviewAppsError) -> None:
        """Write the cause into the record, if it is still ours to write."""
        if isinstance(error, Superseded):
            return
        with contextlib.suppress(ReviewAppsError):
            self.record.update(
                lambda record: replace(
                    record, state="failed", cause=error.message, updated_at=now()
                )
            )

    def _finished(self, record: Record, took: float) -> Record:
        """Return the record of an app that runs as wanted."""
        if record.state == "running":
            return record
        estimate = took if record.estimate_seconds == 0 else (took + record.estimate_seconds) / 2
        return replace(
            record, state="running", cause="", estimate_seconds=estimate, updated_at=now()
        )

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Notice in the background when somebody asks for something newer."""
        over = threading.Event()
        threading.Thread(target=self.record.watch, args=[over], daemon=True).start()
        try:
            yield
        finally:
            over.set()


class _Stopped(Superseded):
    """This step stops because another one has failed."""


class Teller:
    """Tells what one step does: each sentence once to `report`, and to `keep` at most each second.

    A sentence that came too soon to be kept is kept when it is said again later.
    """

    def __init__(self, step: str, report: Report, keep: Report) -> None:
        self.step = step
        self.report = report
        self.keep = keep
        self.started = time.monotonic()
        self.kept_at = 0.0
        self.told = ("", "")
        self.kept = ("", "")

    def say(self, state: State, detail: str = "") -> None:
        """Tell that the step is in `state`, unless that was the last thing told."""
        said = (state, " ".join(detail.split()))
        now_seconds = time.monotonic()
        is_due = state != "waiting" or now_seconds - self.kept_at > KEEP_SECONDS
        is_new, is_unkept = said != self.told, said != self.kept
        if said == ("waiting", "") or not (is_new or (is_unkept and is_due)):
            return
        event = Event(now(), self.step, *said, round(now_seconds - self.started, 2))
        if is_new:
            self.told = said
            self.report(event)
        if is_due:
            self.kept, self.kept_at = said, now_seconds
            self.keep(event)


def now() -> str:
    """Return the time in UTC as ISO text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
