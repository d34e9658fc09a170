"""The images of the local cluster start for real, with passwords that try to break out."""

import time
from pathlib import Path

import psycopg
import pymysql
import pytest

from reviewapps.clients.docker import Docker
from reviewapps.local import images
from tests.real.containers import docker, eventually, running
from tests.real.databases import free_port

pytestmark = pytest.mark.real
PASSWORD = """a'b"c\\d $(id) %s"""
HOME = "/var/lib/postgresql"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """The option that gives the password as a file that anyone in the container may read."""
    (tmp_path / "password").write_text(PASSWORD)
    return f"--volume={tmp_path}/password:/password:ro"


def postgres(port: int, user: str) -> psycopg.Connection:
    place = {"host": "127.0.0.1", "port": port, "dbname": "postgres"}
    return psycopg.connect(**place, user=user, password=PASSWORD, autocommit=True)


def test_postgres_keeps_its_data_and_gives_reviewapps_what_rds_would(secret: str) -> None:
    port = free_port()
    options = (secret, "--env=POSTGRES_PASSWORD_FILE=/password")
    with running("postgres", "-c", f"port={port}", options=options) as container:
        with eventually(lambda: postgres(port, "reviewapps"), container) as connection:
            rights = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s"
            assert connection.execute(rights, ["reviewapps"]).fetchone() == (False, True, True)
            assert connection.execute("SHOW max_connections").fetchone() == ("300",)
            connection.execute("CREATE DATABASE kept")
        started = time.monotonic()
        docker("stop", "--time=30", container)
        assert time.monotonic() - started < 30, "it stopped by itself, it was not killed"
        docker("start", container)
        with eventually(lambda: postgres(port, "postgres"), container) as connection:
            found = connection.execute("SELECT count(*) FROM pg_database WHERE datname = 'kept'")
            assert found.fetchone() == (1,)
        assert PASSWORD not in docker("logs", container) + docker("top", container)


def test_postgres_starts_over_when_its_first_start_was_killed(secret: str, tmp_path: Path) -> None:
    port = free_port()
    data = tmp_path / "data"
    options = (secret, "--env=POSTGRES_PASSWORD_FILE=/password", f"--volume={data}:{HOME}")
    with running("postgres", "-c", f"port={port}", options=options) as container:
        eventually((data / "15.new/base").stat, container)
        docker("kill", container)
        assert [path.name for path in data.iterdir() if path.is_dir()] == ["15.new"]
        docker("start", container)
        eventually(lambda: postgres(port, "reviewapps"), container).close()
        assert [path.name for path in data.iterdir()] == ["15"]


def test_mariadb_gives_reviewapps_what_rds_would(secret: str) -> None:
    port = free_port()
    options = (secret, "--env=MARIADB_PASSWORD_FILE=/password")
    place = {"host": "127.0.0.1", "port": port, "password": PASSWORD}
    with running("mariadb", f"--port={port}", options=options) as container:
        found = eventually(lambda: pymysql.connect(user="reviewapps", **place), container)
        with found as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE kept")
            cursor.execute("SHOW GRANTS")
            assert "SUPER" not in cursor.fetchall()[0][0]
        docker("stop", "--time=30", container)
        docker("start", container)
        found = eventually(lambda: pymysql.connect(user="root", **place), container)
        with found as connection, connection.cursor() as cursor:
            assert cursor.execute("SHOW DATABASES LIKE 'kept'") == 1
        assert PASSWORD not in docker("logs", container) + docker("top", container)


def test_redis_asks_for_its_password_and_refuses_to_grow(secret: str) -> None:
    port = free_port()
    options = (secret, "--env=REDIS_PASSWORD_FILE=/password", f"--env=REDIS_PORT={port}")
    with running("redis", options=(*options, "--env=REDIS_MEMORY_MB=2")) as container:
        ask = ("exec", f"--env=REDISCLI_AUTH={PASSWORD}", container, "redis-cli", "-p", str(port))
        eventually(lambda: docker(*ask, "ping").index("PONG"), container)
        assert "NOAUTH" in docker("exec", container, "redis-cli", "-p", str(port), "ping")
        grow = "for i = 1, 100 do redis.call('set', i, string.rep('x', 100000)) end"
        docker(*ask, "eval", grow, "0")
        assert "OOM command not allowed" in docker(*ask, "set", "more", "x")
        assert PASSWORD not in docker("top", container) + docker("inspect", container)


@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis"])
def test_a_missing_password_is_said_and_not_replaced(name: str) -> None:
    with running(name) as container:
        assert docker("wait", container).strip() == "64"
        assert "PASSWORD_FILE" in docker("logs", container)


def test_an_image_is_built_once_for_the_same_files() -> None:
    images.ensure(Docker(), "redis", print)
    before = Docker().digest(images.RECIPES["redis"].tag)
    said: list[str] = []
    images.ensure(Docker(), "redis", said.append)
    assert said == []
    assert Docker().digest(images.RECIPES["redis"].tag) == before
