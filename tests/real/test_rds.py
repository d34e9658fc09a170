"""RDS as moto tells of it with a real server behind it: the same steps as on a local RDS, faster.

test_rds_apps.py does the whole from the command line, with a server and data for each instance.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from moto.rds.models import DBInstance

from reviewapps import settings
from reviewapps.clients.mysql_connection import MysqlServer
from reviewapps.clients.postgres_connection import PostgresServer
from reviewapps.errors import ServiceError, UserError, Waiting
from reviewapps.settings import Create, Settings
from reviewapps.steps import database, instance
from tests.fakes.account import (
    account,
    app_of,
    context_of,
    set_password,
    undo,
    walk,
    with_server,
)
from tests.real.databases import (
    Running,
    mysql_server,
    mysql_superuser,
    postgres_server,
    superuser,
)

__all__ = ["mysql_server", "postgres_server"]
pytestmark = pytest.mark.real
SNAPSHOT = {"mode": "snapshot", "snapshot": "nightly", "name": "shop_production"}


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch, postgres_server: Running) -> Iterator[settings.Aws]:
    """An account whose instances are all this one server; its own addresses do not resolve."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    host = postgres_server.server.host
    monkeypatch.setattr(DBInstance, "address", property(lambda _: host))
    with account() as found:
        yield found
    rotate(postgres_server, postgres_server.password)


@pytest.fixture
def there(where: settings.Aws, postgres_server: Running) -> Settings:
    """Settings that ask for a shared instance; only the port is written down."""
    port = postgres_server.server.port
    return with_server(where, port=port, instance="apps", create=Create(), user="reviewapps")


def rotate(server: Running, password: str) -> None:
    """Do on the server what RDS does when it rotates the password."""
    with superuser(server) as connection:
        connection.execute(f"ALTER ROLE reviewapps PASSWORD '{password}'")


def make_shared(there: Settings, server: Running) -> None:
    context = context_of(there)
    context.clients.rds.create("apps", "postgresql", Create(), "reviewapps")
    set_password(context, "apps", server.password)


def test_an_app_gets_its_database_on_an_instance_that_did_not_exist(
    there: Settings, postgres_server: Running
) -> None:
    app = app_of("deploy-first")
    context = context_of(there, app)
    with pytest.raises(Waiting, match="creating RDS instance apps"):
        instance.apply(app, context)
    set_password(context, "apps", postgres_server.password)
    assert walk(app, context) == []
    with psycopg.connect(database.url(app, context)) as connection:
        connection.execute("CREATE TABLE posts (id int)")
    assert database.missing(app, context_of(there, app)) == ""
    assert undo(app, context) == []
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.url(app, context))
    assert context.clients.rds.find("apps") is not None, "the shared one stays"


def test_a_password_that_rotates_in_the_middle_is_read_again(
    there: Settings, postgres_server: Running
) -> None:
    make_shared(there, postgres_server)
    app = app_of("deploy-rotate")
    context = context_of(there, app)
    walk(app, context)
    server = database.server(app, context)
    assert server.find(app.named("db"))
    rotate(postgres_server, "fresh-one")
    set_password(context, "apps", "fresh-one")
    assert server.find(app.named("db")), "the client that knew the old one goes on"
    rotate(postgres_server, "fresh-two")
    with pytest.raises(ServiceError, match="refused the user reviewapps"):
        server.find(app.named("db"))  # the secret still says fresh-one
    set_password(context, "apps", "fresh-two")
    assert undo(app, context) == []


def test_a_secret_that_is_a_moment_behind_its_server_is_waited_for(
    postgres_server: Running, mysql_server: Running
) -> None:
    """As in the middle of a rotation; a password that never rotates is refused at once."""
    servers: list[tuple[type[PostgresServer | MysqlServer], Running]] = [
        (PostgresServer, postgres_server),
        (MysqlServer, mysql_server),
    ]
    for kind, running in servers:
        behind = iter(["old", "old", "old", running.password])
        at_rds = replace(running.server, instance="apps")
        with kind(at_rds, lambda behind=behind: next(behind)).connection():  # type: ignore[misc]
            assert next(behind, "none left") == "none left"
        asked: list[str] = []
        with pytest.raises(ServiceError), kind(running.server, lambda: wrong(asked)).connection():  # noqa: B023
            pass
        assert asked == ["old", "old"]


def wrong(asked: list[str]) -> str:
    asked.append("old")
    return "old"


def test_no_app_ever_sees_the_administrators_password(
    there: Settings, postgres_server: Running
) -> None:
    make_shared(there, postgres_server)
    app = app_of("deploy-secret")
    context = context_of(there, app)
    walk(app, context)
    seen = [database.url(app, context), str(context.nomad.__dict__)]
    assert not any(postgres_server.password in text for text in seen)
    undo(app, context)


def snapshot_of(where: settings.Aws, engine: str, port: int) -> None:
    """Leave the snapshot `nightly` of a server whose password RDS does not manage."""
    rds: Any = context_of(with_server(where, instance="apps")).clients.aws.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="production",
        DBInstanceClass="db.t4g.micro",
        Engine=engine,
        MasterUsername="reviewapps",
        MasterUserPassword="password123",
        AllocatedStorage=20,
        Port=port,
    )
    rds.create_db_snapshot(DBInstanceIdentifier="production", DBSnapshotIdentifier="nightly")


@pytest.fixture
def production(where: settings.Aws, postgres_server: Running) -> Iterator[None]:
    """A snapshot of a server whose administrator owns the database, as it often is."""
    server = postgres_server
    with superuser(server) as connection:
        connection.execute("CREATE DATABASE shop_production OWNER reviewapps")
        connection.execute("CREATE DATABASE other OWNER reviewapps")
    with superuser(server, "shop_production") as connection:
        connection.execute("SET ROLE reviewapps")
        connection.execute("CREATE SCHEMA audit")
        connection.execute("CREATE TABLE public.orders (id int)")
        connection.execute("CREATE TABLE audit.log (id int)")
        connection.execute("INSERT INTO orders VALUES (1), (2)")
    snapshot_of(where, "postgres", server.server.port)
    yield
    with superuser(server) as connection:
        for name in ("shop_production", "other"):
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        left = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'reviewapps-owner-%'"
        left += " OR rolname LIKE 'restore-%'"
        for (role,) in connection.execute(left).fetchall():
            connection.execute(f'DROP OWNED BY "{role}"')
            connection.execute(f'DROP ROLE "{role}"')


@pytest.mark.usefixtures("production")
def test_an_app_works_with_the_data_of_a_snapshot_and_with_nothing_else(
    there: Settings, postgres_server: Running
) -> None:
    app = app_of("deploy-restore", **SNAPSHOT)
    name = instance.identifier(app.slug)
    for _ in range(2):  # restore, then the managed password
        with pytest.raises(Waiting, match=name):
            database.apply(app, context_of(there, app))
    context = context_of(there, app)
    set_password(context, name, postgres_server.password)
    walk(app, context)
    assert database.missing(app, context_of(there, app)) == ""
    url = database.url(app, context)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)
        connection.execute("INSERT INTO audit.log VALUES (1)")
        connection.execute("ALTER TABLE orders ADD total int")
        connection.execute("CREATE TABLE posts (id int)")
        for statement in ("CREATE ROLE x", "CREATE DATABASE x", "SET ROLE reviewapps"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    database.apply(app, context)  # again, on what is there
    assert database.missing(app, context) == ""
    with superuser(postgres_server) as connection:
        owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'other'"
        assert connection.execute(owner).fetchone() == ("reviewapps",)
    undo(app, context)
    assert context.clients.rds.find(name) is None


@pytest.mark.usefixtures("production")
def test_a_snapshot_without_that_database_says_which_key_to_change(
    there: Settings, postgres_server: Running
) -> None:
    app = app_of("deploy-restore", mode="snapshot", snapshot="nightly")
    name = instance.identifier(app.slug)
    for _ in range(2):
        with pytest.raises(Waiting, match=name):
            database.apply(app, context_of(there, app))
    context = context_of(there, app)
    set_password(context, name, postgres_server.password)
    with pytest.raises(UserError, match="shop") as refused:
        database.apply(app, context)
    assert "database.name" in refused.value.hint
    undo(app, context)


def test_an_app_works_with_the_data_of_a_snapshot_of_mysql(
    monkeypatch: pytest.MonkeyPatch, mysql_server: Running
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    place = mysql_server.server
    monkeypatch.setattr(DBInstance, "address", property(lambda _: place.host))
    with mysql_superuser(mysql_server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop_production")
        cursor.execute("CREATE TABLE shop_production.orders (id int)")
        cursor.execute("CREATE DATABASE other_production")
    app = app_of("deploy-restore", engine="mysql", **SNAPSHOT)
    name = instance.identifier(app.slug)
    with account() as where:
        snapshot_of(where, "mysql", place.port)
        context = context_of(with_server(where, "mysql", instance="apps", create=Create()), app)
        for _ in range(2):
            with pytest.raises(Waiting, match=name):
                database.apply(app, context)
        set_password(context, name, mysql_server.password)
        walk(app, context)
        url = urlsplit(database.url(app, context))
        login: dict[str, Any] = {"host": url.hostname, "port": url.port, "password": url.password}
        connection = pymysql.connect(user=url.username, autocommit=True, **login)
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop_production.orders VALUES (1)")
            cursor.execute("CREATE TABLE shop_production.posts (id int)")
            with pytest.raises(pymysql.err.OperationalError):
                cursor.execute("CREATE TABLE other_production.posts (id int)")
        undo(app, context)
        assert context.clients.rds.find(name) is None
