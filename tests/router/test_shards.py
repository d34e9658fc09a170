"""Many routes: the watch is split by prefix, and nothing else changes."""

import random
import string
from collections.abc import Callable

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
    eventually(lambda: world.router.metrics()["routes_shards"] > 30)
    return world


def test_a_split_watch_serves_every_route(many: World) -> None:
    for name in NAMES:
        assert many.get(name).status_code == 200, name
    assert many.router.metrics()["routes"] == len(NAMES)


def test_changes_in_any_shard_arrive(many: World) -> None:
    new = many.app("new")
    for name in random.sample(NAMES, 20):
        many.route(name, new.place)
        eventually(lambda n=name: many.get(n).json()["app"] == "new", 3)
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
    eventually(lambda: many.router.metrics()["routes_shards"] > 30)
