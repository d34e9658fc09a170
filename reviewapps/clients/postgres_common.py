"""Logins into a database that several apps share: to read it, or to write it as its owner does."""

import contextlib

import psycopg
from psycopg.sql import Identifier, Literal

from reviewapps.clients.postgres_connection import Connection, run
from reviewapps.clients.postgres_ddl import CLOSED_SCHEMAS, DATABASES, claim_role, join_role
from reviewapps.errors import NotFound, UserError
from reviewapps.naming import fingerprint

OWNER = """
SELECT o.rolname, o.rolsuper OR o.rolcreaterole OR o.rolcreatedb, pg_has_role(o.oid, 'USAGE'),
       (SELECT array_agg(datname) FROM pg_database WHERE datdba = o.oid AND datname <> d.datname)
  FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba WHERE d.datname = %s
"""
SCHEMAS = """
SELECT nspname FROM pg_namespace
 WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY 1
"""
MAKERS = """
SELECT DISTINCT o.rolname, pg_has_role(o.oid, 'USAGE')
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_roles o ON o.oid = relowner
 WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname NOT LIKE 'pg\\_%'
   AND nspname <> 'information_schema' AND NOT rolsuper
"""
UNREADABLE = """
SELECT format('%%I.%%I, which belongs to %%s', nspname, relname, pg_get_userbyid(relowner))
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname NOT LIKE 'pg\\_%%'
   AND nspname <> 'information_schema'
   AND NOT (has_schema_privilege(%(role)s, n.oid, 'USAGE')
            AND has_table_privilege(%(role)s, c.oid, 'SELECT'))
 ORDER BY pg_has_role(relowner, 'USAGE'), 1
"""


def readers_of(common: str) -> str:
    """Return the role whose members may read `common`: one set of grants for all apps."""
    return f"reviewapps-readers-{fingerprint(common)}"


def owner_of(connection: Connection, common: str) -> tuple[str, bool, bool, list[str]]:
    """Return who owns `common`, whether that is an administrator, whether we are, what else is."""
    row = connection.execute(OWNER, [common]).fetchone()
    if not row:
        raise NotFound(
            f"there is no database {common} on this server",
            hint="check database.name in reviewapps.yml",
        )
    name, powerful, member, others = row
    return name, powerful, member, others or []


def give_owner(connection: Connection, inside: Connection, common: str) -> None:
    """Hand `common` and what we own in it to a role of its own; what others own stays theirs.

    REASSIGN takes all our databases along, so the others are taken back in the same transaction.
    """
    me = connection.info.user
    role = f"reviewapps-owner-{fingerprint(common)}"
    ours = [name for (name,) in inside.execute(DATABASES, {"role": me}).fetchall()]
    if common not in ours:
        return
    claim_role(connection, role, {"kind": "readers", "common": common})
    join_role(connection, role)
    before, after = Identifier(me), Identifier(role)
    with inside.transaction():
        run(inside, "ALTER DATABASE {} OWNER TO {}", Identifier(common), after)
        for (schema,) in inside.execute(CLOSED_SCHEMAS, {"role": role}).fetchall():
            run(inside, "GRANT CREATE ON SCHEMA {} TO {}", Identifier(schema), after)
        run(inside, "REASSIGN OWNED BY {} TO {}", before, after)
        for other in set(ours) - {common}:
            run(inside, "ALTER DATABASE {} OWNER TO {}", Identifier(other), before)


def let_read(connection: Connection, group: str) -> None:
    """In the common database: let the group read every table there is and every one to come."""
    role = Identifier(group)
    for maker, member in connection.execute(MAKERS).fetchall():
        if member or join_if_possible(connection, maker):
            words = (Identifier(maker), role)
            to_come = "ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT "
            run(connection, to_come + "USAGE ON SCHEMAS TO {}", *words)
            run(connection, to_come + "SELECT ON TABLES TO {}", *words)
            run(connection, to_come + "SELECT ON SEQUENCES TO {}", *words)
    for (schema,) in connection.execute(SCHEMAS).fetchall():
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            words = (Identifier(schema), role)
            run(connection, "GRANT USAGE ON SCHEMA {} TO {}", *words)
            run(connection, "GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}", *words)
            run(connection, "GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}", *words)
    # A GRANT by somebody who isn't the owner may succeed with a warning and grant nothing.
    unreadable = connection.execute(UNREADABLE, {"role": group}).fetchall()
    if unreadable:
        raise UserError(
            f"reviewapps may not let others read {unreadable[0][0]}"
            + (f", nor {len(unreadable) - 1} more" if unreadable[1:] else ""),
            hint="log in as that owner and GRANT its role to the user of the settings",
        )


def let_write(connection: Connection, name: str, common: str) -> None:
    """Let `name` do in `common` what its owner may; what it makes there belongs to that owner.

    An owner that can do more than own this database would hand all of that to the app.
    """
    owner, powerful, member, others = owner_of(connection, common)
    if powerful or others:
        why = "may make roles or databases" if powerful else f"also owns {others[0]}"
        raise UserError(
            f"{common} can't be shared: its owner {owner} {why}, and apps would get that right",
            hint=f"give {common} an owner of its own: ALTER DATABASE {common} OWNER TO …",
        )
    if not member:
        join_if_possible(connection, owner)
    run(connection, "GRANT {} TO {}", Identifier(owner), Identifier(name))
    words = (Identifier(name), Identifier(common), Literal(owner))
    run(connection, "ALTER ROLE {} IN DATABASE {} SET role = {}", *words)


def join_if_possible(connection: Connection, role: str) -> bool:
    """Become a member of `role` and say whether we may; where not, what comes next tells why."""
    try:
        join_role(connection, role)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True
