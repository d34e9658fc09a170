"""Copy a MySQL database inside the server: MySQL has no templates.

A dump that is piped through a client would carry every row over the network twice, and a table
named by a hostile branch can smuggle commands into the client that reads the dump. Here the rows
never leave the server. Code (views, triggers, routines, events) is created by `code`'s user, so
that it runs with that user's rights and not with those of somebody who is dropped later.
"""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pymysql

from reviewapps.clients.mysql_connection import Connection, execute, quoted
from reviewapps.errors import UserError

COPIES_AT_ONCE = 2
DEFINER = re.compile(r" DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
TABLES = """
SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s
 ORDER BY coalesce(data_length, 0) DESC, table_name
"""
COLUMNS = """
SELECT column_name FROM information_schema.columns
 WHERE table_schema = %s AND table_name = %s AND coalesce(generation_expression, '') = ''
 ORDER BY ordinal_position
"""
ROUTINES = """
SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = %s
"""
TRIGGERS = """
SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s
 ORDER BY event_object_table, action_timing, event_manipulation, action_order
"""
EVENTS = "SELECT event_name FROM information_schema.events WHERE event_schema = %s"

Lend = Callable[[str], AbstractContextManager[Connection]]


def copy(lend: Lend, code: Lend, source: str, target: str) -> None:
    """Copy everything in `source` into the empty `target`; `lend` and `code` log in to one."""
    with lend(source) as here:
        kinds = execute(here, TABLES, source)
        strange = [f"{name} ({kind})" for name, kind in kinds if kind not in ("BASE TABLE", "VIEW")]
        if strange:
            raise UserError(f"a template can't hold {strange[0]}: only tables and views are copied")
        tables = [name for name, kind in kinds if kind == "BASE TABLE"]
        views = [name for name, kind in kinds if kind == "VIEW"]
        with lend(target) as there:
            loosen(there)
            for table in tables:
                ((_, statement),) = execute(here, f"SHOW CREATE TABLE {quoted(table)}")
                execute(there, percent(statement))
        with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
            list(pool.map(lambda table: copy_rows(lend, source, target, table), tables))
        with code(target) as there:
            for kind, name in execute(here, ROUTINES, source):
                create_code(here, there, kind, name)
            create_views(here, there, views)
            for (name,) in execute(here, TRIGGERS, source):
                create_code(here, there, "TRIGGER", name)
            for (name,) in execute(here, EVENTS, source):
                create_code(here, there, "EVENT", name)


def copy_rows(lend: Lend, source: str, target: str, table: str) -> None:
    """Copy one table's rows; generated columns generate themselves."""
    with lend(target) as connection:
        loosen(connection)
        names = [quoted(column) for (column,) in execute(connection, COLUMNS, source, table)]
        columns = ", ".join(names)
        into, origin = (f"{quoted(database)}.{quoted(table)}" for database in (target, source))
        statement = f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {origin}"  # noqa: S608 - all quoted
        execute(connection, statement)


def loosen(connection: Connection) -> None:
    """Take rows as they are: a zero id stays zero, and order doesn't matter to foreign keys."""
    execute(connection, "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    execute(connection, "SET SESSION foreign_key_checks = 0, unique_checks = 0")


def create_code(here: Connection, there: Connection, kind: str, name: str) -> None:
    """Create one routine, trigger or event under the SQL mode that it was written for."""
    (row,) = execute(here, f"SHOW CREATE {kind} {quoted(name)}")
    mode, statement = row[1], row[3] if kind == "EVENT" else row[2]
    execute(there, "SET SESSION sql_mode = %s", mode)
    execute(there, percent(DEFINER.sub("", statement, count=1)))


def create_views(here: Connection, there: Connection, names: Iterable[str]) -> None:
    """A view may stand on another: go round until none is left or none can be made."""
    left = list(names)
    while left:
        failed = []
        trouble: pymysql.Error | None = None
        for name in left:
            (row,) = execute(here, f"SHOW CREATE VIEW {quoted(name)}")
            try:
                execute(there, percent(DEFINER.sub("", row[1], count=1)))
            except pymysql.Error as error:
                failed.append(name)
                trouble = error
        if trouble and len(failed) == len(left):
            raise trouble
        left = failed


def percent(statement: str) -> str:
    """Return a statement from the server itself so that no `%` in it is taken for a value."""
    return statement.replace("%", "%%")
