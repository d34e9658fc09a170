"""Real database servers for tests and benches: a container where Docker runs, else the binaries.

The administrator of each may do what the master user of an RDS server may do, and no more.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pymysql
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from reviewapps.clients.docker import Docker
from reviewapps.clients.mysql_connection import Connection
from reviewapps.errors import ReviewAppsError
from reviewapps.local import images
from reviewapps.settings import DatabaseServer

testcontainers_config.ryuk_disabled = True  # its image can't be had without a registry
READY_SECONDS = 60
POSTGRES_OPTIONS = ("-c", "log_statement=all", "-c", "log_connections=on", "-c", "fsync=off")
MYSQL_OPTIONS = (
    *("--general-log=1", "--log-output=TABLE", "--log-bin=bin", "--sync-binlog=0"),
    *("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"),
    "--log-bin-trust-function-creators=1",  # or only SUPER may create a trigger
)
# A build of another version: REVIEWAPPS_TEST_POSTGRES=/usr/lib/postgresql/17/bin
POSTGRES_BINARIES = os.environ.get("REVIEWAPPS_TEST_POSTGRES", "")


@dataclass(frozen=True)
class Running:
    """A server that runs: how reviewapps logs in, and what a test may do to it."""

    server: DatabaseServer
    password: str
    superuser: str
    log: Callable[[], str]
    freeze: Callable[[], None]
    thaw: Callable[[], None]

    @property
    def as_superuser(self) -> DatabaseServer:
        """Return how a test logs in to look at, or break, what the administrator can't."""
        return replace(self.server, user=self.superuser)


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def image(name: str) -> str:
    """Return the tag of a local image, built when it is missing; "" where Docker can't."""
    if name not in images.RECIPES:
        return ""
    with contextlib.suppress(ReviewAppsError, OSError):
        return images.ensure(Docker(), name, print)
    return ""


@contextlib.contextmanager
def container(
    tag: str,
    port: int,
    password: str,
    command: Sequence[str],
    volumes: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run an image of reviewapps; `superuser` and the user are filled in by the caller."""
    box = (
        DockerContainer(tag)
        .with_env("POSTGRES_PASSWORD", password)
        .with_env("MARIADB_PASSWORD", password)
        .with_command(" ".join(command))
        .with_exposed_ports(port)
    )
    for here, there in (volumes or {}).items():
        box.with_volume_mapping(here, there)
    with box:
        wrapped = box.get_wrapped_container()
        yield Running(
            DatabaseServer(
                host=box.get_container_host_ip(),
                port=int(box.get_exposed_port(port)),
                user="reviewapps",
            ),
            password,
            superuser="postgres",
            log=lambda: b"".join(box.get_logs()).decode("utf-8", "replace"),
            freeze=wrapped.pause,
            thaw=wrapped.unpause,
        )


@contextlib.contextmanager
def process(command: Sequence[str], folder: Path, user: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the foreground as an unprivileged user, its output in `folder`/log."""
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            list(command), stdout=log, stderr=log, cwd=folder, user=user, group=group_of(user)
        )
        try:
            yield running
        finally:
            running.send_signal(signal.SIGCONT)
            running.send_signal(signal.SIGINT)
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def unprivileged() -> str:
    """Return a user that a database server consents to run as."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def group_of(user: str) -> int:
    """Return the user's main group."""
    return pwd.getpwnam(user).pw_gid


@contextlib.contextmanager
def own_folder(user: str) -> Iterator[Path]:
    """Lend a folder that belongs to `user`, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="rv-db-", dir="/tmp"))
    try:
        shutil.chown(folder, user, group_of(user))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def signals(running: subprocess.Popen[bytes], sign: int) -> Callable[[], None]:
    """Return what sends a signal to a process and to the children it has then."""

    def send() -> None:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        for process_id in (running.pid, *map(int, children)):
            os.kill(process_id, sign)

    return send


@contextlib.contextmanager
def postgres_process(
    binaries: Path, password: str, options: Sequence[str] = POSTGRES_OPTIONS
) -> Iterator[Running]:
    """Run PostgreSQL from its binaries, set up like the image."""
    user = unprivileged()
    with own_folder(user) as folder:
        data, secret = folder / "data", folder / "password"
        secret.write_text(password)
        shutil.chown(secret, user)
        made = [str(binaries / "initdb"), f"--pgdata={data}", "--username=postgres"]
        made += [f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
        subprocess.run(
            made, check=True, capture_output=True, user=user, group=group_of(user), cwd=folder
        )
        port = free_port()
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
        with process([*command, *options], folder, user) as running:
            there = Running(
                DatabaseServer(host="127.0.0.1", port=port, user="reviewapps"),
                password,
                superuser="postgres",
                log=lambda: (folder / "log").read_text(errors="replace"),
                freeze=signals(running, signal.SIGSTOP),
                thaw=signals(running, signal.SIGCONT),
            )
            wait_for_postgres(there)
            with superuser(there) as connection:
                connection.execute("CREATE ROLE reviewapps LOGIN CREATEDB CREATEROLE")
                connection.execute("GRANT pg_monitor, pg_signal_backend TO reviewapps")
                connection.execute(f"ALTER ROLE reviewapps PASSWORD '{password}'")
            yield there


def wait_for_postgres(there: Running) -> None:
    """Wait until the superuser gets in."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with superuser(there):
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def superuser(there: Running, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
    """Log in as PostgreSQL's superuser, which reviewapps never is."""
    return psycopg.connect(
        host=there.server.host,
        port=there.server.port,
        user=there.superuser,
        password=there.password,
        dbname=database,
        autocommit=True,
    )


@contextlib.contextmanager
def postgres(options: Sequence[str] = POSTGRES_OPTIONS) -> Iterator[Running]:
    """Run a PostgreSQL server of our own until the block ends."""
    password = secrets.token_urlsafe(12)
    tag = "" if POSTGRES_BINARIES else image("postgres")
    if tag:
        with container(tag, 5432, password, options) as there:
            wait_for_postgres(there)
            yield there
        return
    found = POSTGRES_BINARIES or str(Path(shutil.which("postgres") or "").resolve().parent)
    if not (Path(found) / "initdb").exists():
        pytest.fail("these tests need Docker, or PostgreSQL's binaries on PATH")
    with postgres_process(Path(found), password, options) as there:
        yield there


def wait_for_mysql(there: Running) -> None:
    """Wait until the superuser gets in."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with mysql_superuser(there):
                return
        except pymysql.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def mysql_superuser(there: Running) -> Connection:
    """Log in as MySQL's superuser, which reviewapps never is."""
    return pymysql.connect(
        host=there.server.host,
        port=there.server.port,
        user=there.superuser,
        password=there.password,
        autocommit=True,
        connect_timeout=5,
        read_timeout=10,
    )


def mysql_log(there: Running) -> str:
    """Return every statement that the server wrote down, for its operator and for replicas."""
    with mysql_superuser(there) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT argument FROM mysql.general_log")
        told = [str(argument) for (argument,) in cursor.fetchall()]
        cursor.execute("SHOW BINLOG EVENTS")
        return "\n".join([*told, *(str(row[5]) for row in cursor.fetchall())])


@contextlib.contextmanager
def mysql(
    options: Sequence[str] = MYSQL_OPTIONS, volumes: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a MariaDB server of our own, which stands for MySQL, until the block ends."""
    password = secrets.token_urlsafe(12)
    tag = image("mariadb")
    if not tag:
        pytest.fail("these tests need Docker for MariaDB")
    with container(tag, 3306, password, options, volumes) as bare:
        there = replace(bare, superuser="root")
        wait_for_mysql(there)
        yield replace(there, log=lambda: mysql_log(there))


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[Running]:
    """One MySQL server for all tests of a run."""
    with mysql() as there:
        yield there


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Running]:
    """One PostgreSQL server for all tests of a run."""
    with postgres() as there:
        yield there
