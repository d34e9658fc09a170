"""A deploy whose database is a copy of a matching golden one, against one that migrates and seeds.

    python -m bench.golden [--rounds 5] [--rows 300000]     on the cluster that the settings name

In each round both are deployed once, in random order, and destroyed again. The application is the
tests' tiny one, which starts at once; its seed writes rows with an index. The last line is the
ratio of the medians until the URL is told.
"""

import argparse
import random
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from reviewapps import apps, settings
from reviewapps.apps import Wanted
from reviewapps.clients import Clients
from reviewapps.progress import Event
from reviewapps.project import Database, Project
from reviewapps.steps.database import golden_name
from tests import repositories
from tests.real.apps import TINY, WHOLE, build_tiny

FILLED = ("migrate", "seed")
MODES = {"migrates and seeds": "own", "copies the golden one": "template"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rows", type=int, default=300_000)
    given = options.parse_args()
    clients = Clients(settings.load())
    build_tiny()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        files = {"db/migrate/1_create.sql": "CREATE", "db/seeds.sql": f"{given.rows} rows"}
        commit = repositories.make(folder, files)
        wanted = Wanted(project(given.rows), "deploy-bench", commit, TINY)
        run(clients, folder, wanted, given.rounds)


def project(rows: int) -> Project:
    """Return the tiny application with a migration and a seed that take their time."""
    sql = {
        "migrate": "CREATE TABLE orders (id int PRIMARY KEY, customer text, body text);"
        " CREATE INDEX by_customer ON orders (customer)",
        "seed": "INSERT INTO orders SELECT n, md5(n::text), repeat(md5((n + 1)::text), 4)"
        f" FROM generate_series(1, {rows}) n",
    }
    filled = {
        step: {"command": f'sh /tiny/psql.sh "{sql[step]}"', "memory_mb": 64} for step in FILLED
    }
    values = {key: WHOLE[key] for key in ("branches", "unicorn")}
    return Project.from_dict({"project": "bench-golden", **values, **filled})


def run(clients: Clients, folder: Path, wanted: Wanted, rounds: int) -> None:
    variants = {
        name: replace(wanted, project=replace(wanted.project, database=database(mode)))
        for name, mode in MODES.items()
    }
    began = time.perf_counter()
    golden = make_golden(clients, folder, variants["copies the golden one"])
    print(f"the golden database was made by a deploy of {time.perf_counter() - began:.1f} s")
    seconds: dict[str, list[float]] = {name: [] for name in MODES}
    filling: dict[str, list[float]] = {name: [] for name in MODES}
    try:
        for number in range(1, rounds + 1):
            for name in random.sample(list(MODES), len(MODES)):
                took, filled = deploy(clients, folder, variants[name])
                seconds[name].append(took)
                filling[name].append(filled)
                print(f"round {number}: {name:22} {took:6.2f} s, of it {filled:.2f} s of filling")
    finally:
        clients.databases("postgresql").drop(golden)
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    for name, value in middle.items():
        filled = statistics.median(filling[name])
        print(f"{name:22} median {value:.2f} s, migrate and seed {filled:.2f} s")
    without, copied = middle.values()
    print(f"ratio without a golden database / with one: {without / copied:.2f} ({rounds} rounds)")


def database(mode: str) -> Database:
    return Database(
        engine="postgresql", mode=mode, fingerprint=("db/migrate", "db/seeds.sql"), connections=5
    )


def make_golden(clients: Clients, folder: Path, wanted: Wanted) -> str:
    """Deploy once as the first of its kind; return the name of the golden database."""
    record = apps.deploy(clients, wanted, lambda _: None, source=folder)
    name = golden_name(apps.app_of(record))
    apps.destroy(clients, record, lambda _: None)
    assert clients.databases("postgresql").find(name), f"there is no {name}"
    return name


def deploy(clients: Clients, folder: Path, wanted: Wanted) -> tuple[float, float]:
    """Deploy and destroy; return the seconds until the URL was told, and those of filling."""
    filled: dict[str, float] = dict.fromkeys(FILLED, 0.0)

    def note(event: Event) -> None:
        if event.step in FILLED and event.state == "done":
            filled[event.step] = event.seconds

    began = time.perf_counter()
    record = apps.deploy(clients, wanted, note, source=folder)
    took = time.perf_counter() - began
    apps.destroy(clients, record, lambda _: None)
    return took, sum(filled.values())


if __name__ == "__main__":
    main()
