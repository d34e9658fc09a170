"""Connections to one MySQL or MariaDB server: the rotating password, time limits, our errors."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pymysql
from pymysql.connections import Connection as PyMySQLConnection
from pymysql.cursors import Cursor

from reviewapps.clients.master_password import MasterPassword
from reviewapps.errors import Conflict, ReviewAppsError, ServiceError, Unreachable
from reviewapps.settings import DatabaseServer

Connection: TypeAlias = "PyMySQLConnection[Cursor]"  # generic for the type checker only
Rows = tuple[tuple[Any, ...], ...]

CONNECT_SECONDS = 5
LOCK_SECONDS = 30
NOBODY_THERE = (2002, 2003, 2005, 2006, 2013, 1053)
DENIED = (1045, 1698)
BUSY = (1205, 1213)
MISTRUST = "certificate verify failed"
HINTS = {
    1040: "raise max_connections, or lower the connection limits of the apps",
    1044: "the user in settings needs all privileges WITH GRANT OPTION, as RDS' master user has",
    1227: "the user in settings lacks a privilege that RDS' master user has",
    1419: "set log_bin_trust_function_creators=1 in the server's parameters",
}


class MysqlServer:
    """Where the server is and how to log in; `password` is asked again when it was refused."""

    def __init__(self, server: DatabaseServer, password: Callable[[], str]) -> None:
        self.server = server
        self.place = f"{server.host}:{server.port}"
        self._password = MasterPassword(password, rotates=server.rotates)

    @contextlib.contextmanager
    def connection(self, database: str = "", limit_seconds: float = 60) -> Iterator[Connection]:
        """Lend an autocommit connection as administrator; no statement may take longer."""
        with self._translated(), contextlib.closing(self._connect(database)) as lent:
            # The handshake has the short limit; PyMySQL knows no other way to change it later.
            setattr(lent, "_read_timeout", limit_seconds)  # noqa: B010 - private, not in its types
            execute(lent, "SET SESSION lock_wait_timeout = %s", LOCK_SECONDS)
            yield lent

    def login(self, user: str, password: str, database: str) -> Connection:
        """Log in; raises PyMySQL's errors. `ca_file` demands a server that proves its name."""
        tls = self.server.ca_file
        return pymysql.connect(
            host=self.server.host,
            port=self.server.port,
            user=user,
            password=password,
            database=database or None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=CONNECT_SECONDS,
            write_timeout=60,
            ssl_ca=tls or None,
            ssl_verify_cert=True if tls else None,
            ssl_verify_identity=True if tls else None,
        )

    def unreachable(self, error: pymysql.Error) -> Unreachable | None:
        """Return our error when nobody answered, None when the server itself spoke."""
        if code_of(error) not in NOBODY_THERE or MISTRUST in str(error):
            return None
        return Unreachable(
            f"MySQL at {self.place} does not answer: {error.args[-1]}",
            hint=f"check that the server runs and that {self.place} can be reached from here",
        )

    def _connect(self, database: str) -> Connection:
        return self._password.log_in(
            lambda password: self.login(self.server.user, password, database),
            lambda error: isinstance(error, pymysql.OperationalError) and code_of(error) in DENIED,
        )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except pymysql.Error as error:
            raise self.translate(error) from error

    def translate(self, error: pymysql.Error) -> ReviewAppsError:
        """Return one of our errors for what PyMySQL raised."""
        code = code_of(error)
        text = str(error.args[-1]) if error.args else "no reason given"
        if unreachable := self.unreachable(error):
            return unreachable
        if code in DENIED or MISTRUST in text:
            return ServiceError(
                f"MySQL at {self.place} refused the user {self.server.user}: {text}",
                hint="check user, password and ca_file of mysql in the settings",
            )
        if code in BUSY:
            return Conflict(
                f"another session holds what is needed on MySQL at {self.place}: {text}",
                hint="run the same command again",
            )
        hint = HINTS.get(code, "reviewapps doctor")
        return ServiceError(f"MySQL at {self.place} refused: {text}", hint=hint)


def execute(connection: Connection, statement: str, *values: object) -> Rows:
    """Run one statement; values are quoted by the driver, names by `quoted`, `%%` is a `%`."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return tuple(cursor.fetchall())


def quoted(name: str) -> str:
    """Return a name as an identifier, ready for a statement that takes values too."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def code_of(error: pymysql.Error) -> int:
    """Return the server's or the driver's number of an error, 0 without one."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0
