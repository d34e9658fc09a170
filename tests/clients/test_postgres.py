"""URLs and the wording of errors, which need no server."""

from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from reviewapps.clients.postgres import Postgres
from reviewapps.errors import Conflict, ServiceError, Unreachable, UserError
from reviewapps.settings import DatabaseServer

NAME = "login-abcdef--db"


def client(host: str = "db.example", ca_file: str = "") -> Postgres:
    return Postgres(DatabaseServer(host=host, port=5432, ca_file=ca_file), lambda: "secret")


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_every_password_survives_the_url(password: str) -> None:
    parts = urlsplit(client().url(NAME, password))
    assert unquote(parts.password or "") == password
    assert parts.username == NAME
    assert parts.path == f"/{NAME}"
    assert parts.hostname == "db.example"


def test_a_url_is_what_libpq_and_rails_read() -> None:
    assert client().url(NAME, "a b") == f"postgresql://{NAME}:a%20b@db.example:5432/{NAME}"
    assert client("::1").url(NAME, "x", database="staging") == (
        f"postgresql://{NAME}:x@[::1]:5432/staging"
    )


def test_tls_is_demanded_as_soon_as_the_settings_know_a_ca() -> None:
    trusting = client(ca_file="/here/ca.pem")
    assert trusting.url(NAME, "x").endswith("?sslmode=require")
    assert trusting.url(NAME, "x", ca_file="/in/app.pem").endswith(
        "?sslmode=verify-full&sslrootcert=%2Fin%2Fapp.pem"
    )


@pytest.mark.parametrize(
    ("raised", "ours", "word"),
    [
        (errors.LockNotAvailable("canceling statement"), Conflict, "another session"),
        (errors.ObjectInUse("source database is being accessed"), Conflict, "another session"),
        (errors.AdminShutdown("terminating connection"), Unreachable, "ended the session"),
        (psycopg.OperationalError("server closed the connection"), Unreachable, "ended"),
        (errors.UndefinedFile("could not open extension control file"), UserError, "extension"),
        (errors.InsufficientPrivilege("permission denied"), ServiceError, "refused"),
        (errors.DiskFull("could not extend file"), ServiceError, "could not extend file"),
    ],
)
def test_an_error_says_what_to_do_next(
    raised: psycopg.Error, ours: type[Exception], word: str
) -> None:
    told = client().translate(raised)
    assert type(told) is ours
    assert "db.example:5432" in told.message
    assert word in told.message
    assert told.hint
    assert "secret" not in str(told)


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("connection failed: Connection refused", False),
        ("connection timeout expired", False),
        ("connection failed: FATAL:  the database system is starting up", False),
        ('connection failed: FATAL:  password authentication failed for user "x"', True),
        ("connection failed: fe_sendauth: no password supplied", True),
        ("connection failed: SSL error: certificate verify failed", True),
    ],
)
def test_a_refusal_is_told_from_silence(text: str, answered: bool) -> None:
    told = client().unreachable(psycopg.OperationalError(text))
    assert (told is None) == answered
