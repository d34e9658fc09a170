"""How fast the router follows: new routes, other requests meanwhile, held requests, memory."""

import http.client
import itertools
import json
import os
import random
import re
import selectors
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from router_stage import ADDRESS, CONSUL_PORT, Stage, host, place, resident_kilobytes, start_router


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def ask(connection: http.client.HTTPConnection, name: str) -> int:
    connection.request("GET", "/", headers={"Host": name})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@dataclass
class Followed:
    """Milliseconds from a write to what it leads to; one of each per round."""

    router: list[float]
    """From the end of the write to the router's first answer from the new place."""
    bare: list[float]
    """The same to the end of a blocking read of that key alone, which waited meanwhile."""
    ratios: list[float]
    """Router against bare read, both from the beginning of the write."""


def wake(key: str, index: str, woken: list[float]) -> None:
    """Wait for a change of one key, as the cheapest client of Consul would."""
    connection = http.client.HTTPConnection(ADDRESS, CONSUL_PORT)
    connection.request("GET", f"{key}?index={index}&wait=30s")
    connection.getresponse().read()
    woken.append(time.perf_counter())
    connection.close()


def follow(stage: Stage, port: int, rounds: int, unlike: bool = False) -> Followed:
    """Publish a new host in each round; see Followed.

    Its record stands already, and the router answers 503 for it until the route is in its table.
    The hosts begin as those that are there, or, with `unlike`, as no other.
    """
    found = Followed([], [], [])
    connection = http.client.HTTPConnection(ADDRESS, port)
    record = '{"state":"paused","access":{"kind":"public"}}'
    for number in range(rounds):
        name = host(stage.routes + random.randrange(10**6), stage.alike)
        if unlike:
            name = f"{random.choice('0123456789')}{chr(97 + number % 26)}{name}"
        key = f"/v1/kv/reviewapps/hosts/{name}"
        stage.consul.put(key, content=record).raise_for_status()
        time.sleep(0.15 + random.random() * 0.1)
        index = stage.consul.get(key).headers["X-Consul-Index"]
        woken: list[float] = []
        waiter = threading.Thread(target=wake, args=(key, index, woken))
        waiter.start()
        time.sleep(0.02)
        stage.consul.put(
            f"/v1/kv/reviewapps/routes/{name}", content=place(number)
        ).raise_for_status()
        started = time.perf_counter()
        stage.consul.put(key, content=record.replace("paused", "running")).raise_for_status()
        written = time.perf_counter()
        while ask(connection, name) != 200:
            if time.perf_counter() - started > 20:
                raise TimeoutError(name)
            time.sleep(0.001)
        answered = time.perf_counter()
        waiter.join()
        found.router.append((answered - written) * 1000)
        found.bare.append(max(0.0, woken[0] - written) * 1000)
        found.ratios.append((answered - started) / (woken[0] - started))
    return found


def other_requests(
    stage: Stage, port: int, seconds: float, changes_per_second: float
) -> list[float]:
    """Return latencies (ms, from the due time) of 200 requests a second while routes change."""
    over = threading.Event()

    def change() -> None:
        client = httpx.Client(base_url=str(stage.consul.base_url))
        number = 0
        while changes_per_second and not over.wait(1 / changes_per_second):
            number += 1
            name = host(1 + number % (stage.routes - 1), stage.alike)
            key = f"/v1/kv/reviewapps/routes/{name}"
            client.put(key, content=place(number)).raise_for_status()

    thread = threading.Thread(target=change)
    thread.start()
    took = []
    began = time.perf_counter()
    try:
        for number in range(int(seconds * 200)):
            due = began + number / 200
            time.sleep(max(0, due - time.perf_counter()))
            connection = http.client.HTTPConnection(ADDRESS, port)
            assert ask(connection, host(0, stage.alike)) == 200
            connection.close()
            took.append((time.perf_counter() - due) * 1000)
    finally:
        over.set()
        thread.join()
    return took


def answers(
    port: int, name: str, number: int, seconds: float, release: Callable[[], None]
) -> list[float]:
    """Ask `number` times at once; return ms from the release to the end of each answer.

    One thread and plain sockets: a thread for each request would measure Python. With `seconds` the
    requests are sent first and `release` lets them be answered; without, they are sent after it.
    """
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    sockets = [socket.create_connection((ADDRESS, port)) for _ in range(number)]
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            if seconds:
                one.sendall(request)
            selector.register(one, selectors.EVENT_READ)
        time.sleep(seconds)
        release()
        released = time.perf_counter()
        if not seconds:
            for one in sockets:
                one.sendall(request)
        took: list[float] = []
        while len(took) < number:
            for ready, _ in selector.select():
                asked = ready.fileobj
                assert isinstance(asked, socket.socket)
                data = asked.recv(65536)
                took.append((time.perf_counter() - released) * 1000)
                assert data.startswith(b"HTTP/1.1 200"), data[:100]
                selector.unregister(asked)
                asked.close()
    return took


def hold(stage: Stage, port: int, number: int, seconds: float) -> list[float]:
    """Hold requests for `seconds`, publish the route, return ms from the write to each answer."""
    name = "held-abc234.localhost"
    key = f"/v1/kv/reviewapps/hosts/{name}"
    stage.consul.put(
        key, content='{"state":"asleep","access":{"kind":"public"}}'
    ).raise_for_status()
    time.sleep(0.5)

    def release() -> None:
        route = f"/v1/kv/reviewapps/routes/{name}"
        stage.consul.put(route, content=place(0)).raise_for_status()
        running = '{"state":"running","access":{"kind":"public"}}'
        stage.consul.put(key, content=running).raise_for_status()

    took = answers(port, name, number, seconds, release)
    stage.consul.delete(f"/v1/kv/reviewapps/routes/{name}").raise_for_status()
    return took


def memory(stage: Stage, port: int, pid: int, more: int) -> tuple[float, float]:
    """Return MiB of the worker before and after `more` further routes."""
    before = resident_kilobytes(pid) / 1024
    stage.put_routes(range(stage.routes, stage.routes + more))
    health = f"http://{ADDRESS}:{port + 1000}/health"
    while httpx.get(health).json()["routes"] < stage.routes + more:
        time.sleep(0.2)
    time.sleep(2)
    return before, resident_kilobytes(pid) / 1024


def report(name: str, values: list[float]) -> str:
    return (
        f"| {name} | {len(values)} | {statistics.median(values):.1f} "
        f"| {percentile(values, 0.99):.1f} | {max(values):.1f} |"
    )


def workers_of(master: int) -> list[str]:
    return Path(f"/proc/{master}/task/{master}/children").read_text().split()


def rss_after_reloads(stage: Stage, port: int, reloads: int) -> list[float]:
    """Return MiB of master and worker together, ten times along `reloads` reloads."""
    worker = start_router(stage, port)
    master = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    found = []
    for number in range(reloads + 1):
        if number % max(1, reloads // 10) == 0:
            deadline = time.monotonic() + 20
            while len(workers_of(master)) > 1 and time.monotonic() < deadline:
                time.sleep(0.1)  # until the old workers are gone
            pids = [master, *map(int, workers_of(master))]
            found.append(sum(resident_kilobytes(pid) for pid in pids) / 1024)
        os.kill(master, signal.SIGHUP)
        time.sleep(0.12)
    return found


def rss_after_rounds(stage: Stage, port: int, rounds: int) -> list[float]:
    """Return MiB of the worker, eleven times along `rounds` rounds of the watch."""
    pid = start_router(stage, port)
    found: list[float] = []
    applied = 0
    for number in itertools.count():
        if applied >= len(found) * rounds // 10:
            found.append(resident_kilobytes(pid) / 1024)
            if len(found) > 10:
                return found
        key = f"/v1/kv/reviewapps/routes/{host(number % stage.routes)}"
        stage.consul.put(key, content=place(number)).raise_for_status()
        if number % 100 == 99:
            applied = counter(port, "applies_total")
    raise AssertionError


def counter(port: int, name: str) -> int:
    """Return one of the router's own figures."""
    text = httpx.get(f"http://{ADDRESS}:{port + 1000}/metrics").text
    return int(re.search(rf"^reviewapps_router_{name} (\d+)$", text, re.M)[1])  # type: ignore[index]


def health(port: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(httpx.get(f"http://{ADDRESS}:{port + 1000}/health").text)
    return found
