"""A constant 200 requests a second through reloads, Consul outages and redeploys: none may fail."""

import http.client
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from router_stage import ADDRESS, Stage, host, place, start_router

RATE = 200
METHODS = ("GET", "GET", "GET", "POST")


class Soak:
    """Counts every request; anything but 200 is a failure."""

    def __init__(self, port: int, apps: int) -> None:
        self.port = port
        self.apps = apps
        self.results: Counter[str] = Counter()
        self.slowest = 0.0
        self.kept = threading.local()

    def one(self, number: int) -> None:
        """Half the requests come on kept connections, half on new ones."""
        started = time.perf_counter()
        connection = getattr(self.kept, "connection", None) if number % 2 else None
        fresh = connection is None
        if fresh:
            connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=60)
        method = METHODS[number % len(METHODS)]
        try:
            self.send(connection, method, number)
        except (ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError):
            # A server may close a kept connection at any time; HTTP lets the client repeat a GET.
            connection.close()
            if fresh or method != "GET":
                self.results[
                    f"{method} broken off on a {'new' if fresh else 'kept'} connection"
                ] += 1
                return
            self.send(connection, method, number)
        except Exception as error:
            self.results[type(error).__name__] += 1
            return
        self.slowest = max(self.slowest, time.perf_counter() - started)
        if number % 2:
            self.kept.connection = connection
        else:
            connection.close()

    def send(self, connection: http.client.HTTPConnection, method: str, number: int) -> None:
        body = b"x" * 500 if method == "POST" else None
        if method == "POST":
            connection.close()  # writes on a new connection, as clients that may not repeat them do
        connection.request(method, "/", body, {"Host": host(number % self.apps)})
        answer = connection.getresponse()
        answer.read()
        self.results[str(answer.status)] += 1


def disturb(stage: Stage, master: int, consul: int, over: threading.Event, log: list[str]) -> None:
    """One disturbance after another, each followed by a quiet second."""
    deploys = itertools.count(1)
    started = time.monotonic()
    while not over.wait(1):
        kind = random.choice(("reload", "reload", "redeploy", "redeploy", "freeze"))
        if kind == "reload":
            os.kill(master, signal.SIGHUP)
        elif kind == "redeploy":
            for _ in range(20):
                name = host(random.randrange(100))
                key = f"/v1/kv/reviewapps/routes/{name}"
                stage.consul.put(key, content=place(next(deploys))).raise_for_status()
        elif kind == "freeze":
            os.kill(consul, signal.SIGSTOP)
            over.wait(5)
            os.kill(consul, signal.SIGCONT)
            over.wait(3)
        log.append(f"{time.monotonic() - started:.0f} s {kind}")


def run(stage: Stage, port: int, minutes: float) -> tuple[Soak, list[str]]:
    worker = start_router(stage, port, workers=2, drain_seconds=30)
    master = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    soak = Soak(port, 100)
    over = threading.Event()
    log: list[str] = []
    thread = threading.Thread(target=disturb, args=(stage, master, stage.consul_pid, over, log))
    thread.start()
    began = time.perf_counter()
    with ThreadPoolExecutor(64) as pool:
        for number in range(int(minutes * 60 * RATE)):
            time.sleep(max(0, began + number / RATE - time.perf_counter()))
            pool.submit(soak.one, number)
    over.set()
    thread.join()
    # Every redeploy of the last seconds is served in the end.
    deadline = time.monotonic() + 10
    while httpx.get(f"http://{ADDRESS}:{port + 1000}/health").json()["sync_age_seconds"] > 60:
        assert time.monotonic() < deadline
    return soak, log
