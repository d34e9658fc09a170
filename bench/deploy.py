"""How long a deploy takes beyond the work itself, and what asking again costs.

    python bench/deploy.py [--rounds 5]     on the cluster that the settings name

The work is placement, container start, migrate, seed, boot and the first passing check, as Nomad's
own times and a poller of the health path say; what is left is the tool's own time. The image is
present before each round. A deploy is measured until the URL is told; the workers are watched
for 3 s beside that. The last line is the ratio that counts: deploy / work.
"""

import argparse
import statistics
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from reviewapps import apps, settings
from reviewapps.apps import Wanted
from reviewapps.clients import Clients, git
from reviewapps.local import demo
from reviewapps.progress import Event
from reviewapps.project import load
from reviewapps.steps.route import address
from reviewapps.store.record import Record, dump
from reviewapps.store.records import Records

BRANCH = "deploy-blue"
HOSTS = 100


class FirstAnswer(threading.Thread):
    """Notes when the web process first answers its health path with a 2xx."""

    def __init__(self, clients: Clients, job: str, path: str) -> None:
        super().__init__(daemon=True)
        self.clients, self.job, self.path = clients, job, path
        self.over = threading.Event()
        self.at = 0.0

    def run(self) -> None:
        while not self.over.wait(0.02) and not self.at:
            try:
                for each in self.clients.nomad.allocations(self.job)[1]:
                    found = address(each["ID"], type("", (), {"nomad": self.clients.nomad})())
                    if found and self.answers(*found):
                        self.at = time.time()
            except Exception:  # the job is not there yet
                continue

    def answers(self, ip: str, port: int) -> bool:
        try:
            return httpx.get(f"http://{ip}:{port}{self.path}", timeout=1).is_success
        except httpx.HTTPError:
            return False


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    clients = Clients(settings.load())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "guestbook"
        demo.ensure(folder)
        run(clients, folder, rounds)


def run(clients: Clients, folder: Path, rounds: int) -> None:
    project = load(folder / "reviewapps.yml")
    wanted = Wanted(project, BRANCH, git.commit_of(folder, BRANCH))
    keep_image(clients)
    record = apps.deploy(clients, wanted, lambda _: None, source=folder)
    apps.destroy(clients, record, lambda _: None)
    ratios, own = [], []
    for number in range(rounds):
        started = time.time()
        poller = FirstAnswer(clients, f"{record.slug}--unicorn", project.unicorn.health_path)
        poller.start()
        told: list[float] = []

        def note(event: Event, told: list[float] = told) -> None:
            if event.step == "notify" and event.state == "done":
                told.append(time.time())

        record = apps.deploy(clients, wanted, note, source=folder)
        took = told[0] - started
        poller.over.set()
        parts = work(clients, record, poller.at)
        total = sum(parts.values())
        ratios.append(took / total)
        own.append(took - total)
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
        print(f"round {number + 1}: the URL after {took:.2f} s; work {total:.2f} s ({told})")
        if number == rounds - 1:
            again(clients, wanted, folder)
        apps.destroy(clients, record, lambda _: None)
    listing(clients, record)
    print(f"the tool's own time: median {statistics.median(own):.2f} s of {rounds} rounds")
    print(f"ratio deploy / work: {statistics.median(ratios):.2f}")


def keep_image(clients: Clients) -> None:
    """Let the image stay when the app goes, so that no round measures a build."""
    type(clients.docker).remove = lambda _self, _tag: None  # type: ignore[method-assign]


def work(clients: Clients, record: Record, answered: float) -> dict[str, float]:
    """Return the seconds of each part of the critical path."""
    parts = {}
    for step in ("redis", "migrate", "seed", "unicorn"):
        job = clients.nomad.job(f"{record.slug}--{step}") or {}
        allocation = clients.nomad.allocations(job["ID"])[1][0]
        state = allocation["TaskStates"][step]
        submitted = job["SubmitTime"] / 1e9
        begun = moment(state["StartedAt"])
        parts[f"{step} start"] = begun - submitted
        if step in ("migrate", "seed"):
            parts[f"{step} run"] = moment(state["FinishedAt"]) - begun
        if step == "unicorn":
            parts["boot"] = answered - begun
    return parts


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def again(clients: Clients, wanted: Wanted, folder: Path) -> None:
    """Deploy once more, which changes nothing."""
    before = counts(clients)
    started = time.perf_counter()
    told: list[Any] = []
    apps.deploy(clients, wanted, told.append, source=folder)
    seconds = time.perf_counter() - started
    calls = {name: now - before[name] for name, now in counts(clients).items()}
    assert not told
    print(f"again, nothing to do: {seconds:.2f} s; calls {calls}")


def listing(clients: Clients, record: Record) -> None:
    """Read many records at once."""
    for number in range(HOSTS):
        clients.consul._api.kv.put(f"reviewapps/apps/bench-{number:03}", dump(record))
    before = clients.consul.requests
    started = time.perf_counter()
    found, _ = Records(clients.consul).all()
    seconds = time.perf_counter() - started
    clients.consul._api.kv.delete("reviewapps/apps/bench-", recurse=True)
    reads = clients.consul.requests - before
    print(f"list of {len(found)} records: {reads} read, {seconds * 1000:.0f} ms")


def counts(clients: Clients) -> dict[str, int]:
    return {"nomad": clients.nomad.requests, "consul": clients.consul.requests}


if __name__ == "__main__":
    main()
