"""The statements that make and unmake roles and databases; each may be run again."""

from collections.abc import Mapping

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from reviewapps.clients.databases import mark
from reviewapps.clients.postgres_connection import Connection, again_while_busy, run

ROLE_SETTINGS = {
    "statement_timeout": "10min",
    "idle_in_transaction_session_timeout": "5min",
}
LARGE_BYTES = 256 * 2**20
DEPENDENT = """
SELECT DISTINCT d.datname, pg_get_userbyid(d.datdba)
  FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
 WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = %s::regrole AND d.datallowconn
"""

DATABASES = """
SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE rolname = %(role)s
"""
CLOSED_SCHEMAS = """
SELECT nspname FROM pg_namespace
 WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
   AND NOT has_schema_privilege(%(role)s, oid, 'CREATE')
"""


def verifier(connection: Connection, name: str, password: str) -> str:
    """Return what PostgreSQL stores for a password, so that no log ever sees the password."""
    made = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return made.decode()


def claim_role(
    connection: Connection,
    name: str,
    claim: Mapping[str, str],
    *,
    secret: str = "",
    connections_limit: int = 0,
) -> None:
    """Create the role with our mark in one transaction, or put it right.

    Without a secret nobody can log in. The administrator has to be a member: without that it
    can't give the role a database.
    """
    role = Identifier(name)

    def claim_it() -> None:
        with connection.transaction():
            known = "SELECT 1 FROM pg_roles WHERE rolname = %s"
            if not connection.execute(known, [name]).fetchone():
                run(connection, "CREATE ROLE {}", role)
            if secret:
                words = (role, Literal(connections_limit), Literal(secret))
                run(
                    connection,
                    "ALTER ROLE {} LOGIN INHERIT CONNECTION LIMIT {} PASSWORD {}",
                    *words,
                )
            mark_role(connection, name, claim)
            join_role(connection, name)
            for setting, value in ROLE_SETTINGS.items():
                run(
                    connection,
                    "ALTER ROLE {} SET {} = {}",
                    role,
                    Identifier(setting),
                    Literal(value),
                )

    again_while_busy(claim_it)


def mark_role(connection: Connection, name: str, claim: Mapping[str, str]) -> None:
    """Write our mark where only the administrator may."""
    run(connection, "COMMENT ON ROLE {} IS {}", Identifier(name), Literal(mark(claim)))


def join_role(connection: Connection, name: str) -> None:
    """Make the administrator a member of the role, which gives it the role's rights."""
    run(connection, "GRANT {} TO CURRENT_USER", Identifier(name))


def create_database(connection: Connection, name: str, template: str, strategy: str) -> None:
    """template0 is the one template that nobody can be connected to and that takes any encoding."""
    database = Identifier(name)
    if template:
        how = SQL(" STRATEGY {}").format(Identifier(strategy)) if strategy else SQL("")
        words = (database, database, Identifier(template), how)
        run(connection, "CREATE DATABASE {} OWNER {} TEMPLATE {}{}", *words)
    else:
        statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'"
        run(connection, statement, database, database)


def best_strategy(connection: Connection, template: str) -> str:
    """Return how to copy: above some size copying files pays for the checkpoints that it forces.

    bench/clone.py has the figures. Before version 15 there was no choice.
    """
    if not template or connection.info.server_version < 150000:
        return ""
    size = connection.execute("SELECT pg_database_size(%s::name)", [template]).fetchone()
    return "file_copy" if size and size[0] > LARGE_BYTES else ""


def close_database(connection: Connection, name: str) -> None:
    """Every role may enter every database unless that is taken back."""
    run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", Identifier(name))


def create_extension(connection: Connection, role: str, extension: str) -> None:
    """The app should own what it may own, since a schema dump comments on extensions.

    Those that aren't trusted need the administrator.
    """
    name = Identifier(extension)
    known = "SELECT 1 FROM pg_extension WHERE extname = %s"
    if connection.execute(known, [extension]).fetchone():
        return
    try:
        with connection.transaction():
            run(connection, "SET LOCAL ROLE {}", Identifier(role))
            run(connection, "CREATE EXTENSION IF NOT EXISTS {}", name)
    except psycopg.errors.InsufficientPrivilege:
        run(connection, "CREATE EXTENSION IF NOT EXISTS {}", name)


def adopt(connection: Connection, old: str, new: str) -> None:
    """Give everything that `old` owns in this database to `new`, and forget what `old` might do.

    A new owner must have been able to make the thing where it is, so it may for a moment. REASSIGN
    takes the databases along that `old` owns, this one or not: they are given back at once.
    """
    before, after = Identifier(old), Identifier(new)

    def adopt_it() -> None:
        with connection.transaction():
            run(connection, "GRANT {} TO {}", before, after)
            places = connection.execute(CLOSED_SCHEMAS, {"role": new}).fetchall()
            for (schema,) in places:
                run(connection, "GRANT CREATE ON SCHEMA {} TO {}", Identifier(schema), after)
            here = Identifier(connection.info.dbname)
            run(connection, "GRANT CREATE ON DATABASE {} TO {}", here, after)
            databases = connection.execute(DATABASES, {"role": old}).fetchall()
            run(connection, "REASSIGN OWNED BY {} TO {}", before, after)
            for (database,) in databases:
                run(connection, "ALTER DATABASE {} OWNER TO {}", Identifier(database), before)
            for (schema,) in places:
                run(connection, "REVOKE CREATE ON SCHEMA {} FROM {}", Identifier(schema), after)
            if connection.info.dbname != new:
                run(connection, "REVOKE CREATE ON DATABASE {} FROM {}", here, after)
            run(connection, "REVOKE {} FROM {}", before, after)
            run(connection, "DROP OWNED BY {}", before)

    again_while_busy(adopt_it)


def end_sessions(connection: Connection, role: str) -> None:
    """Nobody may log in as `role` any more, and whoever had is put out."""
    run(connection, "ALTER ROLE {} NOLOGIN", Identifier(role))
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [role]
    )


def drop_database(connection: Connection, name: str) -> None:
    """Its owner may have made it a template, which can't be dropped."""
    run(connection, "ALTER DATABASE {} IS_TEMPLATE false", Identifier(name))
    run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", Identifier(name))


def dependent(connection: Connection, role: str) -> list[tuple[str, str]]:
    """Return the databases, each with its owner, in which `role` owns or may do something."""
    quoted = Identifier(role).as_string(connection)
    return [(name, owner) for name, owner in connection.execute(DEPENDENT, [quoted]).fetchall()]
