"""Faults of Consul, of nginx's own processes and of apps: what was good is served on."""

import collections
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.router.apps import App, reset, slow
from tests.router.conftest import World
from tests.router.processes import Consul, eventually
from tests.router.raw import WebSocket, connect, read_all


@pytest.fixture
def alone(tmp_path: Path, make_world: Callable[..., World]):  # type: ignore[no-untyped-def]
    """A world with a Consul of its own, that may be stopped, frozen or emptied."""
    server = Consul(tmp_path / "own-consul")
    server.start()
    world = make_world(server, answer_seconds=1, wait_seconds=2, back_off_seconds=0.3)
    world.router.expected_app_errors = True  # nginx notes Consul's refused connections too
    yield world
    if server.process:
        server.signal(signal.SIGCONT)
    else:
        server.start()
    world.close()
    server.stop()


def steady(world: World, slug: str, seconds: float) -> None:
    """Ask all the time; every answer must be the app's."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = world.get(slug)
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() < 5


def test_consul_down_for_a_while_costs_nothing(alone: World) -> None:
    alone.run("shop")
    alone.consul.stop()
    steady(alone, "shop", 3)
    assert alone.page("nobody").status_code == 404
    age = alone.router.metrics()["sync_age_seconds"]
    assert age >= 2
    assert int(alone.page("nobody").headers["X-Reviewapps-State-Age"]) >= 2
    alone.consul.start()
    alone.run("new")
    steady(alone, "shop", 0.5)


def test_consul_frozen_delays_nobody(alone: World) -> None:
    alone.run("shop")
    alone.consul.signal(signal.SIGSTOP)
    steady(alone, "shop", 4)
    alone.consul.signal(signal.SIGCONT)
    eventually(alone.consul.has_leader, 30)
    alone.run("new")


def test_consul_restarted_empty_keeps_what_runs_until_an_address_is_claimed(alone: World) -> None:
    shop, blog = alone.run("shop"), alone.run("blog")
    for number in range(20):  # so that the old index is beyond all that the new Consul has
        alone.record("shop", note=number)
    alone.until_acknowledged()
    alone.consul.lose_everything()
    alone.consul.start()
    steady(alone, "shop", 2)
    steady(alone, "blog", 0.3)
    assert alone.router.metrics()["routes_kept"] == 2
    # Somebody else is given blog's old address: blog yields at once, shop stays.
    blog.stop()
    new = alone.app("new", port=blog.port)
    alone.record("new")
    alone.route("new", new.place)
    eventually(lambda: alone.get("new").status_code == 200)
    assert alone.page("blog").status_code in (404, 503)
    assert alone.get("shop").json()["app"] == "shop"
    # The controller writes what runs again.
    alone.record("shop")
    alone.route("shop", shop.place)
    eventually(lambda: alone.router.metrics()["routes_kept"] == 0)
    steady(alone, "shop", 0.3)


def test_what_consul_lost_is_kept_for_a_while_only(alone: World) -> None:
    alone.router.reload(keep_seconds=3)
    alone.run("shop")
    for number in range(20):
        alone.record("shop", note=number)
    alone.until_acknowledged()
    alone.consul.lose_everything()
    alone.consul.start()
    steady(alone, "shop", 1)
    eventually(lambda: alone.page("shop").status_code in (404, 503), 20)


def test_a_router_started_while_consul_is_down_serves_its_snapshot(alone: World) -> None:
    alone.run("shop")
    alone.record("asleep", "asleep")
    snapshot = alone.router.folder / "snapshot.jsonl"
    eventually(lambda: snapshot.exists() and "asleep" in snapshot.read_text())
    alone.consul.stop()
    alone.router.stop()
    alone.router.start()
    steady(alone, "shop", 1)
    assert alone.page("asleep").status_code == 503
    assert alone.page("nobody").status_code == 404
    assert alone.router.health()["ready"] is True


@pytest.mark.parametrize("harm", ["cut", "missing", "garbage"])
def test_a_damaged_snapshot_is_not_believed(alone: World, harm: str) -> None:
    alone.run("shop")
    snapshot = alone.router.folder / "snapshot.jsonl"
    eventually(snapshot.exists)
    alone.consul.stop()
    alone.router.stop()
    if harm == "cut":
        snapshot.write_text("\n".join(snapshot.read_text().splitlines()[:-1]))
    elif harm == "missing":
        snapshot.unlink()
    else:
        snapshot.write_bytes(os.urandom(4000))
    alone.router.start(wait=False)
    answer = alone.get("shop")
    assert answer.status_code == 503
    assert answer.json()["error"] == "not-ready"
    alone.consul.start()
    eventually(lambda: alone.get("shop").status_code == 200, 20)


def test_a_bad_route_in_the_snapshot_is_not_dialled(alone: World) -> None:
    alone.run("shop")
    snapshot = alone.router.folder / "snapshot.jsonl"
    eventually(snapshot.exists)
    alone.router.stop()
    place = alone.apps[0].place
    snapshot.write_text(snapshot.read_text().replace(place, alone.consul.address))
    alone.consul.stop()
    alone.router.start()
    assert alone.page("shop").status_code == 503


def test_a_killed_worker_is_replaced_and_the_watch_goes_on(world: World) -> None:
    world.router.expected_worker_deaths = True
    app = world.run("shop")
    for _ in range(3):
        workers = world.router.workers()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda old=workers: len(set(world.router.workers()) - set(old)) == 2)
        assert world.get("shop").status_code == 200
        # What happens while no worker watches is not missed: a route goes, another comes.
        world.withdraw("shop")
        world.run("blog")
        eventually(lambda: world.page("shop").status_code == 503)
        world.route("shop", app.place)
        eventually(lambda: world.page("shop").status_code == 200)
        world.withdraw("blog")


def test_a_route_withdrawn_while_nginx_was_down_is_gone_after_the_start(world: World) -> None:
    app = world.run("shop")
    world.run("blog")
    snapshot = world.router.folder / "snapshot.jsonl"
    eventually(lambda: snapshot.exists() and "blog" in snapshot.read_text())
    world.router.stop()
    world.withdraw("shop")
    world.router.start()
    eventually(lambda: world.page("shop").status_code == 503)
    assert world.get("blog").status_code == 200
    assert app.requests == []


def test_reloads_under_load_lose_no_request_and_no_websocket(world: World) -> None:
    app = world.run("shop")
    over = threading.Event()
    results: list[int | str] = []

    def load(method: str) -> None:
        while not over.is_set():
            try:
                results.append(world.request(method, "shop", content=b"x" * 3000).status_code)
            except Exception as error:
                results.append(repr(error))

    sockets = [WebSocket(world.router.port, "shop.localhost") for _ in range(5)]
    threads = [threading.Thread(target=load, args=(m,)) for m in ("GET", "POST", "GET", "PUT")]
    for thread in threads:
        thread.start()
    for number in range(10):
        world.router.reload(hold_seconds=8 + number % 2, drain_seconds=20)
        assert [socket.echo(str(number)) for socket in sockets] == [str(number)] * 5
        time.sleep(0.2)
    over.set()
    for thread in threads:
        thread.join()
    assert set(results) == {200}, [item for item in results if item != 200][:5]
    assert len(results) > 200
    for one in sockets:
        one.close()
    eventually(lambda: app.sockets == 0)


def test_a_reload_with_a_broken_configuration_changes_nothing(world: World) -> None:
    world.run("shop")
    conf = world.router.folder / "nginx.conf"
    good = conf.read_text()
    conf.write_text(good.replace("worker_processes", "worker_processed"))
    assert world.router.process
    world.router.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    steady(world, "shop", 0.3)
    assert "unknown directive" in world.router.error_log()
    conf.write_text(good)
    (world.router.folder / "error.log").write_text("")


def test_a_post_that_reached_the_app_is_never_sent_twice(world: World) -> None:
    app = world.run("shop")
    app.paths["/reset"] = reset
    world.router.expected_app_errors = True
    for method in ("POST", "PATCH"):
        app.requests.clear()
        answer = world.request(method, "shop", "/reset", content=b"pay")
        assert answer.status_code == 502
        assert answer.json()["error"] == "app-broken"
        assert len(app.requests) == 1


def test_a_get_is_tried_again_on_a_new_connection(world: World) -> None:
    app = world.run("shop")
    world.router.expected_app_errors = True
    tried: list[int] = []

    def reset_once(handler) -> None:  # type: ignore[no-untyped-def]
        tried.append(1)
        if len(tried) == 1:
            reset(handler)
        else:
            handler.send(200, b"second try")

    app.paths["/once"] = reset_once
    assert world.get("shop", "/once").text == "second try"


def test_an_app_that_closes_a_kept_connection_breaks_no_request(world: World) -> None:
    """The race of an idle close: the app ends a connection just as the next request comes."""
    app = world.run("shop")
    app.one_per_connection = True
    world.router.expected_app_errors = True
    for number in range(60):
        method = ("GET", "POST", "GET", "PUT")[number % 4]
        assert world.request(method, "shop", content=b"x").status_code == 200
    posts = [method for method, *_ in app.requests if method in ("POST", "PUT")]
    assert len(posts) == 30  # each exactly once


def test_a_restarted_app_is_waited_for(world: World) -> None:
    """The process is gone for a moment behind the same route: requests wait, none fails."""
    app = world.run("shop")
    world.router.expected_app_errors = True
    app.stop()
    threading.Timer(0.7, app.start).start()
    with ThreadPoolExecutor(8) as pool:
        methods = ["GET", "POST"] * 4
        answers = list(pool.map(lambda m: world.request(m, "shop", content=b"x"), methods))
    assert {answer.status_code for answer in answers} == {200}


def test_a_moved_app_is_followed_by_requests_that_met_the_old_place(world: World) -> None:
    app = world.run("shop")
    world.router.expected_app_errors = True
    app.stop()
    new = world.app("shop-new")
    threading.Timer(0.3, lambda: world.route("shop", new.place)).start()
    assert world.post("shop", content=b"x").json()["app"] == "shop-new"


def test_a_dead_app_gives_an_honest_502_after_some_seconds(world: World) -> None:
    app = world.run("shop")
    world.router.expected_app_errors = True
    app.stop()
    answer = world.page("shop")
    assert answer.status_code == 502
    assert "The app broke off" in answer.text


def test_a_slow_app_is_waited_for_and_a_slow_one_does_not_stop_others(world: World) -> None:
    app = world.run("shop")
    app.paths["/slow"] = slow(3)
    with ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(world.get, "shop", "/slow") for _ in range(20)]
        time.sleep(0.2)
        steady(world, "shop", 1)
        assert {one.result().status_code for one in waiting} == {200}


def test_more_requests_at_one_moment_than_a_short_queue_holds_are_all_answered(
    make_world: Callable[..., World],
) -> None:
    """All want the gate at once: it must let them queue, or nginx's own 502 is the answer."""
    world = make_world(workers=1)
    world.record("shop", "paused")
    eventually(lambda: world.page("shop").status_code == 503)
    (worker,) = world.router.workers()
    request = b"GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(world.router.port)) for _ in range(1500)]
        assert world.page("shop").status_code == 503  # so they are accepted
        os.kill(worker, signal.SIGSTOP)
        stack.callback(os.kill, worker, signal.SIGCONT)
        for one in sockets:
            one.sendall(request)
        os.kill(worker, signal.SIGCONT)
        answers = collections.Counter(read_all(one)[:12] for one in sockets)
    assert answers == {b"HTTP/1.1 503": 1500}


def test_a_node_that_swallows_packets_costs_two_seconds(world: World) -> None:
    """A full listen queue looks like a dead node: the connection is never made."""
    app = App("dead")
    with socket.socket() as listener:
        listener.bind((app.address, app.port))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((app.address, app.port))
        good = world.app("good")
        world.record("shop")
        world.route("shop", f"{app.place} {good.place}")
        world.until_acknowledged()
        world.router.expected_app_errors = True
        for _ in range(4):
            answer = world.get("shop")
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() < 8
        for filler in fillers:
            filler.close()


def test_seen_and_websockets_are_reported_and_bots_do_not_count(world: World) -> None:
    world.run("shop")
    world.run("blog")
    assert world.get("shop").status_code == 200
    assert world.get("blog", headers={"User-Agent": "kube-probe/1.31"}).status_code == 200
    socket = WebSocket(world.router.port, "shop.localhost")
    key = f"{world.prefix}seen/tested"

    def report() -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads(world.consul.get(key) or "{}")
        return found

    eventually(lambda: report().get("shop.localhost", {}).get("websockets") == 1, 15)
    assert abs(report()["shop.localhost"]["at"] - time.time()) < 15
    assert "blog.localhost" not in report()
    socket.close()
    eventually(lambda: report()["shop.localhost"]["websockets"] == 0, 15)
