"""Isolation: one canonical host, no header or cookie of others, no address outside the nodes."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.router.apps import App
from tests.router.conftest import World
from tests.router.raw import ask, get

# ruff: noqa: E501, RUF001
BAD_PLACES = [
    "127.0.0.1:20001", "127.0.0.9:20001", "169.254.169.254:20001", "0.0.0.0:20001", "10.0.0.1:20001",
    "127.0.10.1:20001", "127.0.8.255:20001", "127.0.9.1:80", "127.0.9.1:8500", "127.0.9.1:4646",
    "127.0.9.1:19999", "127.0.9.1:32001", "127.0.9.1:65536", "127.0.9.1:0", "127.0.9.1:-1",
    "127.0.9.1:020001", "127.0.9.1:2e4", "127.0.9.1:0x4e21", "127.0.9.1", "127.0.9.1:", ":20001",
    "127.0.9.01:20001", "0177.0.9.1:20001", "0x7f.0.9.1:20001", "2130708737:20001", "127.2305:20001",
    "127.0.9.1:20001:20001", "127.0.9.256:20001", "1270.0.9.1:20001", "127.0.9.1.1:20001",
    "[::1]:20001", "::1:20001", "[::ffff:127.0.9.1]:20001", "::ffff:127.0.9.1:20001",
    "localhost:20001", "metadata.google.internal:20001", "unix:/run/docker.sock", "unix:gate.sock",
    "http://127.0.9.1:20001", "127.0.9.1:20001/path", "127.0.9.1:20001#", "a@127.0.9.1:20001",
    "127.0.9.1:20001 127.0.0.1:20001", "127.0.9.1:20001 unix:/x", "127.0.9.1:20001  127.0.9.1:20002",
    "127.0.9.1:20001,127.0.0.1:20001", " 127.0.9.1:20001", "127.0.9.1:20001 ", "127.0.9.1:20001\n",
    "127.0.9.1:20001\r\nHost: x", "127.0.9.1\x00:20001", "\x00", "127.0.9.1:20001\x00", "-", "{}",
    '{"ip":"127.0.9.1"}', "127.0.9.1:20001;", "$host:20001", "${host}", "१२७.0.9.1:20001", "９:20001",
    "x" * 5000, "127.0.9.1:20001 " * 200,
]  # fmt: skip


@pytest.fixture
def canaries() -> Iterator[list[tuple[str, int]]]:
    """Listeners on addresses no route may reach; they note every connection."""
    hits: list[tuple[str, int]] = []
    listeners = []
    for address, port in [("127.0.0.1", 20001), ("127.0.0.9", 20001), ("127.0.10.1", 20001)]:
        listener = socket.create_server((address, port))
        listener.settimeout(0.1)
        listeners.append(listener)
    over = threading.Event()

    def watch(listener: socket.socket) -> None:
        while not over.is_set():
            try:
                listener.accept()[0].close()
                hits.append(listener.getsockname())
            except TimeoutError:
                continue

    threads = [threading.Thread(target=watch, args=(listener,)) for listener in listeners]
    for thread in threads:
        thread.start()
    yield hits
    over.set()
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()


def test_a_route_value_outside_the_nodes_is_refused_and_never_dialled(
    world: World, canaries: list[tuple[str, int]]
) -> None:
    world.run("good")
    for number, value in enumerate(BAD_PLACES):
        world.record(f"bad{number}")
        world.consul.http.put(
            f"/v1/kv/{world.prefix}routes/bad{number}.localhost", content=value.encode()
        ).raise_for_status()
    world.until_acknowledged()
    for number, value in enumerate(BAD_PLACES):
        assert world.page(f"bad{number}").status_code == 503, repr(value)
    assert world.router.metrics()["refused_routes_total"] >= len(BAD_PLACES)
    assert canaries == []
    assert world.get("good").status_code == 200


def test_a_good_route_that_turns_bad_is_no_longer_served(world: World) -> None:
    app = world.run("shop")
    world.route("shop", "127.0.0.1:8500")
    world.until_acknowledged()
    before = len(app.requests)
    assert world.page("shop").status_code == 503
    assert len(app.requests) == before


def test_an_absolute_target_that_differs_from_host_is_refused(world: World) -> None:
    first, second = world.run("first"), world.run("second")
    counts = len(first.requests), len(second.requests)
    for target, host in [
        ("http://first.localhost/", "second.localhost"),
        ("http://first.localhost/", "first.localhost.evil.localhost"),
        ("http://first.localhost/", "first.localhostx"),
        ("http://first.localhost:1/", "firstxlocalhost"),
        ("http://first.localhost/", "first.localhost@second.localhost"),
    ]:
        assert get(world.router.port, host, target=target).status == 400, (target, host)
    assert (len(first.requests), len(second.requests)) == counts
    same = get(world.router.port, "FIRST.localhost:1", target="http://first.localhost/x")
    assert same.status == 200
    assert b'"app": "first"' in same.body


def test_hosts_that_are_no_names_are_refused(world: World) -> None:
    world.run("shop")
    bad = [
        "", "_", "shop_.localhost", "shop..localhost", "-shop.localhost", "127.0.0.1", "[::1]",
        "shop.localhost..", "sh\xf6p.localhost", "a" * 64 + ".localhost", "x." * 140 + "localhost",
        "shop.localhost,other.localhost", "shop.localhost;", "*.localhost", "shop%2elocalhost",
    ]  # fmt: skip
    for host in bad:
        assert get(world.router.port, host).status in (400, 404, 421), host
    assert ask(world.router.port, b"GET / HTTP/1.0\r\n\r\n").status == 400
    twice = b"GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: other.localhost\r\n\r\n"
    assert ask(world.router.port, twice).status == 400


PLATFORM_HEADERS = [
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP",
    "X-Forwarded-Server", "X-Forwarded-User", "X-Forwarded-Email", "Forwarded", "X-Original-URL",
    "X-Rewrite-URL", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups",
    "X-Middleware-Subrequest", "X-Reviewapps-Broken", "X-Reviewapps-Asked", "Proxy",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_platform_and_forwarding_headers_of_a_client_are_replaced(
    world: World, method: str
) -> None:
    """In both lanes: a GET goes straight to the app, a POST through the gate."""
    world.run("shop")
    sent = dict.fromkeys(PLATFORM_HEADERS, "forged")
    answer = world.request(method, "shop", headers=sent)
    got = answer.json()["headers"]
    assert "forged" not in got.values()
    assert got["X-Forwarded-For"] == "127.0.0.1"
    assert got["X-Forwarded-Proto"] == "http"
    assert got["Host"] == "shop.localhost"
    assert not [name for name in got if name.lower().startswith("x-reviewapps")]


def test_the_public_port_stands_in_the_host_that_the_app_sees(world: World) -> None:
    world.run("shop")
    world.router.reload(public_port=8080)
    assert world.get("shop").json()["headers"]["Host"] == "shop.localhost:8080"
    assert world.post("shop").json()["headers"]["Host"] == "shop.localhost:8080"


def cookies_of(world: World, app: App, method: str) -> list[str]:
    answer = world.request(method, app.name)
    return [value for name, value in answer.headers.multi_items() if name == "set-cookie"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_app_sets_a_cookie_for_its_siblings(world: World, method: str) -> None:
    app = world.run("shop")
    app.headers["Set-Cookie"] = "\n".join(
        [
            "a=1; Domain=.localhost; Path=/",
            "b=2; domain = localhost",
            "c=3; DOMAIN\t=.localhost; Secure",
            "d=4;\tDomain=localhost;HttpOnly",
            "e=5; Path=/; Domain",
            "f=Domain=x; Path=/",
            "reviewapps=stolen",
            "__Host-reviewapps=stolen; Path=/",
        ]
    )
    assert cookies_of(world, app, method) == [
        "a=1; Path=/",
        "b=2",
        "c=3; Secure",
        "d=4;HttpOnly",
        "e=5; Path=/",
        "f=Domain=x; Path=/",
    ]
    app.headers["Set-Cookie"] = "only=1; Domain=localhost"
    assert cookies_of(world, app, method) == ["only=1"]
    app.headers["Set-Cookie"] = "reviewapps=1"
    assert cookies_of(world, app, method) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_platforms_cookies_never_reach_an_app(world: World, method: str) -> None:
    world.run("shop")
    for sent, got in [
        ("reviewapps=secret; theme=dark", "theme=dark"),
        ("a=1; __Host-reviewapps=secret; b=2; _oauth2_proxy_0=x; _oauth2_proxy_1=y", "a=1; b=2"),
        ("a=1;reviewapps=secret", "a=1"),
        ("a=1; b=reviewapps=x", "a=1; b=reviewapps=x"),
        ("reviewapps=secret", None),
        ("theme=dark; x=y", "theme=dark; x=y"),
    ]:
        headers = world.request(method, "shop", headers={"Cookie": sent}).json()["headers"]
        assert headers.get("Cookie") == got, sent


def test_an_app_that_proves_its_identity_is_never_mistaken(world: World) -> None:
    """Another app on the same ip:port, as after a lost node: its answers reach nobody."""
    app = world.run("shop", identity="shop")
    assert world.get("shop").status_code == 502
    app.headers["X-Reviewapps-App"] = "shop"
    assert world.get("shop").status_code == 200
    app.headers["X-Reviewapps-App"] = "other"
    app.headers["Set-Cookie"] = "session=other"
    answer = world.post("shop")
    assert answer.status_code == 502
    assert "set-cookie" not in answer.headers
    assert "digest" not in answer.text
    assert world.router.metrics()["identity_refused_total"] == 2


def test_an_app_cannot_steer_the_router(world: World) -> None:
    app = world.run("shop")
    app.headers |= {"X-Accel-Redirect": "/.reviewapps/internal/sign-in", "X-Robots-Tag": "all"}
    for method in ("GET", "POST"):
        answer = world.request(method, "shop")
        assert answer.status_code == 200
        assert answer.json()["app"] == "shop"
        assert answer.headers.get_list("X-Robots-Tag") == ["noindex, nofollow, noarchive"]
        assert "X-Accel-Redirect" not in answer.headers
