"""Against a Consul that misbehaves: what was good is served on, and the truth is found again."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.router.apps import App
from tests.router.conftest import World
from tests.router.lying_consul import LIES, NO_KEYS, LyingConsul, raw, truth_with
from tests.router.processes import eventually

NUMBER = 12


class Lied(World):
    """A world whose Consul may lie."""

    lying: LyingConsul


@pytest.fixture
def lied(make_world: Callable[..., World]) -> Iterator[World]:
    lying = LyingConsul().start()
    world = make_world(start=False)
    world.lying = lying  # type: ignore[attr-defined]
    app = world.app("shop")
    for number in range(NUMBER):
        publish(world, f"app{number}", app)
    world.start_router(
        consul_address=lying.address, answer_seconds=1, wait_seconds=2, back_off_seconds=0.3
    )
    world.router.expected_app_errors = True  # nginx notes resets of any connection, Consul's too
    eventually(lambda: world.router.health()["routes"] == NUMBER)
    yield world
    lying.lies.clear()
    lying.stop()


def consul_of(world: World) -> LyingConsul:
    return world.lying  # type: ignore[attr-defined,no-any-return]


def publish(world: World, slug: str, app: App) -> None:
    record = {"slug": slug, "state": "running", "access": {"kind": "public"}}
    consul_of(world).put(f"{world.prefix}hosts/{slug}.localhost", record)
    consul_of(world).put(f"{world.prefix}routes/{slug}.localhost", app.place)


def all_served(world: World) -> bool:
    return all(world.get(f"app{number}").status_code == 200 for number in range(NUMBER))


def rounds(world: World) -> int:
    return len(consul_of(world).asked)


def test_a_lie_costs_no_route_and_the_truth_is_found_again(lied: World) -> None:
    consul = consul_of(lied)
    for number, (name, lie) in enumerate(LIES.items()):
        errors = lied.router.metrics()["watch_errors_total"]
        consul.lies.append(lie)
        consul.wake()
        eventually(lambda n=errors: lied.router.metrics()["watch_errors_total"] > n, 20)
        assert all_served(lied), name
        consul.lies.clear()
        publish(lied, f"new{number}", lied.apps[0])
        eventually(lambda n=number: lied.get(f"new{n}").status_code == 200, 6)
    assert all_served(lied)


def test_after_any_error_the_watch_starts_again_without_an_index(lied: World) -> None:
    consul = consul_of(lied)
    consul.lies.append(LIES["status 500"])
    consul.wake()
    errors = lied.router.metrics()["watch_errors_total"]
    eventually(lambda: lied.router.metrics()["watch_errors_total"] > errors)
    consul.asked.clear()
    eventually(lambda: len(consul.asked) > 2)
    assert {index for _, index, _ in consul.asked} == {0}


def test_an_index_that_goes_backwards_is_followed_and_nothing_is_lost(lied: World) -> None:
    """Consul restarted from a backup: a new route is served at once, not after a whole wait."""
    consul = consul_of(lied)
    with consul.changed:
        consul.index = 3
        consul.changed.notify_all()
    publish(lied, "new", lied.apps[0])
    eventually(lambda: lied.get("new").status_code == 200, 6)
    assert all_served(lied)


def test_a_partial_answer_is_asked_for_again_consistently(lied: World) -> None:
    """Once half the keys are missing, as during an election: no route goes."""
    consul = consul_of(lied)
    told: list[str] = []

    def half_once(handler, prefix):  # type: ignore[no-untyped-def]
        if "consistent" in handler.path or prefix in told:
            return False
        told.append(prefix)
        rows = consul.rows(prefix)
        handler.send(200, json.dumps(rows[: len(rows) // 4]).encode())
        return True

    consul.lies.append(half_once)
    consul.wake()
    eventually(lambda: len(told) == 2)
    eventually(lambda: lied.router.metrics()["suspicious_answers_total"] >= 2)
    assert all_served(lied)
    assert any(consistent for _, _, consistent in consul.asked)


def test_an_empty_answer_is_asked_for_again_consistently(lied: World) -> None:
    consul = consul_of(lied)
    told: list[str] = []

    def empty_once(handler, prefix):  # type: ignore[no-untyped-def]
        if "consistent" in handler.path or prefix in told:
            return False
        told.append(prefix)
        return raw(NO_KEYS)(handler, prefix)

    consul.lies.append(empty_once)
    consul.wake()
    eventually(lambda: len(told) == 2)
    eventually(lambda: lied.router.metrics()["suspicious_answers_total"] >= 2)
    assert all_served(lied)


def test_what_is_really_withdrawn_goes_even_when_it_is_most(lied: World) -> None:
    consul = consul_of(lied)
    with consul.changed:
        for number in range(5, NUMBER):
            del consul.keys[f"{lied.prefix}routes/app{number}.localhost"]
    consul.wake()
    eventually(lambda: lied.router.health()["routes"] == 5)
    assert lied.page("app7").status_code == 503
    assert lied.page("app2").status_code == 200


def test_writes_that_fail_are_tried_again(lied: World) -> None:
    consul = consul_of(lied)
    consul.refuse_writes = True
    publish(lied, "new", lied.apps[0])
    eventually(lambda: lied.router.metrics()["acknowledge_errors_total"] >= 2)
    consul.refuse_writes = False
    key = f"{lied.prefix}routers/tested"
    want = consul.index
    eventually(lambda: json.loads(consul.written.get(key, "{}")).get("index", 0) >= want)


def test_a_router_that_hears_only_lies_from_the_start_says_not_ready(
    make_world: Callable[..., World],
) -> None:
    lying = LyingConsul().start()
    lying.lies.append(truth_with(X_Consul_KnownLeader="false"))
    world = make_world(consul_address=lying.address, wait=False)
    world.router.expected_app_errors = True  # the lying Consul resets connections when it stops
    answer = world.get("shop")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert world.router.health()["ready"] is False
    lying.lies.clear()
    lying.wake()
    eventually(lambda: world.get("shop").status_code == 404)
    lying.stop()


def test_a_route_is_never_served_before_its_record_is_known(lied: World) -> None:
    """The watch on records is stuck; a protected app's route must not be public meanwhile."""
    consul = consul_of(lied)
    hosts = f"{lied.prefix}hosts/"

    def stuck(handler, prefix):  # type: ignore[no-untyped-def]
        return LIES["hang at once"](handler, prefix) if prefix == hosts else False

    consul.lies.append(stuck)
    app = lied.apps[0]
    for number in range(10):
        slug = f"locked{number}"
        record = {"slug": slug, "state": "running", "access": {"kind": "closed"}}
        consul.put(f"{hosts}{slug}.localhost", record)
        consul.put(f"{lied.prefix}routes/{slug}.localhost", app.place)
        answers = {lied.get(slug).status_code for _ in range(20)}
        assert answers <= {403, 404}
        eventually(lambda s=slug: lied.get(s).status_code == 403)


def test_no_index_is_claimed_while_one_shard_is_behind(lied: World) -> None:
    """A withdrawal that its shard has not heard of yet must not be covered by a later change."""
    consul = consul_of(lied)
    app = lied.apps[0]
    for number in range(8):
        publish(lied, f"b{number}", app)
    lied.router.stop()
    lied.router.settings["shard_size"] = 5
    lied.router.start()
    eventually(lambda: lied.router.metrics()["routes_shards"] >= 10)
    key = f"{lied.prefix}routers/tested"

    def claimed() -> int:
        found: int = json.loads(consul.written.get(key, "{}")).get("index", 0)
        return found

    consul.wake()
    eventually(lambda: claimed() >= consul.index - 1, 15)
    deaf = f"{lied.prefix}routes/a"

    def hears_nothing(handler, prefix):  # type: ignore[no-untyped-def]
        return LIES["hang at once"](handler, prefix) if prefix.startswith(deaf) else False

    consul.lies.append(hears_nothing)
    consul.delete(f"{lied.prefix}routes/app3.localhost")
    withdrawn = consul.index
    publish(lied, "b9", app)
    eventually(lambda: lied.get("b9").status_code == 200)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert claimed() < withdrawn
        time.sleep(0.05)
    consul.lies.clear()
    eventually(lambda: claimed() >= withdrawn, 15)
    assert lied.page("app3").status_code == 503
