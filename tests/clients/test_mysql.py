"""Logins, patterns, URLs and the wording of errors, which need no server."""

import re

import pymysql
import pytest

from reviewapps.clients.mysql import Mysql
from reviewapps.clients.mysql_connection import quoted
from reviewapps.clients.mysql_copy import DEFINER
from reviewapps.clients.mysql_ddl import escaped
from reviewapps.clients.mysql_state import user_of
from reviewapps.errors import Conflict, ServiceError, Unreachable
from reviewapps.settings import DatabaseServer

NAME = "login-abcdef--db"


def client() -> Mysql:
    return Mysql(DatabaseServer(host="db.example", port=3306, user="admin"), lambda: "secret")


def test_a_login_is_short_plain_and_its_own() -> None:
    logins = {user_of(f"a{number}--db") for number in range(1000)}
    assert len(logins) == 1000
    assert all(re.fullmatch(r"rv-[a-z2-7]{20}", login) for login in logins)


@pytest.mark.parametrize(
    ("database", "pattern"),
    [(NAME, NAME), ("a_b", r"a\_b"), ("a%b", r"a\%b"), ("a\\_b", r"a\\\_b")],
)
def test_grant_sees_no_wildcards(database: str, pattern: str) -> None:
    assert escaped(database) == pattern


def test_a_name_cannot_leave_its_quotes() -> None:
    assert quoted("a`; DROP TABLE b; --%") == "`a``; DROP TABLE b; --%%`"


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("CREATE DEFINER=`rv-x`@`%` TRIGGER t", "CREATE TRIGGER t"),
        ("CREATE ALGORITHM=MERGE DEFINER=`a``b`@`h` SQL SECURITY DEFINER VIEW", None),
        ("CREATE TRIGGER t", "CREATE TRIGGER t"),
    ],
)
def test_a_definer_is_left_behind(statement: str, without: str | None) -> None:
    left = DEFINER.sub("", statement, count=1)
    assert left == (without or "CREATE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW")


def test_a_url_is_what_rails_reads() -> None:
    login = user_of(NAME)
    assert client().url(NAME, "a b/c") == (
        f"mysql2://{login}:a%20b%2Fc@db.example:3306/{NAME}?encoding=utf8mb4"
    )


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (2003, Unreachable),
        (2013, Unreachable),
        (1205, Conflict),
        (1045, ServiceError),
        (1044, ServiceError),
        (1419, ServiceError),
    ],
)
def test_an_error_says_what_to_do_next(code: int, ours: type[Exception]) -> None:
    told = client().translate(pymysql.OperationalError(code, "something"))
    assert type(told) is ours
    assert "db.example:3306" in told.message
    assert told.hint
    assert "secret" not in str(told)
