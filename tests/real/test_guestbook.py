"""The example application does what its page promises, on two databases, and fails on demand."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pymysql
import pytest
from websockets.sync.client import connect

from reviewapps.clients.docker import Docker
from reviewapps.local import base_image, demo
from tests.real.containers import docker, eventually, running
from tests.real.databases import free_port

pytestmark = pytest.mark.real
PASSWORD = secrets.token_hex(8)
SLUG = "guestbook-test-abcdef"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class App:
    """A guest book with its services: its image, and the options that its processes need."""

    image: str
    port: int
    options: tuple[str, ...]
    redis: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *command: str) -> str:
        """Run a task of the application to its end; return its output."""
        return docker("run", "--rm", "--network=host", *self.options, self.image, *command)

    def fails(self, trouble: str, *command: str) -> str:
        """Run a process with a trouble until it ends by itself; return its output."""
        options = (*self.options, f"--env=TROUBLE={trouble}", "--memory=160m")
        with running(self.image, *command, options=options) as container:
            assert docker("wait", container).strip() != "0"
            return docker("logs", container) + docker(
                "inspect", "--format={{.State.ExitCode}} oom={{.State.OOMKilled}}", container
            )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of the example's first commit, built as a deploy would."""
    repository = tmp_path_factory.mktemp("demo")
    commit = demo.ensure(repository)["main"]
    tag = f"reviewapps-test/guestbook:{SLUG}-{commit[:12]}"
    host = Docker(build_network="host")
    base_image.ensure(host, print)
    host.build(repository, commit, tag, labels={"slug": SLUG})
    yield tag
    host.remove(tag)


@contextmanager
def services(image: str, engine: str) -> Iterator[App]:
    """Start a database server and Redis, and bring the database up to date."""
    web, database, redis = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        if engine == "postgres":
            server = running(
                "postgres",
                "-c",
                f"port={database}",
                options=(f"--env=POSTGRES_PASSWORD={PASSWORD}",),
            )
            container = stack.enter_context(server)
            eventually(lambda: make_postgres(database), container)
            url = f"postgresql://reviewapps:{PASSWORD}@127.0.0.1:{database}/guestbook"
        else:
            server = running(
                "mariadb", f"--port={database}", options=(f"--env=MARIADB_PASSWORD={PASSWORD}",)
            )
            container = stack.enter_context(server)
            eventually(lambda: make_mariadb(database), container)
            url = f"mysql2://reviewapps:{PASSWORD}@127.0.0.1:{database}/guestbook"
        options = (f"--env=REDIS_PASSWORD={PASSWORD}", f"--env=REDIS_PORT={redis}")
        box = stack.enter_context(running("redis", options=options))
        ask = ("exec", f"--env=REDISCLI_AUTH={PASSWORD}", box, "redis-cli", "-p", str(redis))
        eventually(lambda: docker(*ask, "ping").index("PONG"), box)
        environment = {
            "DATABASE_URL": url,
            "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{redis}/0",
            "PORT": str(web),
            "REVIEWAPPS_BRANCH": "deploy-<b>x</b>",
            "REVIEWAPPS_COMMIT": COMMIT,
            "REVIEWAPPS_RELEASE": "3",
            "REVIEWAPPS_HOST": "x-abcdef.localhost",
            "ASSET_HOST": "",
            "JOB_SECONDS": "0.2",
        }
        app = App(image, web, tuple(f"--env={k}={v}" for k, v in environment.items()), ask)
        assert "schema version 20260201000000" in app.run("ruby", "tasks/migrate.rb")
        assert app.run("ruby", "tasks/seed.rb").endswith("3 entries\n")
        yield app


def make_postgres(port: int) -> None:
    place = f"postgresql://reviewapps:{PASSWORD}@127.0.0.1:{port}/postgres"
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("CREATE DATABASE guestbook")


def make_mariadb(port: int) -> None:
    place = {"host": "127.0.0.1", "port": port, "password": PASSWORD}
    with pymysql.connect(user="reviewapps", **place).cursor() as cursor:
        cursor.execute("CREATE DATABASE guestbook CHARACTER SET utf8mb4")


@pytest.fixture(scope="module")
def app(image: str) -> Iterator[App]:
    """One guest book for the tests that need no other, with the seeds' jobs done."""
    with services(image, "postgres") as app:
        with whole(app) as (_, worker):
            wait_for_jobs(app, worker, 3)
        yield app


def figures(app: App) -> dict[str, int]:
    return httpx.get(f"{app.url}/figures.json").raise_for_status().json()


def up(app: App, container: str) -> None:
    eventually(lambda: httpx.get(f"{app.url}/up").raise_for_status(), container)


@contextmanager
def whole(app: App) -> Iterator[tuple[str, str]]:
    """Run the web process and the worker; give both containers."""
    with (
        running(app.image, options=app.options) as web,
        running(app.image, "ruby", "tasks/worker.rb", options=app.options) as worker,
    ):
        up(app, web)
        yield web, worker


def wait_for_jobs(app: App, container: str, done: int) -> None:
    def look() -> None:
        assert figures(app)["done"] >= done

    eventually(look, container)


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_an_entry_goes_through_database_queue_worker_and_stream(image: str, engine: str) -> None:
    with services(image, engine) as app, whole(app) as (_, worker):
        assert app.run("ruby", "tasks/migrate.rb").startswith("schema version"), "a second run"
        assert app.run("ruby", "tasks/seed.rb") == "3 entries\n", "a second run"
        wait_for_jobs(app, worker, 3)
        with httpx.stream("GET", f"{app.url}/events", timeout=30) as events:
            assert events.headers["content-type"] == "text/event-stream"
            told = (json.loads(line[6:]) for line in events.iter_lines() if line[:5] == "data:")
            before = next(told)
            entry = {"name": "Bob", "message": "<script>alert(1)</script> ü ★"}
            assert httpx.post(f"{app.url}/entries", data=entry).status_code == 303
            while (now := next(told))["stamped"] != before["stamped"] + 1:
                pass
        assert (now["entries"], now["done"]) == (before["entries"] + 1, before["done"] + 1)
        page = httpx.get(app.url).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; ü ★" in page
        assert "deploy-&lt;b&gt;x&lt;/b&gt;" in page
        assert COMMIT[:12] in page
        assert "Postgre" in page or "Mysql2" in page


def test_assets_have_a_digest_and_may_be_kept_for_ever(app: App) -> None:
    with whole(app):
        page = httpx.get(app.url).text
        style, code = (
            re.search(rf'"(/assets/app-[0-9a-f]{{16}}\.{end})"', page) for end in ("css", "js")
        )
        assert style and code
        answer = httpx.get(app.url + style[1])
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_the_websocket_says_back_what_it_hears(app: App) -> None:
    with whole(app):
        with connect(f"ws://127.0.0.1:{app.port}/echo") as socket:
            for said in ("hello", "ü" * 40_000, b"\0\xff"):
                socket.send(said)
                assert socket.recv(timeout=10) == said
            assert socket.ping().wait(10)
        assert httpx.get(f"{app.url}/echo").status_code == 426


def test_a_failed_job_is_kept_as_resque_keeps_it(app: App) -> None:
    with whole(app) as (_, worker):
        before = figures(app)
        httpx.post(f"{app.url}/entries", data={"name": "Bob", "message": "it will slip"})
        wait_for_jobs(app, worker, before["done"] + 1)
        assert figures(app)["failed"] == before["failed"] + 1
        kept = json.loads(docker(*app.redis, "lindex", "resque:failed", "-1"))
        assert kept["payload"]["class"] == "StampEntry"
        assert (kept["exception"], kept["error"]) == ("RuntimeError", "the stamp slipped")
        assert docker(*app.redis, "smembers", "resque:queues").strip() == "stamps"


@pytest.mark.parametrize("signal", ["QUIT", "TERM"])
def test_the_worker_finishes_its_job_before_it_stops(app: App, signal: str) -> None:
    options = (*app.options, "--env=JOB_SECONDS=2")
    with (
        running(app.image, options=app.options) as web,
        running(app.image, "ruby", "tasks/worker.rb", options=options) as worker,
    ):
        up(app, web)
        before = figures(app)["done"]
        httpx.post(f"{app.url}/entries", data={"name": "Bob", "message": "wait for me"})
        at_work = ("exists", f"resque:worker:{docker('exec', worker, 'hostname').strip()}:1:stamps")
        eventually(lambda: docker(*app.redis, *at_work).index("1"), worker)
        docker("kill", f"--signal={signal}", worker)
        assert docker("wait", worker).strip() == "0"
        assert figures(app)["done"] == before + 1
        assert figures(app)["workers"] == 0


def test_the_web_process_finishes_its_requests_before_it_quits(app: App) -> None:
    with whole(app) as (web, _):
        docker("kill", "--signal=QUIT", web)
        assert docker("wait", web).strip() == "0"


@pytest.mark.parametrize(
    ("trouble", "command", "said"),
    [
        ("crash-at-boot", (), "the setting MAIL_SERVER is missing"),
        ("eats-memory", (), "137 oom="),  # Docker may miss the kernel's kill on cgroup v1
        ("migration-fails", ("ruby", "tasks/migrate.rb"), "PG::UndefinedColumn"),
        ("seed-fails", ("ruby", "tasks/seed.rb"), "no seeds today"),
        ("worker-crashes", ("ruby", "tasks/worker.rb"), "the worker can't start"),
    ],
)
def test_a_trouble_ends_the_process_and_says_why(
    app: App, trouble: str, command: tuple[str, ...], said: str
) -> None:
    assert said in app.fails(trouble, *command)


def test_a_failed_migration_leaves_the_database_as_it_was(app: App) -> None:
    app.fails("migration-fails", "ruby", "tasks/migrate.rb")
    assert "schema version 20260201000000" in app.run("ruby", "tasks/migrate.rb")


def test_the_health_check_fails_on_demand_and_without_a_database(app: App) -> None:
    for extra in ("--env=TROUBLE=health-500", "--env=DATABASE_URL=postgresql://x@127.0.0.1:1/x"):
        with running(app.image, options=(*app.options, extra)) as web:
            answer = eventually(lambda: httpx.get(f"{app.url}/up"), web)
            assert answer.status_code == 500
            assert "told to fail" in answer.text or "ConnectionNotEstablished" in answer.text


@pytest.mark.parametrize("trouble", ["never-listens", "slow-boot=600"])
def test_a_process_that_does_not_listen_stays_up(app: App, trouble: str) -> None:
    with running(app.image, options=(*app.options, f"--env=TROUBLE={trouble}")) as web:
        eventually(lambda: docker("logs", web).index("Refreshing Gem list"), web)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{app.url}/up")
        running_still = docker("inspect", "--format={{.State.Running}}", web)
        assert running_still.strip() == "true"


def test_unicorn_restarts_a_crashing_worker_for_ever(app: App) -> None:
    with running(app.image, options=(*app.options, "--env=TROUBLE=crash-in-worker")) as web:
        eventually(lambda: docker("logs", web).index("lost its mind"), web)
        assert docker("inspect", "--format={{.State.Running}}", web).strip() == "true"


def test_a_trouble_can_be_committed(image: str, tmp_path: Path) -> None:
    demo.ensure(tmp_path)
    commit = demo.add_branch(tmp_path, "deploy-broken", {"trouble.txt": "crash-at-boot\n"})
    tag = f"reviewapps-test/guestbook:{SLUG}-{commit[:12]}"
    Docker(build_network="host").build(tmp_path, commit, tag, labels={"slug": SLUG})
    try:
        nowhere = "--env=DATABASE_URL=postgresql://x@127.0.0.1:1/x"
        options = (nowhere, "--env=REDIS_URL=redis://127.0.0.1:1", "--env=PORT=1")
        with running(tag, options=options) as web:
            assert docker("wait", web).strip() == "1"
            assert "MAIL_SERVER is missing" in docker("logs", web)
    finally:
        Docker().remove(tag)
