"""How fast the router follows: new routes, other requests meanwhile, held requests, memory."""

import http.client
import json
import os
import random
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from router_stage import ADDRESS, Stage, host, place, resident_kilobytes, start_router


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def ask(connection: http.client.HTTPConnection, name: str) -> int:
    connection.request("GET", "/", headers={"Host": name})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def follow(stage: Stage, port: int, rounds: int) -> list[float]:
    """Return the milliseconds from the end of a KV write to the first answer of the new route.

    A host that never had a route is published again and again; its record stands already, and the
    router answers 503 for it until the route is in its table.
    """
    took = []
    connection = http.client.HTTPConnection(ADDRESS, port)
    for number in range(rounds):
        name = f"{random.choice('abcdefghijklmnopqrstuvwxyz')}new{number:05d}-abc234.localhost"
        record = '{"state":"paused","access":{"kind":"public"}}'
        stage.consul.put(f"/v1/kv/reviewapps/hosts/{name}", content=record).raise_for_status()
        time.sleep(0.15 + random.random() * 0.1)
        running = record.replace("paused", "running")
        stage.consul.put(
            f"/v1/kv/reviewapps/routes/{name}", content=place(number)
        ).raise_for_status()
        started = time.perf_counter()
        stage.consul.put(f"/v1/kv/reviewapps/hosts/{name}", content=running).raise_for_status()
        written = time.perf_counter()
        while ask(connection, name) != 200:
            if time.perf_counter() - started > 20:
                raise TimeoutError(name)
            time.sleep(0.001)
        took.append((time.perf_counter() - written) * 1000)
    return took


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
            key = f"/v1/kv/reviewapps/routes/{host(1 + number % (stage.routes - 1))}"
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
            assert ask(connection, host(0)) == 200
            connection.close()
            took.append((time.perf_counter() - due) * 1000)
    finally:
        over.set()
        thread.join()
    return took


def hold(stage: Stage, port: int, number: int, seconds: float) -> list[float]:
    """Hold requests for `seconds`, publish the route, return ms from the write to each answer."""
    name = "held-abc234.localhost"
    key = f"/v1/kv/reviewapps/hosts/{name}"
    stage.consul.put(
        key, content='{"state":"asleep","access":{"kind":"public"}}'
    ).raise_for_status()
    time.sleep(0.5)
    done: list[float] = []
    failed: list[int] = []

    def one(_: int) -> None:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=120)
        status = ask(connection, name)
        done.append(time.perf_counter())
        if status != 200:
            failed.append(status)

    with ThreadPoolExecutor(number) as pool:
        futures = [pool.submit(one, item) for item in range(number)]
        time.sleep(seconds)
        stage.consul.put(f"/v1/kv/reviewapps/routes/{name}", content=place(0)).raise_for_status()
        running = '{"state":"running","access":{"kind":"public"}}'
        stage.consul.put(key, content=running).raise_for_status()
        written = time.perf_counter()
        for future in futures:
            future.result()
    stage.consul.delete(f"/v1/kv/reviewapps/routes/{name}").raise_for_status()
    assert not failed, failed[:5]
    return [(at - written) * 1000 for at in done]


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


def health(port: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(httpx.get(f"http://{ADDRESS}:{port + 1000}/health").text)
    return found
