"""Many routes: the watch is split by prefix, and nothing else changes."""

import random
import string
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.router.conftest import World
from tests.router.processes import eventually

NAMES = [f"{a}{b}-app" for a in string.ascii_lowercase for b in "abcdefghij"]
RECORD = '{"state":"running","access":{"kind":"public"}}'


@pytest.fixture
def many(make_world: Callable[..., World]) -> World:
    """260 routes and a router that splits its watch beyond 50 in a shard."""
    world = make_world(start=False)
    app = world.app("shop")
    pairs = {f"{world.prefix}hosts/{name}.localhost": RECORD for name in NAMES}
    pairs |= {f"{world.prefix}routes/{name}.localhost": app.place for name in NAMES}
    world.consul.put_all(pairs)
    world.start_router(shard_size=50, shard_limit=80)
    eventually(lambda: world.router.health()["routes"] == len(NAMES))
    eventually(lambda: world.router.metrics()["routes_shards"] >= 26)
    return world


def test_a_split_watch_serves_every_route(many: World) -> None:
    for name in NAMES:
        assert many.get(name).status_code == 200, name
    assert many.router.metrics()["routes"] == len(NAMES)


def test_changes_in_any_shard_arrive(many: World) -> None:
    new = many.app("new")
    for name in random.sample(NAMES, 20):
        many.route(name, new.place)
        eventually(lambda n=name: many.get(n).json().get("app") == "new", 3)
        many.withdraw(name)
        eventually(lambda n=name: many.page(n).status_code == 503, 3)
    for slug in ("0zero-app", "zz-app", "a-app", "9"):
        many.record(slug)
        many.route(slug, new.place)
        eventually(lambda s=slug: many.get(s).status_code == 200, 5)


def test_an_index_is_claimed_only_when_every_shard_has_caught_up(many: World) -> None:
    """The handshake with many shards: after the claim no withdrawn route is used, in any shard."""
    app = many.apps[0]
    for _ in range(8):
        names = random.sample(NAMES, 5)
        for name in names:
            many.withdraw(name)
        many.until_acknowledged()
        before = len(app.requests)
        for name in names:
            assert many.page(name).status_code == 503
        assert len(app.requests) == before
        for name in names:
            many.route(name, app.place)


def test_a_reload_and_a_killed_worker_keep_the_split_table(many: World) -> None:
    many.router.reload(hold_seconds=9)
    many.withdraw(NAMES[0])
    many.withdraw(NAMES[-1])
    eventually(lambda: many.page(NAMES[0]).status_code == 503)
    eventually(lambda: many.page(NAMES[-1]).status_code == 503)
    for name in NAMES[1:-1]:
        assert many.get(name).status_code == 200
    eventually(lambda: many.router.metrics()["routes_shards"] >= 26)


@pytest.fixture
def alike(make_world: Callable[..., World]) -> World:
    """120 routes whose hosts all begin alike, with 11 allowed in a shard."""
    world = make_world(start=False)
    app = world.app("shop")
    pairs = {}
    for number in range(120):
        pairs[f"{world.prefix}hosts/feature-{number:03d}.localhost"] = RECORD
        pairs[f"{world.prefix}routes/feature-{number:03d}.localhost"] = app.place
    world.consul.put_all(pairs)
    world.start_router(shard_size=11, shard_limit=30)
    eventually(lambda: world.router.health()["routes"] == 120)
    eventually(lambda: world.router.metrics()["routes_shards"] >= 11)
    return world


def test_hosts_that_begin_alike_are_split_where_they_differ(alike: World) -> None:
    new = alike.app("new")
    for number in random.sample(range(120), 15):
        slug = f"feature-{number:03d}"
        alike.route(slug, new.place)
        eventually(lambda s=slug: alike.get(s).json().get("app") == "new")
        alike.withdraw(slug)
        alike.until_acknowledged()
        assert alike.page(slug).status_code == 503


def test_a_host_that_begins_like_no_other_is_found_and_can_go_again(alike: World) -> None:
    """No shard covers these; the last of a shard that goes is acknowledged as any other."""
    new = alike.app("new")
    before = alike.router.metrics()["routes_shards"]
    slugs = ("chore-1", "f", "fe", "feature-x", "featurf", "9", "z-1", "z-2")
    for slug in slugs:
        alike.record(slug)
        alike.route(slug, new.place)
        eventually(lambda s=slug: alike.get(s).status_code == 200)
    assert before < alike.router.metrics()["routes_shards"] <= before + len(slugs)
    for slug in slugs:
        alike.withdraw(slug)
        alike.until_acknowledged()
        assert alike.page(slug).status_code == 503
    assert alike.router.metrics()["routes"] == 120


def test_keys_that_are_no_hosts_disturb_no_watch(alike: World) -> None:
    for name in (
        "",
        ".",
        "..x",
        "-x",
        "Feature-1",
        "feature-000 x",
        'feature-"x"',
        "\u00e9",
        "a/b",
    ):
        alike.consul.put(f"{alike.prefix}routes/{quote(name)}", alike.apps[0].place)
    alike.router.reload(shard_size=10)
    eventually(lambda: alike.router.metrics()["routes_shards"] >= 11)
    new = alike.app("new")
    for slug in ("feature-000", "9", "a"):
        alike.record(slug)
        alike.route(slug, new.place)
        eventually(lambda s=slug: alike.get(s).json().get("app") == "new")
    alike.until_acknowledged()
    metrics = alike.router.metrics()
    assert metrics["watch_errors_total"] == 0, alike.router.health()["last_error"]


def test_when_no_more_watches_are_allowed_shards_become_one_and_nothing_is_lost(
    alike: World,
) -> None:
    alike.router.reload(shard_limit=14)
    eventually(lambda: 2 <= alike.router.metrics()["routes_shards"] <= 14)
    new = alike.app("new")
    slugs = [f"{letter}-1" for letter in string.ascii_lowercase]
    for slug in slugs:
        alike.record(slug)
        alike.route(slug, new.place)
    for slug in slugs:
        eventually(lambda s=slug: alike.get(s).status_code == 200)
    eventually(lambda: alike.router.metrics()["routes"] == 120 + len(slugs))
    assert alike.router.metrics()["routes_shards"] <= 14
    for number in range(120):
        assert alike.get(f"feature-{number:03d}").json()["app"] == "shop"
    for slug in slugs:
        alike.withdraw(slug)
    alike.until_acknowledged()
    for slug in slugs:
        assert alike.page(slug).status_code == 503


def test_a_router_without_routes_does_not_write_at_every_look(world: World) -> None:
    """Its own acknowledgement moves Consul's index of the empty folder; that is no change."""
    world.run("shop")
    world.consul.delete(f"{world.prefix}routes/", recurse=True)
    world.until_acknowledged()

    def written() -> int:
        found = world.consul.http.get(f"/v1/kv/{world.prefix}routers/tested").json()
        return int(found[0]["ModifyIndex"])

    writes = set()
    for number in range(60):
        world.consul.put(f"{world.prefix}elsewhere/{number}", "x")
        writes.add(written())
        time.sleep(0.02)
    assert len(writes) <= 5
