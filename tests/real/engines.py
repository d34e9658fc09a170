"""PostgreSQL and MySQL behind one face, so that one test states what both promise."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pymysql

from reviewapps import naming
from reviewapps.clients.databases import Databases
from reviewapps.clients.mysql import Mysql
from reviewapps.clients.mysql_state import user_of
from reviewapps.clients.postgres import Postgres
from reviewapps.settings import DatabaseServer
from tests.real.databases import Running

Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]
Connect = Callable[[DatabaseServer, Callable[[], str]], Databases]


@dataclass(frozen=True)
class Engine:
    """A running server, our client for it, and a plain login such as an app makes."""

    running: Running
    connect: Connect
    login: Callable[[str, str, str], contextlib.AbstractContextManager[Ask]]
    refusals: tuple[type[Exception], ...]
    quote: str
    lobby: str

    @property
    def client(self) -> Databases:
        """Return a fresh client, as another process has it."""
        return self.connect(self.running.server, lambda: self.running.password)

    def administrator(self) -> contextlib.AbstractContextManager[Ask]:
        """Log in as the user of the settings."""
        return self.login(self.running.server.user, self.running.password, self.lobby)

    def quoted(self, name: str) -> str:
        """Return a name as the engine's SQL wants it."""
        return f"{self.quote}{name}{self.quote}"

    def moved(self, **changes: Any) -> DatabaseServer:
        """Return the server's settings with something wrong in them."""
        return replace(self.running.server, **changes)


def postgres_engine(running: Running) -> Engine:
    """Return PostgreSQL as an Engine."""

    @contextlib.contextmanager
    def login(name: str, password: str, database: str) -> Iterator[Ask]:
        with psycopg.connect(
            host=running.server.host,
            port=running.server.port,
            user=name,
            password=password,
            dbname=database,
            autocommit=True,
        ) as connection:

            def ask(statement: str) -> Rows:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

            yield ask

    return Engine(running, Postgres, login, (psycopg.Error,), '"', "postgres")


def mysql_engine(running: Running) -> Engine:
    """Return MySQL as an Engine."""

    @contextlib.contextmanager
    def login(name: str, password: str, database: str) -> Iterator[Ask]:
        user = user_of(name) if "--" in name else name
        with pymysql.connect(
            host=running.server.host,
            port=running.server.port,
            user=user,
            password=password,
            database=database or None,
            autocommit=True,
            connect_timeout=5,
            read_timeout=10,
        ) as connection:

            def ask(statement: str) -> Rows:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    return list(cursor.fetchall())

            yield ask

    return Engine(running, Mysql, login, (pymysql.Error,), "`", "")


def owner_of(name: str, **more: str) -> Mapping[str, str]:
    """Return the owner that a step would write for the app's database `name`."""
    slug = naming.slug_of(name)
    about = {"project": "shop", "branch": f"deploy-{slug}", "created": "2026-11-21T09:00:00Z"}
    return {**about, "slug": slug, **more}


def name_of(label: str) -> str:
    """Return the name of an app's database, whose slug is made from `label`."""
    return naming.thing(naming.slug("shop", label), "db")
