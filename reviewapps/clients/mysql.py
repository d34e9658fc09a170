"""A database and a user per app on a shared MySQL or MariaDB server.

The administrator isn't SUPER: on RDS it can't be. A row in `reviewapps.claims` is written before
anything else and marked ready after everything else (mysql_state.py).
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

import pymysql

from reviewapps.clients import mysql_ddl as ddl
from reviewapps.clients import mysql_state as state
from reviewapps.clients.databases import Found, refuse_bad_name
from reviewapps.clients.mysql_connection import (
    LOCK_SECONDS,
    Connection,
    MysqlServer,
    code_of,
    execute,
)
from reviewapps.clients.mysql_copy import copy
from reviewapps.clients.mysql_state import There, look, user_of
from reviewapps.errors import Conflict, NotFound, UserError
from reviewapps.naming import slug_of

NAME_BYTES = 64
COPY_SECONDS = 3600
LIMIT_REACHED = (1203, 1226)
DOORS = "SELECT db FROM mysql.db WHERE user IN ('', 'PUBLIC') ORDER BY 1"
NAMELESS = "SELECT host FROM mysql.user WHERE user = '' ORDER BY 1"


class Mysql(MysqlServer):
    """The databases of all apps on one MySQL server; fills clients.databases.Databases."""

    def prepare(self) -> None:
        """Make the table of claims."""
        with self.connection() as connection:
            state.prepare_claims(connection)

    def open_doors(self) -> list[str]:
        """Return the databases that every user may enter, and logins without a name."""
        with self.connection() as connection:
            doors = execute(connection, DOORS)
            nameless = execute(connection, NAMELESS)
        return [f"every user may use the database {name}" for (name,) in doors] + [
            f"anybody may log in without a name from {host}" for (host,) in nameless
        ]

    def find(self, name: str) -> Found | None:
        """Return the app's database or login, what is left of it, or None."""
        with self._prepared() as connection:
            return self._look(connection, name, slug_of(name)).found()

    def owned(self) -> list[Found]:
        """Return everything on this server that is claimed by us."""
        with self._prepared() as connection:
            names = state.claimed_names(connection)
            return [found for name in sorted(names) if (found := look(connection, name).found())]

    def create(  # noqa: PLR0913 - what a database is made from, by name
        self,
        name: str,
        owner: Mapping[str, str],
        password: str,
        *,
        connections_limit: int = 20,
        extensions: Sequence[str] = (),
        template: str = "",
    ) -> None:
        """Make user and database, or put right what is there; always sets the password.

        A database that was never ready is made from the beginning: it may be half a copy.
        """
        if extensions:
            raise UserError("MySQL has no extensions", hint="remove database.extensions")
        with self._alone_with(name) as connection:
            there = self._look(connection, name, owner["slug"])
            claim = {**owner, "kind": "app", "template": template}
            if there.ready and there.database:
                claim |= {key: there.claim.get(key, "") for key in ("created", "template")}
            elif template and not look(connection, template).ready:
                raise NotFound(f"there is no template {template} on MySQL at {self.place}")
            new = not (there.ready and there.database)
            state.write_claim(connection, name, claim, new=new)
            user = user_of(name)
            ddl.create_user(connection, user, password, connections_limit)
            if new:
                ddl.revoke_everything(connection, user)
                ddl.drop_database(connection, name, user)
            ddl.create_database(connection, name)
            ddl.grant(connection, ddl.EVERYTHING, name, user)
            if new and template:
                self._copy(template, name, user, password)
            state.finish(connection, name)

    def create_guest(  # noqa: PLR0913 - what a login is made from, by name
        self,
        name: str,
        owner: Mapping[str, str],
        password: str,
        *,
        common: str,
        write: bool = False,
        connections_limit: int = 20,
    ) -> None:
        """Make a user that reads `common`, or does there what an app does in its own."""
        with self._alone_with(name) as connection:
            there = self._look(connection, name, owner["slug"])
            if there.database:
                raise UserError(f"{name} has a database of its own; destroy the app first")
            if not look(connection, common).database:
                raise NotFound(
                    f"there is no database {common} on this server",
                    hint="check database.name in reviewapps.yml",
                )
            access = "write" if write else "read"
            claim = {**owner, "kind": "guest", "common": common, "access": access}
            state.write_claim(connection, name, claim, new=True)
            user = user_of(name)
            ddl.create_user(connection, user, password, connections_limit)
            ddl.revoke_everything(connection, user)
            ddl.grant(connection, ddl.EVERYTHING if write else ddl.READING, common, user)
            state.finish(connection, name)

    def give_owner(self, common: str) -> None:
        """Nobody owns a database of MySQL."""

    def make_template(self, name: str, source: str, owner: Mapping[str, str]) -> None:
        """Copy `source` into a database of the administrator's that no user may enter."""
        with self._alone_with(name) as connection:
            if self._look(connection, name, slug_of(name)).ready:
                return
            origin = self._look(connection, source, slug_of(source))
            if not origin.database:
                raise NotFound(f"there is no database {source} to make a template from")
            if origin.connections:
                raise Conflict(
                    f"{origin.connections} sessions use {source}, which is to become a template",
                    hint="stop what uses it, then run the same command again",
                )
            claim = {**owner, "slug": slug_of(name), "kind": "template", "source": source}
            state.write_claim(connection, name, claim, new=True)
            ddl.drop_database(connection, name, user_of(name))
            ddl.create_database(connection, name)
            copy(self._lend, self._lend, source, name)
            state.finish(connection, name)

    def drop(self, name: str) -> None:
        """Remove database and user: first nobody may log in, or clients would come back."""
        with self._alone_with(name) as connection:
            self._look(connection, name, slug_of(name))
            user = user_of(name)
            ddl.lock_user(connection, user)
            ddl.drop_database(connection, name, user)
            ddl.drop_user(connection, user)
            state.forget(connection, name)

    def set_password(self, name: str, password: str) -> None:
        """Change the password of an app's user."""
        with self._alone_with(name) as connection:
            if not self._look(connection, name, slug_of(name)).user:
                raise NotFound(f"there is no login for {name} on MySQL at {self.place}")
            ddl.set_password(connection, user_of(name), password)

    def password_works(self, name: str, password: str, *, database: str = "") -> bool:
        """Say whether the app could log in; a full connection limit is no wrong password."""
        try:
            with contextlib.closing(self.login(user_of(name), password, database or name)):
                return True
        except pymysql.Error as error:
            if unreachable := self.unreachable(error):
                raise unreachable from error
            return code_of(error) in LIMIT_REACHED

    def url(self, name: str, password: str, *, ca_file: str = "", database: str = "") -> str:
        """Return `mysql2://…` as Rails reads it; TLS is demanded when the settings name a CA."""
        options = {"encoding": "utf8mb4"}
        if ca_file:
            options |= {"ssl_mode": "verify_identity", "sslca": ca_file}
        elif self.server.ca_file:
            options |= {"ssl_mode": "required"}
        login = f"{user_of(name)}:{quote(password, safe='')}"
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        place = f"{host}:{self.server.port}/{quote(database or name, safe='')}"
        return f"mysql2://{login}@{place}?{urlencode(options)}"

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[Connection]:
        """Lend a connection on a server that has the table of claims."""
        with self.connection() as connection:
            state.prepare_claims(connection)
            yield connection

    @contextlib.contextmanager
    def _alone_with(self, name: str) -> Iterator[Connection]:
        """Lend a connection that alone may change `name`; the lock ends with the session."""
        refuse_bad_name(name, NAME_BYTES)
        with self._prepared() as connection:
            key = f"reviewapps:{user_of(name)}"
            ((got,),) = execute(connection, "SELECT get_lock(%s, %s)", key, LOCK_SECONDS)
            if got != 1:
                raise Conflict(
                    f"another session is at work on {name} on MySQL at {self.place}",
                    hint="run the same command again",
                )
            yield connection

    def _look(self, connection: Connection, name: str, slug: str) -> There:
        refuse_bad_name(name, NAME_BYTES)
        there = look(connection, name)
        there.refuse_others(slug, f"MySQL {self.place}")
        return there

    def _copy(self, template: str, name: str, user: str, password: str) -> None:
        @contextlib.contextmanager
        def as_app(database: str) -> Iterator[Connection]:
            with contextlib.closing(self.login(user, password, database)) as lent:
                yield lent

        copy(self._lend, as_app, template, name)

    def _lend(self, database: str) -> contextlib.AbstractContextManager[Connection]:
        return self.connection(database, COPY_SECONDS)
