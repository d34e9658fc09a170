"""What records, routes and locks promise; `consul` is a stand-in here and real in tests/real."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from reviewapps.clients.consul import Consul, put
from reviewapps.errors import Conflict, LostLock, ServiceError, Superseded, UserError
from reviewapps.progress import Event
from reviewapps.review_app import Release
from reviewapps.store import keys
from reviewapps.store.held import HeldRecord
from reviewapps.store.lock import hold, identity, is_dead
from reviewapps.store.record import KEPT_EVENTS, KEPT_RELEASES, Record, dump, parse
from reviewapps.store.records import Records
from reviewapps.store.routes import behind, forget_gone, route_value, wait_for_routers
from tests.fakes.consul import Consul as FakeConsul

SLUG = "blue-aaaaaa"
HOST = f"{SLUG}.localhost"
NOW = "2026-11-21T09:00:00.000Z"
FRESH = Record(SLUG, "shop", "deploy-blue", HOST, f"http://{HOST}")


@pytest.fixture
def consul() -> FakeConsul:
    """A datacenter of this test's own."""
    return FakeConsul()


def release(image: str = "shop:1") -> Release:
    """Return a release of this image."""
    return Release(0, image, "c" * 40, built=True, project={"project": "shop"})


def wished(consul: Consul, image: str = "shop:1") -> Record:
    """Wish for a release."""
    return Records(consul).wish(FRESH, release(image), NOW)


def test_the_same_wish_twice_changes_nothing(consul: Consul) -> None:
    first = wished(consul)
    index = consul.get(keys.app(SLUG))[0]
    assert wished(consul) == first
    assert consul.get(keys.app(SLUG))[0] == index
    assert (first.wish, first.release, first.state) == (1, 1, "deploying")


def test_a_newer_release_is_a_newer_wish_with_the_next_number(consul: Consul) -> None:
    wished(consul)
    second = wished(consul, "shop:2")
    assert (second.wish, second.release, second.wanted_release.image) == (2, 2, "shop:2")
    assert [each.number for each in second.releases] == [1, 2]


def test_a_failed_release_is_tried_again_under_its_number(consul: Consul) -> None:
    record = wished(consul)
    with hold(consul, SLUG) as held:
        HeldRecord(held, record.wish).update(
            lambda old: replace(old, state="failed", cause="it crashed")
        )
    again = wished(consul)
    assert (again.release, again.wish, again.state, again.cause) == (1, 1, "deploying", "")


def test_a_slug_never_passes_to_another_branch(consul: Consul) -> None:
    wished(consul)
    other = replace(FRESH, branch="deploy-blau")
    with pytest.raises(UserError, match="already the app of branch 'deploy-blue'"):
        Records(consul).wish(other, release(), NOW)


def test_an_app_never_passes_to_another_repository(consul: Consul) -> None:
    """Two repositories whose files say the same project have one slug for a branch of one name."""
    first = replace(FRESH, repository="github.com/acme/shop")
    Records(consul).wish(first, release(), NOW)
    index = consul.get(keys.app(SLUG))[0]
    second = replace(FRESH, repository="github.com/acme/shop-two")
    with pytest.raises(UserError) as caught:
        Records(consul).wish(second, release("shop:2"), NOW)
    assert caught.value.message == (
        f"{SLUG} is the app of 'deploy-blue' of github.com/acme/shop, and this is "
        "github.com/acme/shop-two: both say `project: shop`"
    )
    assert f"reviewapps destroy {SLUG}" in caught.value.hint
    assert consul.get(keys.app(SLUG))[0] == index, "nothing was written"


@pytest.mark.parametrize("other", ["github.com/acme/shop", "work-alias/Acme/Shop", ""])
def test_one_repository_deploys_however_it_is_reached(consul: Consul, other: str) -> None:
    first = replace(FRESH, repository="github.com/acme/shop")
    Records(consul).wish(first, release(), NOW)
    record = Records(consul).wish(replace(FRESH, repository=other), release("shop:2"), NOW)
    assert record.release == 2


def test_old_releases_and_events_are_forgotten(consul: Consul) -> None:
    for number in range(KEPT_RELEASES + 3):
        record = wished(consul, f"shop:{number}")
    assert len(record.releases) == KEPT_RELEASES
    assert record.wanted_release.number == KEPT_RELEASES + 3
    for number in range(KEPT_EVENTS + 5):
        record = record.with_event(Event(NOW, "migrate", "waiting", str(number)))
    assert len(record.events) == KEPT_EVENTS
    assert [each.detail for each in record.steps] == [str(KEPT_EVENTS + 4)]


def test_a_page_says_running_while_an_older_release_serves(consul: Consul) -> None:
    record = wished(consul)
    assert state_of(consul) == "deploying"
    with hold(consul, SLUG) as held:
        mine = HeldRecord(held, record.wish)
        mine.publish("10.86.0.1:20000")
        mine.update(lambda old: replace(old, state="failed"))
    assert state_of(consul) == "running"
    assert consul.get(keys.route(HOST))[1].value == "10.86.0.1:20000"  # type: ignore[union-attr]


def state_of(consul: Consul) -> str:
    """Return the state on the page of the app's host."""
    entry = consul.get(keys.host(HOST))[1]
    assert entry
    return str(json.loads(entry.value)["state"])


def test_a_second_holder_waits_or_is_told_who_has_the_lock(consul: Consul) -> None:
    wished(consul)
    with hold(consul, SLUG):
        with (
            pytest.raises(Conflict, match=rf"{SLUG} is being worked on by process \d+ on "),
            hold(consul, SLUG),
        ):
            pass
        waited = threading.Event()
        got = threading.Event()

        def second() -> None:
            with hold(consul, SLUG, while_waiting=lambda _holder: waited.set()):
                got.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(10)
        assert not got.is_set()
    assert got.wait(10)
    thread.join()


def test_who_lost_the_lock_writes_nothing(consul: Consul) -> None:
    record = wished(consul)
    with hold(consul, SLUG) as held:
        mine = HeldRecord(held, record.wish)
        consul.release(keys.lock(SLUG), "", held.session)
        before = consul.list(keys.ROOT)[1]
        writes: list[Callable[[], object]] = [
            lambda: mine.publish("10.86.0.1:20000"),
            mine.withdraw,
            mine.forget,
            lambda: mine.tell(Event(NOW, "migrate", "started")),
        ]
        for write in writes:
            with pytest.raises(LostLock, match=f"the lock of {SLUG} was lost"):
                write()
        assert consul.list(keys.ROOT)[1] == before


def test_a_newer_wish_stops_the_holder_at_its_next_write(consul: Consul) -> None:
    record = wished(consul)
    with hold(consul, SLUG) as held:
        mine = HeldRecord(held, record.wish)
        Records(consul).wish_gone(SLUG, "ada@machine", NOW)
        with pytest.raises(Superseded, match=f"{SLUG} is to be destroyed, as asked by ada@machine"):
            mine.publish("10.86.0.1:20000")
        with pytest.raises(Superseded):
            mine.forget()
    assert Records(consul).find(SLUG)


def test_a_watching_holder_notices_a_newer_wish(consul: Consul) -> None:
    record = wished(consul)
    with hold(consul, SLUG) as held:
        mine = HeldRecord(held, record.wish)
        over = threading.Event()
        thread = threading.Thread(target=mine.watch, args=[over])
        thread.start()
        wished(consul, "shop:2")
        thread.join(10)
        over.set()
        with pytest.raises(Superseded, match="is to be deployed anew"):
            mine.check()


def test_forgetting_leaves_no_key_of_any_host(consul: Consul) -> None:
    record = wished(consul)
    consul.transact(put(keys.route(f"{SLUG}.old.example"), "10.86.0.1:20001"))
    consul.transact(put(keys.wish(SLUG), "{}"))
    other = keys.route("blue-aaaaaab.localhost")
    consul.transact(put(other, "10.86.0.1:20002"))
    with hold(consul, SLUG) as held:
        mine = HeldRecord(held, record.wish)
        mine.publish("10.86.0.1:20000")
        assert consul.get(keys.route(f"{SLUG}.old.example"))[1] is None
        mine.forget()
    assert [each.key for each in consul.list(keys.ROOT)[1]] == [other]


def test_who_came_second_to_a_destroy_leaves_no_lock_behind(consul: Consul) -> None:
    with hold(consul, SLUG):
        pass
    assert consul.list(keys.ROOT)[1] == []


def test_a_holder_that_was_killed_here_is_known_to_be_dead() -> None:
    me = identity()
    assert not is_dead(json.dumps(me))
    assert is_dead(json.dumps({**me, "started": "1"}))
    assert is_dead(json.dumps({**me, "pid": 2**22 + 1}))
    assert not is_dead(json.dumps({**me, "host": "elsewhere", "pid": 2**22 + 1}))
    assert not is_dead(json.dumps({**me, "boot": "before", "pid": 2**22 + 1}))
    for nonsense in ("", "x", "[]", "{}", "null", '{"host": 1}'):
        assert not is_dead(nonsense)


def test_a_record_that_is_not_readable_spoils_only_itself(consul: Consul) -> None:
    wished(consul)
    consul.transact(put(keys.app("broken-aaaaaa"), "{"))
    newer = dump(replace(FRESH, schema=99))
    consul.transact(put(keys.app("newer-aaaaaa"), newer))
    records, faults = Records(consul).all()
    assert [each.slug for each in records] == [SLUG]
    assert sorted(fault.message for fault in faults)[1].endswith("a newer reviewapps (schema 99)")
    with pytest.raises(ServiceError, match=r"the record reviewapps/apps/x is not readable"):
        parse("[]", "reviewapps/apps/x")


def test_a_record_keeps_everything_and_passes_over_what_it_does_not_know() -> None:
    record = FRESH.with_release(release()).with_event(Event(NOW, "seed", "done", "ok", 1.5))
    assert parse(dump(record), "x") == record
    later = json.loads(dump(record)) | {"colour": "blue"}
    assert parse(json.dumps(later), "x") == record


@pytest.mark.parametrize(
    "address",
    [("10.86.1.1", 20000), ("127.0.0.1", 20000), ("10.86.0.1", 19999), ("10.86.0.1", 32001)],
)
def test_a_route_leads_only_into_the_nodes_network(address: tuple[str, int]) -> None:
    with pytest.raises(UserError, match="a route may not lead to"):
        route_value([address], "10.86.0.0/24")


def test_a_route_names_its_addresses_in_order() -> None:
    addresses = [("10.86.0.2", 20001), ("10.86.0.1", 32000)]
    assert route_value(addresses, "10.86.0.0/24") == "10.86.0.1:32000 10.86.0.2:20001"


def test_only_living_routers_that_are_late_are_waited_for(consul: Consul) -> None:
    at = "2999-01-01T00:00:00Z"
    consul.transact(put(keys.route(HOST), "10.86.0.1:20000"))
    ahead = json.dumps({"index": 10**12, "at": at})
    consul.transact(put(f"{keys.ROUTERS}ahead", ahead))
    silent = json.dumps({"index": 0, "at": "2020-01-01T00:00:00Z"})
    consul.transact(put(f"{keys.ROUTERS}silent", silent))
    assert wait_for_routers(consul, check=lambda: None) == []
    consul.transact(put(f"{keys.ROUTERS}late", json.dumps({"index": 0, "at": at})))
    assert wait_for_routers(consul, check=lambda: None, timeout_seconds=0) == ["late"]


def test_without_any_route_no_router_is_behind(consul: Consul) -> None:
    said = json.dumps({"index": 3, "at": "2999-01-01T00:00:00Z"})
    consul.transact(put(f"{keys.ROUTERS}one", said))
    for _ in range(5):
        consul.transact(put(f"{keys.ROOT}elsewhere", "x"))
    assert behind(consul) == (["one"], [])
    consul.transact(put(keys.route(HOST), "10.86.0.1:20000"))
    assert behind(consul) == (["one"], ["one"])


def test_only_routers_long_silent_and_without_a_node_are_forgotten(consul: Consul) -> None:
    now, then = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
    for name, at in (("node-1", then), ("laptop", now), ("gone", then)):
        consul.transact(put(f"{keys.ROUTERS}{name}", json.dumps({"index": 1, "at": at})))
        consul.transact(put(f"{keys.SEEN}{name}", "{}"))
    consul.transact(put(f"{keys.SEEN}half-forgotten", "{}"))
    consul.transact(put(f"{keys.ROUTERS}unreadable", "?"))
    before = consul.list(keys.ROOT)[1]
    assert forget_gone(consul, []) == []
    assert consul.list(keys.ROOT)[1] == before
    assert forget_gone(consul, {"node-1"}) == ["gone", "half-forgotten", "unreadable"]
    left = [each.key for each in consul.list(keys.ROOT)[1]]
    assert left == [
        f"{kind}{name}" for kind in (keys.ROUTERS, keys.SEEN) for name in ("laptop", "node-1")
    ]
    assert forget_gone(consul, {"node-1"}) == []
