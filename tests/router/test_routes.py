"""Routes: from Consul into requests, and out again."""

import time
from collections.abc import Callable

import pytest

from tests.router.conftest import World
from tests.router.processes import eventually
from tests.router.raw import get


def test_a_route_is_served_as_soon_as_it_is_written(world: World) -> None:
    world.run("shop")
    answer = world.get("shop", "/cart?x=1")
    assert answer.status_code == 200
    assert answer.json()["app"] == "shop"
    assert answer.json()["path"] == "/cart?x=1"


@pytest.mark.parametrize(
    ("headers", "method", "lane"),
    [
        ([], "GET", "app"),
        (["Cookie: theme=dark; session=reviewapp"], "GET", "app"),
        (["Accept: text/html, text/event-stream"], "GET", "app"),
        (["Cookie: theme=dark; __Host-reviewapps=secret"], "GET", "gate"),
        (["Accept: text/event-stream"], "GET", "gate"),
        (["X-Reviewapps-Bypass: token"], "GET", "gate"),
        ([], "OPTIONS", "gate"),
        (["Content-Length: 0"], "POST", "gate"),
    ],
)
def test_only_a_plain_get_goes_straight_to_the_app(
    world: World, headers: list[str], method: str, lane: str
) -> None:
    app = world.run("shop")
    assert get(world.router.port, "shop.localhost", *headers, method=method).status == 200
    eventually(world.router.access_log)
    [line] = world.router.access_log()
    straight = line["upstream"] == app.place
    assert straight == (lane == "app"), line["upstream"]


def test_apps_spread_over_several_pools_are_each_served_by_their_own(
    make_world: Callable[..., World],
) -> None:
    world = make_world(keepalive_pools=3)
    slugs = [f"pool-{letter}" for letter in "abcdefgh"]
    for slug in slugs:
        world.run(slug)
    for _ in range(3):
        assert [world.get(slug).json()["app"] for slug in slugs] == slugs
        assert [world.post(slug).json()["app"] for slug in slugs] == slugs


def test_a_route_that_moves_is_followed_and_acknowledged(world: World) -> None:
    world.run("shop")
    second = world.app("shop-second")
    world.route("shop", second.place)
    world.until_acknowledged()
    assert {world.get("shop").json()["app"] for _ in range(20)} == {"shop-second"}


def test_after_the_acknowledgement_no_worker_uses_a_withdrawn_route(world: World) -> None:
    """The removal handshake: 30 times withdrawn, and never one request more on the old place."""
    app = world.run("shop")
    for _ in range(30):
        world.route("shop", app.place)
        world.until_acknowledged()
        assert world.get("shop").status_code == 200
        world.withdraw("shop")
        world.until_acknowledged()
        before = len(app.requests)
        for _ in range(4):
            assert world.page("shop").status_code == 503
        assert len(app.requests) == before


def test_a_reused_address_never_answers_under_the_old_host(world: World) -> None:
    """Stop A after the handshake, start B on the same ip:port: A's requests never reach B."""
    for _ in range(20):
        old = world.run("old-app")
        world.withdraw("old-app")
        world.until_acknowledged()
        old.stop()
        new = world.app("new-app", port=old.port)
        world.record("new-app")
        world.route("new-app", new.place)
        world.until_acknowledged()
        assert world.page("old-app").status_code == 503
        assert world.get("new-app").json()["app"] == "new-app"
        new.stop()
        world.withdraw("new-app")


def test_several_places_are_used_in_turn(world: World) -> None:
    first, second = world.app("one"), world.app("two")
    world.record("shop")
    world.route("shop", f"{first.place} {second.place}")
    world.until_acknowledged()
    names = [world.get("shop").json()["app"] for _ in range(20)]
    assert 5 <= names.count("one") <= 15


def test_hosts_below_an_app_are_its_own_only_when_its_record_says_so(world: World) -> None:
    world.run("shop", subdomains=True)
    world.run("blog")
    assert world.get("tenant.shop").json()["headers"]["Host"] == "tenant.shop.localhost"
    assert world.get("a.b.shop").json()["app"] == "shop"
    assert world.get("tenant.blog").status_code == 404
    world.withdraw("shop")
    world.until_acknowledged()
    assert world.page("tenant.shop").status_code == 503


def test_a_route_without_a_record_is_public_unless_the_operator_says_no(world: World) -> None:
    app = world.app("bare")
    world.route("bare", app.place)
    world.until_acknowledged()
    assert world.get("bare").json()["app"] == "bare"
    world.router.reload(unrecorded_are_public=False)
    eventually(lambda: world.get("bare").status_code == 403)


def test_a_record_that_is_no_json_closes_the_app(world: World) -> None:
    world.run("shop")
    world.consul.put(f"{world.prefix}hosts/shop.localhost", "{oops")
    eventually(lambda: world.get("shop").status_code == 403)


def test_the_acknowledgement_is_renewed_and_tells_the_number_of_routes(world: World) -> None:
    world.run("shop")
    key = f"{world.prefix}routers/tested"
    first = world.consul.get(key)
    assert first is not None
    assert '"routes":1' in first
    eventually(lambda: world.consul.get(key) != first, 15, 0.5)


def test_a_host_is_matched_whatever_its_case_port_or_final_dot(world: World) -> None:
    world.run("shop")
    for host in ("SHOP.localhost", "shop.localhost.", "shop.localhost:80", "Shop.LOCALHOST.:8080"):
        answer = world.get("shop", headers={"Host": host})
        assert answer.status_code == 200, host
        assert answer.json()["headers"]["Host"] == "shop.localhost"


def test_ten_thousand_names_below_an_app_do_not_grow_the_workers_without_end(world: World) -> None:
    world.run("shop", subdomains=True)
    started = time.monotonic()
    for number in range(300):
        assert world.get(f"t{number}.shop").status_code == 200
    assert time.monotonic() - started < 60
