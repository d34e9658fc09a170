"""A clone of a golden database against a dump and restore of it: seconds, and their ratio.

    python -m bench.clone [--engine postgres|mysql] [--megabytes 1024] [--rounds 3]

Each round does all of it in turn on one server with its usual durability. The dump is piped as an
operator would do it, and for PostgreSQL also made and restored by two jobs at once.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql

from reviewapps.clients.databases import Databases
from reviewapps.clients.mysql import Mysql
from reviewapps.clients.postgres import Postgres
from tests.real import databases as real
from tests.real.engines import Engine, mysql_engine, name_of, owner_of, postgres_engine

PASSWORD = "bench"
GOLDEN, SOURCE, TARGET = "golden--bench", name_of("source"), name_of("target")
ROW_BYTES = 300  # with its two indexes, roughly, on either engine
TABLES = 4
Contender = Callable[[], None]


def fill(engine: Engine, megabytes: int) -> None:
    """Fill the source with rows that don't compress to nothing and have a second index."""
    rows = megabytes * 1024 * 1024 // ROW_BYTES // TABLES
    numbers = (
        f"SELECT seq AS n FROM seq_1_to_{rows}"
        if engine.quote == "`"
        else f"SELECT n FROM generate_series(1, {rows}) n"
    )
    with long_login(engine, SOURCE) as run:
        for table in range(TABLES):
            run(f"CREATE TABLE t{table} (id int PRIMARY KEY, word varchar(64), body text)")
            run(f"CREATE INDEX word{table} ON t{table} (word)")
            text = "::text" if engine.quote == '"' else ""
            digests = [f"md5((n + {more}){text})" for more in range(4)]
            word, body = digests[0], f"concat({', '.join(digests)})"
            run(f"INSERT INTO t{table} SELECT n, {word}, {body} FROM ({numbers}) numbers")


@contextlib.contextmanager
def long_login(engine: Engine, name: str) -> Iterator[Callable[[str], object]]:
    """Log in as the app without the time limits that tests have."""
    url = engine.client.url(name, PASSWORD)
    if engine.quote == '"':
        with psycopg.connect(url, autocommit=True) as postgres:
            yield lambda statement: postgres.execute(statement.encode())
    else:
        parts = urlsplit(url)
        with pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 0,
            user=parts.username,
            password=PASSWORD,
            database=name,
            autocommit=True,
        ) as mysql:
            yield lambda statement: mysql.cursor().execute(statement)


def pipe(dump: Sequence[str], restore: Sequence[str], environment: dict[str, str]) -> None:
    """Run a dump into a restore; passwords are in the environment, never in the arguments."""
    whole = {**os.environ, **environment}
    with subprocess.Popen(list(dump), stdout=subprocess.PIPE, env=whole) as source:
        subprocess.run(list(restore), stdin=source.stdout, check=True, env=whole)
    assert source.returncode == 0


def postgres_contenders(engine: Engine) -> dict[str, Contender]:
    server = engine.running.server
    at = ["--host", server.host, "--port", str(server.port), "--username"]
    secret = {"PGPASSWORD": PASSWORD, "PGOPTIONS": "-c statement_timeout=0"}

    def piped() -> None:
        engine.client.create(TARGET, owner_of(TARGET), PASSWORD)
        restore = ["pg_restore", *at, TARGET, "--no-owner", "--no-comments", "-d", TARGET]
        pipe(["pg_dump", *at, SOURCE, "-Fc", "-Z0", SOURCE], restore, secret)

    def in_jobs() -> None:
        engine.client.create(TARGET, owner_of(TARGET), PASSWORD)
        folder = tempfile.mkdtemp()
        environment = {**os.environ, **secret}
        try:
            out = f"{folder}/dump"
            dump = ["pg_dump", *at, SOURCE, "-Fd", "-Z0", "-j2", "-f", out, SOURCE]
            subprocess.run(dump, check=True, env=environment)
            restore = ["pg_restore", *at, TARGET, "--no-owner", "--no-comments", "-j2"]
            subprocess.run([*restore, "-d", TARGET, out], check=True, env=environment)
        finally:
            shutil.rmtree(folder)

    return {
        "clone (wal_log)": lambda: clone(copying(engine, "wal_log")),
        "clone (file_copy)": lambda: clone(copying(engine, "file_copy")),
        "dump | restore": piped,
        "dump, restore by two jobs": in_jobs,
    }


def copying(engine: Engine, strategy: str) -> Databases:
    running = engine.running
    return Postgres(running.server, lambda: running.password, copy_strategy=strategy)


def mysql_contenders(engine: Engine) -> dict[str, Contender]:
    server, client = engine.running.server, engine.client
    assert isinstance(client, Mysql)
    at = ["--host", server.host, "--port", str(server.port), "--user", server.user]

    def piped() -> None:
        client.create(TARGET, owner_of(TARGET), PASSWORD)
        dump = ["mariadb-dump", *at, "--single-transaction", "--routines", "--triggers", SOURCE]
        secret = {"MYSQL_PWD": engine.running.password}
        pipe(dump, ["mariadb", *at, "--binary-mode", TARGET], secret)

    return {"clone": lambda: clone(client), "dump | restore": piped}


def clone(client: Databases) -> None:
    client.create(TARGET, owner_of(TARGET), PASSWORD, template=GOLDEN)


def measure(engine: Engine, contenders: dict[str, Contender], megabytes: int, rounds: int) -> None:
    client = engine.client
    client.create(SOURCE, owner_of(SOURCE), PASSWORD)
    fill(engine, megabytes)
    started = time.perf_counter()
    client.make_template(GOLDEN, SOURCE, {"project": "bench"})
    took = time.perf_counter() - started
    if engine.quote == "`":  # its sizes are estimates that lag behind
        with engine.administrator() as ask:
            for table in range(TABLES):
                ask(f"ANALYZE TABLE `{GOLDEN}`.t{table}")
    found = client.find(GOLDEN)
    assert found
    print(f"golden database of {found.size_bytes / 2**20:.0f} MiB in {TABLES} tables,", end=" ")
    print(f"made in {took:.1f} s")
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            client.drop(TARGET)
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    for name, times in seconds.items():
        print(f"{name:28} {', '.join(f'{each:.2f}' for each in times)} s")
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    best_dump = min((value, name) for name, value in middle.items() if "dump" in name)
    for name, value in middle.items():
        if "clone" in name:
            ratio = best_dump[0] / value
            print(f"{best_dump[1]} takes {ratio:.1f} times as long as {name} (medians of {rounds})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=("postgres", "mysql"), default="postgres")
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.engine == "postgres":
        os.environ["PATH"] += f":{Path(shutil.which('postgres') or '/').resolve().parent}"
        with real.postgres(("-c", "max_wal_size=4GB")) as running:
            engine = postgres_engine(running)
            measure(engine, postgres_contenders(engine), given.megabytes, given.rounds)
    else:
        with real.mysql(("--log-bin-trust-function-creators=1",)) as running:
            engine = mysql_engine(running)
            measure(engine, mysql_contenders(engine), given.megabytes, given.rounds)


if __name__ == "__main__":
    main()
