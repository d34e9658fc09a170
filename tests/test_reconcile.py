"""The engine with steps of the tests' own: order, waiting, failing, and going on."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from reviewapps import apps, reconcile
from reviewapps.errors import Failed, ReviewAppsError, Superseded, Unreachable, Waiting
from reviewapps.progress import Event
from reviewapps.reconcile import Reconciler
from reviewapps.review_app import Release, ReviewApp
from reviewapps.step import Context
from reviewapps.store.held import HeldRecord
from reviewapps.store.lock import hold
from reviewapps.store.record import Record
from reviewapps.store.records import Records
from tests.fakes.consul import Consul

SLUG = "blue-aaaaaa"
NOW = "2026-11-21T09:00:00.000Z"
FRESH = Record(SLUG, "shop", "deploy-blue", f"{SLUG}.localhost", f"http://{SLUG}.localhost")
RELEASE = Release(0, "shop:1", "c" * 40, built=False, project={"project": "shop"})


@dataclass
class Step:
    """A step that notes what is done with it."""

    name: str
    log: list[str]
    NEEDS: tuple[str, ...] = ()
    is_wanted: bool = True
    done: bool = False
    troubles: list[ReviewAppsError] = field(default_factory=list)
    meanwhile: Callable[[], object] = bool

    def wanted(self, _app: ReviewApp) -> bool:
        """Say what the test chose."""
        return self.is_wanted

    def missing(self, _app: ReviewApp, _context: Context) -> str:
        """Say whether it was applied."""
        return "" if self.done else f"{self.name} is not there"

    def apply(self, _app: ReviewApp, context: Context) -> None:
        """Raise the next trouble, or note that it was done; the third publishes the route."""
        self.log.append(f"apply {self.name}")
        self.meanwhile()
        if self.troubles:
            raise self.troubles.pop(0)
        if self.name == "third":
            context.record.publish("10.86.0.1:20000")
        self.done = True

    def undo(self, _app: ReviewApp, _context: Context) -> None:
        """Note that it was undone."""
        if self.troubles:
            raise self.troubles.pop(0)
        self.log.append(f"undo {self.name}")
        self.done = False


class Engine:
    """Three steps in a row and one beside them, on a Consul in memory."""

    def __init__(self) -> None:
        self.consul = Consul()
        self.log: list[str] = []
        self.events: list[Event] = []
        self.first = Step("first", self.log)
        self.second = Step("second", self.log, ("first",))
        self.third = Step("third", self.log, ("second",))
        self.beside = Step("beside", self.log, ("first",))

    def run(self, verb: str) -> Record | None:
        """Deploy or destroy, under the lock."""
        record = Records(self.consul).wish(FRESH, RELEASE, NOW)  # type: ignore[arg-type]
        if verb == "destroy":
            gone = Records(self.consul).wish_gone(SLUG, "ada", NOW)  # type: ignore[arg-type]
            assert gone
            record = gone
        steps: Any = {
            each.name: each for each in (self.first, self.second, self.third, self.beside)
        }
        clients: Any = SimpleNamespace(consul=self.consul)
        with hold(self.consul, SLUG) as held:  # type: ignore[arg-type]
            mine = HeldRecord(held, record.wish)
            engine = Reconciler(apps.app_of(record), clients, mine, self.events.append, steps=steps)
            done: Record | None = getattr(engine, verb)()
            return done

    def told(self, state: str) -> list[str]:
        """Return which steps were told to be in a state."""
        return [each.step for each in self.events if each.state == state]

    def record(self) -> Record | None:
        """Return the record as it is."""
        return Records(self.consul).find(SLUG)  # type: ignore[arg-type]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that doesn't sleep."""
    monkeypatch.setattr(reconcile, "LOOK_AGAIN_SECONDS", 0)
    return Engine()


def test_steps_are_done_in_the_order_of_their_needs(engine: Engine) -> None:
    record = engine.run("deploy")
    assert record
    assert record.state == "running"
    assert engine.log[0] == "apply first"
    assert engine.log.index("apply second") < engine.log.index("apply third")
    assert sorted(engine.told("done")) == ["beside", "first", "second", "third"]


def test_the_second_run_does_and_tells_nothing(engine: Engine) -> None:
    engine.run("deploy")
    before = engine.record()
    engine.log.clear()
    engine.events.clear()
    assert engine.run("deploy") == before
    assert (engine.log, engine.events) == ([], [])


def test_steps_that_do_not_need_each_other_run_at_the_same_time(engine: Engine) -> None:
    both = threading.Barrier(2, timeout=10)
    engine.second.meanwhile = engine.beside.meanwhile = both.wait
    assert engine.run("deploy")


def test_waiting_is_no_failure_and_is_told_once(engine: Engine) -> None:
    engine.second.troubles = [Waiting("a node starts"), Waiting("a node starts")]
    assert engine.run("deploy")
    assert engine.log.count("apply second") == 3
    waiting = [each.detail for each in engine.events if each.state == "waiting"]
    assert waiting == ["a node starts"]


def test_what_is_said_too_soon_is_kept_when_it_is_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody looks at a record in its first second; whoever looks later must not see old news."""
    clock = [10.0]
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    told: list[str] = []
    kept: list[str] = []
    teller = reconcile.Teller(
        "redis", lambda each: told.append(each.detail), lambda each: kept.append(each.detail)
    )
    teller.say("waiting", "starting")
    clock[0] += 0.2
    teller.say("waiting", "checking")
    assert (told, kept) == (["starting", "checking"], ["starting"])
    clock[0] += 5
    teller.say("waiting", "checking")
    teller.say("waiting", "checking")
    assert (told, kept) == (["starting", "checking"], ["starting", "checking"])


def test_a_failing_step_stops_what_needs_it_and_the_record_says_why(engine: Engine) -> None:
    engine.second.troubles = [Failed("second failed: it crashed")]
    with pytest.raises(Failed, match="second failed: it crashed"):
        engine.run("deploy")
    assert "apply third" not in engine.log
    record = engine.record()
    assert record
    assert (record.state, record.cause) == ("failed", "second failed: it crashed")
    assert engine.run("deploy")
    assert engine.log.count("apply first") == 1


def test_the_root_cause_is_raised_and_not_what_it_stopped(engine: Engine) -> None:
    stopped = threading.Event()
    engine.beside.meanwhile = lambda: stopped.wait(1)
    engine.beside.troubles = [Waiting("still at it")] * 50
    engine.second.troubles = [Failed("second failed: it crashed")]
    with pytest.raises(Failed, match="second failed: it crashed"):
        engine.run("deploy")


def test_a_service_that_goes_away_meanwhile_is_waited_for(engine: Engine) -> None:
    engine.third.troubles = [Unreachable("Nomad does not answer")] * 3
    assert engine.run("deploy")
    assert engine.log.count("apply third") == 4


def test_a_service_that_stays_away_is_named(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(
        Step, "missing", lambda *_: (_ for _ in ()).throw(Unreachable("Nomad does not answer"))
    )
    with pytest.raises(Unreachable, match="Nomad does not answer"):
        engine.run("deploy")
    assert engine.log == []


def test_what_is_no_longer_wanted_is_undone(engine: Engine) -> None:
    engine.run("deploy")
    engine.third.is_wanted = False
    engine.run("deploy")
    assert engine.log[-1] == "undo third"


def test_destroy_goes_backwards_and_forgets_the_app_last(engine: Engine) -> None:
    engine.run("deploy")
    engine.log.clear()
    engine.run("destroy")
    assert engine.log[-1] == "undo first"
    assert engine.log.index("undo third") < engine.log.index("undo second")
    assert engine.record() is None
    assert engine.consul.list("reviewapps/")[1] == []


def test_a_destroy_that_fails_keeps_the_record_and_goes_on_next_time(engine: Engine) -> None:
    engine.run("deploy")
    engine.second.troubles = [Failed("second can't be removed")]
    with pytest.raises(Failed, match="second can't be removed"):
        engine.run("destroy")
    record = engine.record()
    assert record
    assert (record.wanted, record.state) == ("gone", "failed")


def test_a_newer_wish_stops_the_work(engine: Engine) -> None:
    newer = replace(RELEASE, image="shop:2")
    records = Records(engine.consul)  # type: ignore[arg-type]
    engine.first.meanwhile = lambda: records.wish(FRESH, newer, NOW)
    with pytest.raises(Superseded, match="is to be deployed anew"):
        engine.run("deploy")
    assert "apply third" not in engine.log
    record = engine.record()
    assert record
    assert (record.state, record.cause, record.release) == ("deploying", "", 2)
