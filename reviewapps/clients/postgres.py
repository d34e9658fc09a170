"""A database and a role per app on a shared PostgreSQL server.

The administrator is no superuser: on RDS it can't be. The order of the steps is what makes every
call safe to kill: a claim on the role first, the comment on the database last (postgres_state.py).
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

import psycopg
from psycopg.sql import Identifier, Literal

from reviewapps.clients import postgres_common as common_database
from reviewapps.clients import postgres_ddl as ddl
from reviewapps.clients.databases import Found, mark, refuse_bad_name
from reviewapps.clients.postgres_connection import Connection, PostgresServer, run
from reviewapps.clients.postgres_state import There, look, look_at_all
from reviewapps.errors import NotFound, UserError
from reviewapps.naming import slug_of
from reviewapps.settings import DatabaseServer

NAME_BYTES = 63
WORK_SECONDS = 120
COPY_SECONDS = 3600
OPEN = """
SELECT datname, datname IN ('postgres', 'template1') AND pg_has_role(datdba, 'USAGE')
  FROM pg_database
 WHERE datallowconn AND has_database_privilege('public', oid, 'CONNECT') ORDER BY 1
"""


class Postgres(PostgresServer):
    """The databases of all apps on one PostgreSQL server; fills clients.databases.Databases.

    `copy_strategy` is CREATE DATABASE's, "wal_log" or "file_copy"; else the size decides.
    """

    def __init__(
        self, server: DatabaseServer, password: Callable[[], str], *, copy_strategy: str = ""
    ) -> None:
        super().__init__(server, password)
        self.copy_strategy = copy_strategy

    def prepare(self) -> None:
        """Keep apps out of the databases that every login may otherwise enter."""
        with self.connection() as connection:
            close_lobbies(connection)

    def open_doors(self) -> list[str]:
        """Return the databases that every app's role may enter."""
        with self.connection() as connection:
            rows = connection.execute(OPEN).fetchall()
        return [f"every role may connect to the database {name}" for name, _ in rows]

    def find(self, name: str) -> Found | None:
        """Return the app's database or login, what is left of it, or None."""
        with self.connection() as connection:
            return self._look(connection, name, slug_of(name)).found()

    def owned(self) -> list[Found]:
        """Return everything on this server that carries our mark."""
        with self.connection() as connection:
            everything = look_at_all(connection)
        return [found for there in everything if there.ours and (found := there.found())]

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
        """Make role and database, or put right what is there; always sets the password."""
        limit = COPY_SECONDS if template and not self.find(name) else WORK_SECONDS
        with self._alone_with(name, limit) as connection:
            close_lobbies(connection)
            there = self._look(connection, name, owner["slug"])
            if there.kind == "guest":  # the app was in a common database before
                there = self._remove(connection, there)
            claim = {**owner, "kind": "app", "template": template}
            if there.database:  # what it was made from, and when, is history by now
                claim |= {key: there.claim.get(key, "") for key in ("created", "template")}
            elif template and not look(connection, template).ready:
                raise NotFound(f"there is no template {template} on PostgreSQL at {self.place}")
            secret = ddl.verifier(connection, name, password)
            ddl.claim_role(
                connection, name, claim, secret=secret, connections_limit=connections_limit
            )
            if not there.database:
                strategy = self.copy_strategy or ddl.best_strategy(connection, template)
                ddl.create_database(connection, name, template, strategy)
            ddl.close_database(connection, name)
            self._fill(connection, name, claim["template"], extensions)
            self._finish(connection, name, claim)

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
        """Make a role that reads `common` as a member of its readers, or writes as its owner."""
        with self._alone_with(name) as connection:
            there = self._look(connection, name, owner["slug"])
            if there.database:
                raise UserError(f"{name} has a database of its own; destroy the app first")
            close_lobbies(connection)
            common_database.owner_of(connection, common)
            use = {"common": common, "access": "write" if write else "read"}
            if there.role and not use.items() <= there.claim.items():
                self._remove(connection, there)  # what it may do elsewhere goes with it
            claim = {**owner, "kind": "guest", **use}
            secret = ddl.verifier(connection, name, password)
            ddl.claim_role(
                connection, name, claim, secret=secret, connections_limit=connections_limit
            )
            if write:
                common_database.let_write(connection, name, common)
            else:
                self._join_readers(connection, name, common)
            ddl.mark_role(connection, name, {**claim, "ready": "yes"})

    def give_owner(self, common: str) -> None:
        """Let `common`, on a server restored for one app, be shared without our own rights."""
        with self._alone_with(common) as connection:
            common_database.owner_of(connection, common)  # says when there is none
            with self.connection(common) as inside:
                common_database.give_owner(connection, inside, common)

    def make_template(self, name: str, source: str, owner: Mapping[str, str]) -> None:
        """Copy `source` into a database of the administrator that nobody can be connected to.

        Its objects belong to a role of the template's name, since those of the app's role could
        be neither dropped with that role nor handed to another.
        """
        with self._alone_with(name, COPY_SECONDS) as connection:
            there = self._look(connection, name, slug_of(name))
            if there.ready:
                return
            if not self._look(connection, source, slug_of(source)).database:
                raise NotFound(f"there is no database {source} to make a template from")
            claim = {**owner, "slug": slug_of(name), "kind": "template", "source": source}
            ddl.claim_role(connection, name, claim)
            if there.database:  # left by a run that was killed, maybe of older data
                ddl.drop_database(connection, name)
            words = (Identifier(name), Identifier(source))
            run(connection, "CREATE DATABASE {} TEMPLATE {}", *words)
            ddl.close_database(connection, name)
            with self.connection(name, COPY_SECONDS) as inside:
                ddl.adopt(inside, source, name)
            settings = "ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false"
            run(connection, settings, Identifier(name))
            self._finish(connection, name, claim)

    def drop(self, name: str) -> None:
        """Remove database and role: first nobody may log in, or clients would come back."""
        with self._alone_with(name) as connection:
            there = self._look(connection, name, slug_of(name))
            self._remove(connection, there)

    def set_password(self, name: str, password: str) -> None:
        """Change the password of an app's role."""
        with self._alone_with(name) as connection:
            if not self._look(connection, name, slug_of(name)).role:
                raise NotFound(f"there is no role {name} on PostgreSQL at {self.place}")
            secret = Literal(ddl.verifier(connection, name, password))
            run(connection, "ALTER ROLE {} LOGIN PASSWORD {}", Identifier(name), secret)

    def password_works(self, name: str, password: str, *, database: str = "") -> bool:
        """Say whether the app could log in; a full connection limit is no wrong password."""
        try:
            with contextlib.closing(self.login(name, password, database or name)):
                return True
        except psycopg.OperationalError as error:
            if unreachable := self.unreachable(error):
                raise unreachable from error
            return "too many connections" in str(error)

    def url(self, name: str, password: str, *, ca_file: str = "", database: str = "") -> str:
        """Return `postgresql://…`; TLS is demanded when the settings name a CA."""
        options = {}
        if ca_file:
            options = {"sslmode": "verify-full", "sslrootcert": ca_file}
        elif self.server.ca_file:
            options = {"sslmode": "require"}
        login = f"{quote(name, safe='')}:{quote(password, safe='')}"
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        place = f"{host}:{self.server.port}/{quote(database or name, safe='')}"
        return f"postgresql://{login}@{place}{'?' if options else ''}{urlencode(options)}"

    @contextlib.contextmanager
    def _alone_with(self, name: str, limit_seconds: float = WORK_SECONDS) -> Iterator[Connection]:
        """Lend a connection that alone may change `name`; the lock ends with the session."""
        refuse_bad_name(name, NAME_BYTES)
        with self.connection(limit_seconds=limit_seconds) as connection:
            key = f"reviewapps:{name}"
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [key])
            yield connection

    def _look(self, connection: Connection, name: str, slug: str) -> There:
        refuse_bad_name(name, NAME_BYTES)
        there = look(connection, name)
        there.refuse_others(slug, f"PostgreSQL {self.place}")
        return there

    def _remove(self, connection: Connection, there: There) -> There:
        """Drop what stands here, then look again."""
        name = there.name
        if there.role:
            ddl.join_role(connection, name)
            ddl.end_sessions(connection, name)
        if there.database:
            ddl.drop_database(connection, name)
        if there.role:
            for database, heir in ddl.dependent(connection, name):
                with self.connection(database) as inside:
                    ddl.adopt(inside, name, heir)
            run(connection, "DROP OWNED BY {}", Identifier(name))  # rights on databases
            run(connection, "DROP ROLE IF EXISTS {}", Identifier(name))
        return look(connection, name)

    def _fill(
        self, connection: Connection, name: str, template: str, extensions: Sequence[str]
    ) -> None:
        """Do what has to be done from inside the database."""
        copied = bool(template) and bool(look(connection, template).role)
        if not copied and not extensions:
            return
        with self.connection(name, COPY_SECONDS) as inside:
            if copied:
                ddl.adopt(inside, template, name)
            for extension in extensions:
                ddl.create_extension(inside, name, extension)

    def _finish(self, connection: Connection, name: str, claim: Mapping[str, str]) -> None:
        comment = Literal(mark(claim))
        run(connection, "COMMENT ON DATABASE {} IS {}", Identifier(name), comment)

    def _join_readers(self, connection: Connection, name: str, common: str) -> None:
        """All readers of a database share one role: its tables' rights don't grow with the apps."""
        group = common_database.readers_of(common)
        with self._alone_with(group) as alone:
            self._look(alone, group, "")
            claim = {"kind": "readers", "common": common}
            ddl.claim_role(alone, group, claim)
            words = (Identifier(common), Identifier(group))
            run(alone, "GRANT CONNECT ON DATABASE {} TO {}", *words)
            with self.connection(common) as inside:
                common_database.let_read(inside, group)
            ddl.mark_role(alone, group, {**claim, "ready": "yes"})
        run(connection, "GRANT {} TO {}", Identifier(group), Identifier(name))
        run(connection, "ALTER ROLE {} SET default_transaction_read_only = on", Identifier(name))


def close_lobbies(connection: Connection) -> None:
    """Take back every role's right to enter the server's own databases, where we own them."""
    for name, may in connection.execute(OPEN).fetchall():
        if may:
            ddl.close_database(connection, name)
