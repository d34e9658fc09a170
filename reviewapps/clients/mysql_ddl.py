"""The statements that make and unmake MySQL databases and users; each may be run again."""

import hashlib
import time

import pymysql

from reviewapps.clients.mysql_connection import Connection, code_of, execute, quoted
from reviewapps.errors import Conflict

# GRANT ALL fails when the administrator lacks a single privilege of a newer server.
EVERYTHING = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW,"
    " CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER"
)
READING = "SELECT, SHOW VIEW"
NOT_THE_OWNER = (1095, 1227)
NO_SUCH_THREAD = 1094
LOCK_TIMED_OUT = 1205


def is_mariadb(connection: Connection) -> bool:
    """Say which of the two it is; they differ in how a password is handed over hashed."""
    ((version,),) = execute(connection, "SELECT @@version")
    return "mariadb" in str(version).lower()


def create_user(connection: Connection, user: str, password: str, connections_limit: int) -> None:
    """Create the user, or put password and limit right."""
    execute(connection, "CREATE USER IF NOT EXISTS %s@'%%' ACCOUNT LOCK", user)
    set_password(connection, user, password)
    limit = f"WITH MAX_USER_CONNECTIONS {int(connections_limit)}"
    execute(connection, f"ALTER USER %s@'%%' {limit} ACCOUNT UNLOCK", user)


def set_password(connection: Connection, user: str, password: str) -> None:
    """Hand MariaDB the hash: its logs show statements as they came, MySQL hides passwords."""
    if not is_mariadb(connection):
        execute(connection, "ALTER USER %s@'%%' IDENTIFIED BY %s", user, password)
        return
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    digest = hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()
    execute(connection, "ALTER USER %s@'%%' IDENTIFIED BY PASSWORD %s", user, f"*{digest}")


def grant(connection: Connection, privileges: str, database: str, user: str) -> None:
    """Give `user` rights on one database, whose name GRANT takes as a pattern.

    With partial_revokes it takes the name as it is, and a backslash would be part of it.
    """
    rows = execute(connection, "SHOW VARIABLES LIKE 'partial_revokes'")
    literally = bool(rows) and rows[0][1] == "ON"
    pattern = database if literally else escaped(database)
    execute(connection, f"GRANT {privileges} ON {quoted(pattern)}.* TO %s@'%%'", user)


def escaped(database: str) -> str:
    """Return a database name in which GRANT sees no wildcards."""
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def revoke_everything(connection: Connection, user: str) -> None:
    """Take all rights from a user."""
    execute(connection, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM %s@'%%'", user)


def create_database(connection: Connection, name: str) -> None:
    """Create an empty database in which every character can be kept."""
    execute(connection, f"CREATE DATABASE IF NOT EXISTS {quoted(name)} CHARACTER SET utf8mb4")


def drop_database(connection: Connection, name: str, user: str) -> None:
    """Drop it; whoever still holds one of its tables is put out first, and again if need be."""
    execute(connection, "SET SESSION lock_wait_timeout = 2")
    for attempt in range(5):
        end_sessions(connection, user)
        try:
            execute(connection, f"DROP DATABASE IF EXISTS {quoted(name)}")
            return
        except pymysql.OperationalError as error:
            if code_of(error) != LOCK_TIMED_OUT or attempt == 4:
                raise


def drop_user(connection: Connection, user: str) -> None:
    """Drop the user; one that logged in just before is put out after."""
    execute(connection, "DROP USER IF EXISTS %s@'%%'", user)
    end_sessions(connection, user)


def lock_user(connection: Connection, user: str) -> None:
    """Keep a user from logging in again; sessions it has stay."""
    execute(connection, "ALTER USER IF EXISTS %s@'%%' ACCOUNT LOCK", user)


def end_sessions(connection: Connection, user: str) -> None:
    """Put out every session of a user: neither locking nor dropping a user does that."""
    mine = "SELECT id FROM information_schema.processlist WHERE user = %s"
    for attempt in range(50):
        sessions = execute(connection, mine, user)
        if not sessions:
            return
        for (session,) in sessions:
            kill(connection, int(session))
        time.sleep(0.02 * min(attempt, 10))
    raise Conflict(f"sessions of {user} on MySQL don't end", hint="run the same command again")


def kill(connection: Connection, session: int) -> None:
    """End one session; on RDS that is a procedure, since nobody there may KILL others'."""
    try:
        execute(connection, f"KILL {session}")
    except pymysql.Error as error:
        if code_of(error) == NO_SUCH_THREAD:
            return
        if code_of(error) not in NOT_THE_OWNER:
            raise
        execute(connection, "CALL mysql.rds_kill(%s)", session)
