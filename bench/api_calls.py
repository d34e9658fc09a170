"""How many calls of Nomad, Consul, AWS and the registry a deploy makes, and an idle controller.

    python -m bench.api_calls [--apps 1 20] [--idle-seconds 35]     on the settings' cluster

The application is the tests' tiny one, whole: database, Redis, migrate, seed, web process, worker.
Keeping a lock (a renewal every few seconds) and waiting (blocking queries) depend on how long
something takes; they are listed apart. The last line is the ratio of the calls of an idle
controller at many apps to those at one.
"""

import argparse
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from reviewapps import apps, settings
from reviewapps.apps import Wanted
from reviewapps.clients import Clients
from reviewapps.controller import Controller
from reviewapps.project import Project
from reviewapps.store.record import Record
from tests import repositories
from tests.real.apps import TINY, WHOLE, build_tiny
from tests.real.aws_calls import noted

# Parts of a path that name one thing of many.
NAMES = re.compile(r"(?<=/)([0-9a-f]{8}-[0-9a-f-]{27}|[a-z0-9-]+-[a-z0-9]{6}(--[a-z]+)?)(?=/|\Z)")
KEPT = ("session/renew", "session/create", "session/destroy")
Calls = Counter[tuple[str, str]]


@contextmanager
def counted(clients: Clients) -> Iterator[Calls]:
    """Count this process's calls by service and action."""
    calls: Calls = Counter()
    lock = threading.Lock()
    real = requests.Session.send
    services = {
        urlsplit(clients.settings.nomad.address).port: "Nomad",
        urlsplit(clients.settings.consul.address).port: "Consul",
    }

    def add(service: str, action: str) -> None:
        with lock:
            calls[service, action] += 1

    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
        url = urlsplit(request.url or "")
        add(services.get(url.port, url.netloc), action(request.method or "", url.path, url.query))
        return real(self, request, **options)

    requests.Session.send = send  # type: ignore[method-assign]
    try:
        with noted(lambda right: add("AWS", right)):
            yield calls
    finally:
        requests.Session.send = real  # type: ignore[method-assign]


def action(method: str, path: str, query: str) -> str:
    """Return a call without what it is about: `GET job/NAME/allocations`, `…, waiting`."""
    short = path.removeprefix("/v1/")
    if short.startswith("kv/"):
        short = "kv/" + "/".join(short.removeprefix("kv/").split("/")[:2])
    if short.startswith("session/"):
        short = "/".join(short.split("/")[:2])
    if short.startswith("var/"):
        short = "var/NAME"
    waits = ", waiting" if "index" in parse_qs(query) else ""
    return f"{method.upper()} {NAMES.sub('NAME', '/' + short)[1:]}{waits}"


def is_waiting(act: str) -> bool:
    """Say whether a call is one of those whose number grows with the time that is waited."""
    return act.endswith(", waiting") or any(each in act for each in KEPT)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--apps", type=int, nargs=2, default=(1, 20))
    options.add_argument("--idle-seconds", type=float, default=35.0)  # a sweep is every 30 s
    given = options.parse_args()
    clients = Clients(settings.load())
    build_tiny()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        commit = repositories.make(folder, {"db/seeds.sql": "1"})
        values = {**WHOLE, "project": "bench-calls"}
        whole = Wanted(Project.from_dict(values), "deploy-whole", commit, TINY)
        small = {key: WHOLE[key] for key in ("branches", "unicorn")} | {"project": "bench-calls"}
        smallest = Wanted(Project.from_dict(small), "deploy-1", commit, TINY)
        journey(clients, folder, whole)
        idle(clients, folder, smallest, given.apps, given.idle_seconds)


def journey(clients: Clients, folder: Path, wanted: Wanted) -> None:
    """Deploy, deploy again, deploy a change, destroy; print a table of each one's calls."""
    project = replace(wanted.project, unicorn=replace(wanted.project.unicorn, env={"A": "1"}))
    columns: dict[str, Calls] = {}
    for name, each in (
        ("first deploy", wanted),
        ("no-op deploy", wanted),
        ("redeploy", replace(wanted, project=project)),
    ):
        with counted(clients) as calls:
            record = apps.deploy(clients, each, lambda _: None, source=folder)
        columns[name] = calls
    with counted(clients) as calls:
        apps.destroy(clients, record, lambda _: None)
    columns["destroy"] = calls
    show(columns)
    first, again = (sum(steady(columns[name]).values()) for name in list(columns)[:2])
    print(
        f"a deploy that changes nothing makes {again} calls, {again / first:.2f} of a first one\n"
    )


def idle(
    clients: Clients, folder: Path, wanted: Wanted, numbers: tuple[int, int], seconds: float
) -> None:
    """Print the calls of a controller that has nothing to do, at few apps and at many."""
    columns: dict[str, Calls] = {}
    records: list[Record] = []
    try:
        for number in numbers:
            for k in range(len(records), number):
                each = replace(wanted, branch=f"deploy-{k + 1}")
                records.append(apps.deploy(clients, each, lambda _: None, source=folder))
            columns[f"idle, {number} apps"] = idle_calls(clients, seconds)
    finally:
        for record in records:
            apps.destroy(clients, record, lambda _: None)
    print(f"an idle controller in {seconds:.0f} s, with one look at the nodes where there is AWS:")
    show(columns)
    few, many = (sum(each.values()) for each in columns.values())
    print(
        f"ratio of an idle controller's calls, {numbers[1]} apps / {numbers[0]}: {many / few:.2f}"
    )


def idle_calls(clients: Clients, seconds: float) -> Calls:
    """Let a controller settle, then count what it does for some seconds."""
    controller = Controller(clients, lambda _: None)
    thread = threading.Thread(target=controller.run)
    thread.start()
    try:
        known = Calls()
        while True:  # until it has looked at every app once
            with counted(clients) as calls:
                time.sleep(5)
            busy = {act for _, act in steady(calls)}
            if known and not any("allocations" in act and "job/" in act for act in busy):
                break
            known = calls
        with counted(clients) as calls:
            time.sleep(seconds)
        return calls
    finally:
        controller.stop.set()
        thread.join()


def steady(calls: Calls) -> Calls:
    """Leave out what depends on how long something took."""
    return Counter({key: count for key, count in calls.items() if not is_waiting(key[1])})


def show(columns: dict[str, Calls]) -> None:
    """Print a row for each action, and sums."""
    names = list(columns)
    width = max(len(name) for name in names) + 2
    rows = sorted(set().union(*columns.values()), key=lambda row: (is_waiting(row[1]), row))
    print(f"{'':58}" + "".join(f"{name:>{width}}" for name in names))
    for service, act in rows:
        counts = "".join(f"{columns[name][service, act] or '':>{width}}" for name in names)
        print(f"{service:8}{act:50}{counts}")
    for label, pick in (("together", lambda calls: calls), ("without waiting", steady)):
        sums = "".join(f"{sum(pick(columns[name]).values()):>{width}}" for name in names)
        print(f"{label:58}{sums}")


if __name__ == "__main__":
    main()
