"""Connections to one PostgreSQL server: the rotating password, time limits, errors as ours."""

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from reviewapps.clients.master_password import MasterPassword
from reviewapps.errors import Conflict, ReviewAppsError, ServiceError, Unreachable, UserError
from reviewapps.settings import DatabaseServer

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_SECONDS = 5
LOCK_SECONDS = 30
BUSY_SECONDS = 8
STARTING = ("starting up", "shutting down", "not yet accepting", "in recovery mode")
MISTRUST = ("no password supplied", "certificate", "SSL")
BUSY = ("XX000", "55006", "40P01")  # tuple concurrently updated, object in use, deadlock
LOST = ("57P01", "57P02", "57P03", "08")
HINTS = {
    "42501": "the user in settings needs CREATEDB and CREATEROLE; RDS' master user has both",
    "53300": "raise max_connections, or lower the connection limits of the apps",
    "53100": "the server's disk is full: reviewapps list, then destroy what nobody needs",
}


class PostgresServer:
    """Where the server is and how to log in; `password` is asked again when it was refused."""

    def __init__(self, server: DatabaseServer, password: Callable[[], str]) -> None:
        self.server = server
        self.place = f"{server.host}:{server.port}"
        self._password = MasterPassword(password, rotates=server.rotates)

    @contextlib.contextmanager
    def connection(
        self, database: str = "postgres", limit_seconds: float = 60
    ) -> Iterator[Connection]:
        """Lend an autocommit connection as administrator; after the limit it is cut.

        The server's own statement_timeout can't end a wait for a server that is frozen, so a
        timer here shuts the socket down.
        """
        with self._translated(), contextlib.closing(self._connect(database)) as lent:
            late = threading.Event()
            with cut_after(limit_seconds, lent.fileno(), late):
                try:
                    timeout = f"{int(limit_seconds * 1000)}"
                    lent.execute(
                        "SELECT set_config('statement_timeout', %s, false),"
                        " set_config('lock_timeout', %s, false),"
                        " set_config('client_min_messages', 'warning', false)",
                        [timeout, f"{int(LOCK_SECONDS * 1000)}"],
                    )
                    yield lent
                except psycopg.Error as error:
                    if not late.is_set():
                        raise
                    raise Unreachable(
                        f"PostgreSQL at {self.place} did not answer for {limit_seconds:g} s",
                        hint="reviewapps doctor",
                    ) from error

    def login(self, user: str, password: str, database: str) -> Connection:
        """Log in; raises psycopg's errors. `ca_file` demands a server that proves its name."""
        tls = self.server.ca_file
        return psycopg.connect(
            host=self.server.host,
            port=self.server.port,
            user=user,
            password=password,
            dbname=database,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="reviewapps",
            sslmode="verify-full" if tls else "prefer",
            sslrootcert=tls or None,
        )

    def unreachable(self, error: psycopg.Error) -> Unreachable | None:
        """Return our error when nobody answered, None when the server itself spoke."""
        text = str(error)
        answered = "FATAL:" in text or any(word in text for word in MISTRUST)
        if answered and not any(word in text for word in STARTING):
            return None
        return Unreachable(
            f"PostgreSQL at {self.place} does not answer: {last_line(text)}",
            hint=f"check that the server runs and that {self.place} can be reached from here",
        )

    def _connect(self, database: str) -> Connection:
        try:
            return self._password.log_in(
                lambda password: self.login(self.server.user, password, database),
                lambda error: (
                    isinstance(error, psycopg.OperationalError) and not self.unreachable(error)
                ),
            )
        except psycopg.OperationalError as error:
            raise (self.unreachable(error) or self._refused(error)) from error

    def _refused(self, error: psycopg.Error) -> ServiceError:
        return ServiceError(
            f"PostgreSQL at {self.place} refused the user {self.server.user}:"
            f" {last_line(str(error))}",
            hint="check user, password and ca_file of postgresql in the settings",
        )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self.translate(error) from error

    def translate(self, error: psycopg.Error) -> ReviewAppsError:
        """Return one of our errors for what psycopg raised in a session."""
        state = error.sqlstate or ""
        text = error.diag.message_primary or last_line(str(error))
        if state.startswith(LOST) or (not state and isinstance(error, psycopg.OperationalError)):
            return Unreachable(
                f"PostgreSQL at {self.place} ended the session: {text}", hint="reviewapps doctor"
            )
        if state == "55P03" or state in BUSY:
            return Conflict(
                f"another session holds what is needed on PostgreSQL at {self.place}: {text}",
                hint="run the same command again",
            )
        if state in ("58P01", "0A000", "42501") and "extension" in text:
            return UserError(
                f"PostgreSQL at {self.place} can not give an extension: {text}",
                hint="take it out of database.extensions, or install it on the server",
            )
        return ServiceError(
            f"PostgreSQL at {self.place} refused: {text}",
            hint=HINTS.get(state, "reviewapps doctor"),
        )


@contextlib.contextmanager
def cut_after(limit_seconds: float, descriptor: int, late: threading.Event) -> Iterator[None]:
    """Shut the connection behind `descriptor` down when the block takes longer."""
    line = socket.socket(fileno=os.dup(descriptor))

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.close()


def run(connection: Connection, statement: LiteralString, *names: sql.Composable) -> None:
    """Run one statement of DDL, again for some seconds while another session is in its way."""
    query = sql.SQL(statement).format(*names)
    if connection.info.transaction_status is TransactionStatus.IDLE:
        again_while_busy(lambda: connection.execute(query))
    else:
        connection.execute(query)


def again_while_busy(work: Callable[[], object]) -> None:
    """Do `work`, which is a statement or a whole transaction, again while others are in its way."""
    deadline = time.monotonic() + BUSY_SECONDS
    for attempt in itertools.count():
        try:
            work()
            return
        except psycopg.Error as error:
            if error.sqlstate not in BUSY or time.monotonic() > deadline:
                raise
        time.sleep(min(0.05 * 2**attempt, 1))


def last_line(text: str) -> str:
    """Return the end of a message, where libpq says what happened."""
    return text.strip().splitlines()[-1].strip() if text.strip() else "no reason given"
