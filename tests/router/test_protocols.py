"""Protocols: keep-alive, HTTP/2 and SNI at the edge, websockets, event streams, uploads, gzip."""

import hashlib
import http.client
import json
import os
import subprocess
import threading
import time

import pytest

from reviewapps.access import grant, with_sign_in
from tests.router.apps import Handler
from tests.router.conftest import World
from tests.router.processes import ADDRESS, eventually, free_port
from tests.router.raw import WebSocket, connect, connect_tls, parse, read_all


@pytest.fixture
def tls_port(world: World, certificate: tuple[str, str]) -> int:
    port = free_port()
    world.router.reload(
        listen_tls=(f"{ADDRESS}:{port}",), tls_certificate=certificate[0], tls_key=certificate[1]
    )
    eventually(lambda: can_connect(port))
    return port


def can_connect(port: int) -> bool:
    try:
        connect(port).close()
    except OSError:
        return False
    return True


def test_one_connection_serves_many_requests_to_many_apps(world: World) -> None:
    for slug in ("one", "two"):
        world.run(slug)
    connection = http.client.HTTPConnection(ADDRESS, world.router.port)
    for number in range(50):
        slug = ("one", "two")[number % 2]
        connection.request(
            "POST" if number % 3 else "GET", "/", b"x", {"Host": f"{slug}.localhost"}
        )
        answer = connection.getresponse()
        assert json.loads(answer.read())["app"] == slug
    connection.close()


def test_connections_to_an_app_are_kept(world: World) -> None:
    app = world.run("shop")
    assert app.server
    accepted: list[int] = []
    plain = app.server.get_request
    app.server.get_request = lambda: (accepted.append(1), plain())[1]  # type: ignore[method-assign,func-returns-value]
    for _ in range(40):
        assert world.get("shop").status_code == 200
    assert len(accepted) <= 4  # one or two for each worker


def curl(port: int, host: str, *options: str) -> str:
    return subprocess.run(
        ["curl", "-sk", "--resolve", f"{host}:{port}:{ADDRESS}",
         "-w", "\n%{http_code} %{http_version}",
         *options, f"https://{host}:{port}/"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_http2_reaches_running_and_sleeping_apps(world: World, tls_port: int) -> None:
    world.run("shop")
    world.record("asleep", "asleep")
    plain = curl(tls_port, "shop.localhost", "--http2")
    assert plain.endswith("200 2")
    seen = json.loads(plain.rpartition("\n")[0])["headers"]
    assert seen["X-Forwarded-Proto"] == "https"
    assert seen["Host"] == "shop.localhost"
    assert curl(tls_port, "shop.localhost", "--http2", "-d", "x=1").endswith("200 2")
    assert curl(tls_port, "asleep.localhost", "--http2", "-H", "Accept: text/html").endswith(
        "503 2"
    )
    assert curl(tls_port, "nobody.localhost", "--http2").endswith("404 2")


def test_sni_that_differs_from_host_is_refused(world: World, tls_port: int) -> None:
    first, second = world.run("first"), world.run("second")
    for name, host, status in [
        ("first.localhost", "first.localhost", 200),
        ("first.localhost", "second.localhost", 421),
        ("second.localhost", "first.localhost", 421),
        ("localhost", "first.localhost", 421),
        (None, "first.localhost", 200),
    ]:
        before = len(first.requests) + len(second.requests)
        for method in ("GET", "POST"):
            with connect_tls(tls_port, name) as sock:
                sock.settimeout(5)
                sock.sendall(f"{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
                             "Content-Length: 0\r\n\r\n".encode())  # fmt: skip
                assert parse(read_all(sock)).status == status, (name, host)
        if status == 421:
            assert len(first.requests) + len(second.requests) == before


def test_the_platforms_cookie_is_bound_to_its_host_on_https(world: World, tls_port: int) -> None:
    token = "t" * 32
    access = grant(with_sign_in(), "share", token)
    world.run("shop", access=access.to_json())
    head = curl(tls_port, "shop.localhost", "-i", "--path-as-is", "--request-target",
                f"/.reviewapps/share/{token}")  # fmt: skip
    assert "__Host-reviewapps=" in head
    assert "; Secure" in head
    assert "domain" not in head.lower()


def test_websockets_stay_open_and_are_counted(world: World) -> None:
    app = world.run("shop")
    sockets = [WebSocket(world.router.port, "shop.localhost") for _ in range(10)]
    for number, socket in enumerate(sockets):
        assert socket.answer.status == 101
        assert socket.echo(f"hello {number}") == f"hello {number}"
    eventually(lambda: world.router.metrics()["websockets"] == 10, 15)
    for socket in sockets:
        socket.close()
    eventually(lambda: app.sockets == 0)
    eventually(lambda: world.router.metrics()["websockets"] == 0, 15)


def event_stream(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for number in range(3):
        event = f"data: {number}\n\n".encode()
        handler.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        handler.wfile.flush()
        time.sleep(0.4)
    handler.wfile.write(b"0\r\n\r\n")


def test_server_sent_events_arrive_one_by_one(world: World) -> None:
    app = world.run("shop")
    app.paths["/events"] = event_stream
    arrived: list[float] = []
    headers = {"Host": "shop.localhost", "Accept": "text/event-stream"}
    url = f"http://{ADDRESS}:{world.router.port}/events"
    with world.http.stream("GET", url, headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        for line in answer.iter_lines():
            if line:
                arrived.append(time.monotonic())
    assert len(arrived) == 3
    assert arrived[1] - arrived[0] > 0.2
    assert arrived[2] - arrived[1] > 0.2


@pytest.mark.parametrize("state", ["running", "asleep"])
def test_a_big_upload_arrives_whole(world: World, state: str) -> None:
    data = os.urandom(20_000_000)
    app = world.app("shop")
    world.record("shop", state)
    if state == "running":
        world.route("shop", app.place)
        world.until_acknowledged()
    else:
        eventually(lambda: world.page("shop").status_code == 503)
        threading.Timer(1, lambda: (world.record("shop"), world.route("shop", app.place))).start()
    answer = world.post("shop", content=data).json()
    assert answer["length"] == len(data)
    assert answer["digest"] == hashlib.sha256(data).hexdigest()


def test_a_slow_chunked_upload_arrives_whole(world: World) -> None:
    world.run("shop")

    def chunks():  # type: ignore[no-untyped-def]
        for number in range(20):
            yield bytes([number]) * 1000
            time.sleep(0.05)

    answer = world.post("shop", content=chunks()).json()
    assert answer["length"] == 20_000


def test_a_body_over_the_limit_is_refused(world: World) -> None:
    app = world.run("shop")
    world.router.expected_app_errors = True
    world.router.reload(max_body_megabytes=1)
    time.sleep(0.8)
    with connect(world.router.port) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 2000000\r\n\r\n")
        assert parse(sock.recv(4096)).status == 413
    assert app.requests == []


def test_text_is_compressed_and_event_streams_are_not(world: World) -> None:
    app = world.run("shop")
    app.paths["/big"] = lambda h: h.send(200, b"a" * 5000, {"Content-Type": "application/json"})
    app.paths["/events"] = lambda h: h.send(200, b"a" * 5000, {"Content-Type": "text/event-stream"})
    for method in ("GET", "POST"):
        zipped = world.request(method, "shop", "/big", headers={"Accept-Encoding": "gzip"})
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert zipped.content == b"a" * 5000
        plain = world.request(method, "shop", "/events", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers


def test_an_answer_of_the_app_passes_untouched(world: World) -> None:
    app = world.run("shop")
    app.paths["/gone"] = lambda h: h.send(502, b"mine", {"X-Mine": "1", "Cache-Control": "public"})
    for method in ("GET", "POST"):
        answer = world.request(method, "shop", "/gone")
        assert (answer.status_code, answer.text) == (502, "mine")
        assert answer.headers["X-Mine"] == "1"
        assert answer.headers["Cache-Control"] == "public"


def test_odd_paths_reach_the_app_as_they_were_sent(world: World) -> None:
    app = world.run("shop")
    for path in (
        "/a%2Fb",
        "/a//b",
        "/%E2%82%AC?q=%00",
        "/a;b=c?d=e&f",
        "/.well-known/x",
        "/?a=/../b",
    ):
        for method in ("GET", "POST"):
            with connect(world.router.port) as sock:
                sock.settimeout(5)
                sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: shop.localhost\r\n"
                             "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())  # fmt: skip
                assert parse(read_all(sock)).status == 200
            assert app.requests[-1][1] == path


def test_behind_a_balancer_only_the_balancer_tells_the_client(world: World) -> None:
    world.run("shop")
    sent = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    assert world.get("shop", headers=sent).json()["headers"]["X-Forwarded-For"] == "127.0.0.1"
    world.router.reload(trusted_proxies=("127.0.0.1/32",))

    def seen(method: str) -> dict[str, str]:
        found: dict[str, str] = world.request(method, "shop", headers=sent).json()["headers"]
        return found

    eventually(lambda: seen("GET")["X-Forwarded-For"] == "203.0.113.7")
    time.sleep(0.6)
    for method in ("GET", "POST"):
        assert seen(method)["X-Forwarded-For"] == "203.0.113.7"
        assert seen(method)["X-Forwarded-Proto"] == "https"


def test_the_log_is_json_with_the_apps_name(world: World) -> None:
    world.run("shop", subdomains=True)
    world.get("shop", '/a"b?c=d', headers={"User-Agent": 'quo"te\\'})
    world.get("tenant.shop")
    world.get("nobody")
    eventually(lambda: len(world.router.access_log()) == 3)
    first, second, third = world.router.access_log()
    assert (first["app"], second["app"], third["app"]) == ("shop", "shop", "nobody")
    assert (first["status"], third["status"]) == (200, 404)
    assert first["agent"] == 'quo"te\\'
    assert third["state"] == "unknown"
    assert first["upstream"].startswith("127.0.9.1:")


def test_metrics_tell_what_happens(world: World) -> None:
    world.run("shop")
    world.record("paused", "paused")
    eventually(lambda: world.page("paused").status_code == 503)
    world.get("nobody")
    found = world.router.metrics()
    assert found["routes"] == 1
    assert found["hosts"] == 2
    assert found["sync_age_seconds"] < 10
    assert found["applies_total"] >= 3
    assert found['pages_total{cause="paused"}'] >= 1
    assert found['pages_total{cause="unknown"}'] >= 1
    assert found["routes_free_bytes"] > 1_000_000
    # The public listener tells none of it.
    assert world.get("nobody", "/metrics").status_code == 404
