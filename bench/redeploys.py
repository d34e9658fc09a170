"""Requests that fail while an app is redeployed again and again, some of the releases broken.

    python bench/redeploys.py [--good 20] [--bad 5] [--rate 50]     on the settings' cluster

The load is open-loop: a request starts at each tick of a constant rate, whether or not the last one
was answered, through the router, every second one on a new connection. Every status but 200 counts
as failed, and so does an answer later than 10 s. The last line is failed / sent.
"""

import argparse
import collections
import http.client
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from reviewapps import apps, settings
from reviewapps.apps import Wanted
from reviewapps.clients import Clients
from reviewapps.errors import Failed
from reviewapps.local import demo
from reviewapps.project import load
from reviewapps.store.record import Record

BRANCH = "deploy-load"
TIMEOUT_SECONDS = 10


class Load:
    """A constant rate of requests to one host through the router."""

    def __init__(self, address: tuple[str, int], host: str, rate: int) -> None:
        self.address, self.host, self.rate = address, host, rate
        self.counts: collections.Counter[str] = collections.Counter()
        self.over = threading.Event()
        self.kept = threading.local()
        self.thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "Load":
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.thread.join()

    def _send(self) -> None:
        """Start a request at each tick; enough threads that a slow answer delays no other."""
        started = time.monotonic()
        with ThreadPoolExecutor(max_workers=256) as pool:
            for number in range(10**9):
                tick = started + number / self.rate
                if self.over.wait(max(0.0, tick - time.monotonic())):
                    return
                pool.submit(self._request, number)

    def _request(self, number: int) -> None:
        fresh = bool(number % 2)
        connection = None if fresh else getattr(self.kept, "connection", None)
        connection = connection or http.client.HTTPConnection(*self.address, TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/up", headers={"Host": self.host})
            answer = connection.getresponse()
            answer.read()
            self.counts[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            self.counts[type(error).__name__] += 1
            connection.close()
            self.kept.connection = None
            return
        if fresh:
            connection.close()
        else:
            self.kept.connection = connection


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--good", type=int, default=20)
    options.add_argument("--bad", type=int, default=5)
    options.add_argument("--rate", type=int, default=50)
    given = options.parse_args()
    clients = Clients(settings.load())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "guestbook"
        demo.ensure(folder)
        counts = run(clients, folder, given)
    failed = sum(each for status, each in counts.items() if status != "200")
    print(f"answers: {dict(counts)}")
    print(f"failed / sent: {failed} / {sum(counts.values())}")


def run(clients: Clients, folder: Path, given: argparse.Namespace) -> collections.Counter[str]:
    record = release(clients, folder, {"look.json": look(0)})
    where = clients.settings
    address = (where.nomad.address.split("//")[1].split(":")[0], where.url_port)
    every = max(1, given.good // max(1, given.bad))
    bad = 0
    with Load(address, record.host, given.rate) as load_:
        for number in range(1, given.good + 1):
            release(clients, folder, {"look.json": look(number)})
            print(f"release {number} of {given.good} runs; {dict(load_.counts)}", flush=True)
            if bad < given.bad and number % every == 0:
                bad += 1
                word = ("crash-at-boot", "health-500")[bad % 2]
                try:
                    files = {"look.json": look(number), "trouble.txt": word, "n": str(number)}
                    release(clients, folder, files)
                    raise SystemExit(f"a release with {word} was taken for healthy")
                except Failed as error:
                    print(f"failing release {bad}: {error.message[:90]}", flush=True)
    apps.destroy(clients, record, lambda _: None)
    return load_.counts


def look(number: int) -> str:
    return json.dumps({"greeting": f"Release {number}", "hue": number * 17 % 360})


def release(clients: Clients, folder: Path, files: dict[str, str]) -> Record:
    commit = demo.add_branch(folder, BRANCH, files)
    project = load(folder / "reviewapps.yml")
    quick = replace(project.unicorn, boot_seconds=20)  # so that a bad release is soon given up
    wanted = Wanted(replace(project, unicorn=quick), BRANCH, commit)
    return apps.deploy(clients, wanted, lambda _: None, source=folder)


if __name__ == "__main__":
    main()
