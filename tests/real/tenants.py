"""What a hostile app may try against another one, as commands that run in its own container.

Every attempt says what it would print if it succeeded; all of an app's attempts run in one shell.
"""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import psycopg
import pymysql

from reviewapps import naming
from reviewapps.clients.mysql_state import user_of
from tests.real.apps import Place

TOOLS = r"""
say() { perl -e '
    use IO::Socket::INET; use IO::Socket::UNIX;
    ($where, $text) = @ARGV; $text =~ s/\\r\\n/\r\n/g; alarm 30;
    $s = $where =~ m{^/} ? IO::Socket::UNIX->new(Peer => $where)
        : IO::Socket::INET->new(PeerAddr => $where, Timeout => 2);
    $s or print("no connection to $where: $@\n"), exit 1;
    print $s $text; print while <$s>' "$1" "$2"; }
http() { say "$1" "GET $2 HTTP/1.0\r\nHost: localhost\r\nX-Nomad-Token: $token\r\n\r\n"; }
token=${NOMAD_TOKEN:-$(cat /secrets/nomad_token 2>/dev/null)}
gateway=$(perl -ne '
    print join ".", reverse unpack "C4", pack "H8", $1 if /^\w+\s+0{8}\s+(\w{8})/
' /proc/net/route)
export MYSQL_HISTFILE=/dev/null PGCONNECT_TIMEOUT=30
"""
DONE = "@@ done"


@dataclass(frozen=True)
class Attempt:
    """A command in the container, and what it prints when it reaches its goal."""

    kind: str
    what: str
    command: str
    booty: str


class Tenant:
    """An app that runs, with a secret in its database and one in its Redis."""

    def __init__(self, place: Place, word: str) -> None:
        self.place = place
        self.word = word
        self.container = str(place.inspect("unicorn")["Id"])

    @cached_property
    def env(self) -> dict[str, str]:
        """What the app finds in its environment."""
        lines = self.run("env").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @property
    def database(self) -> SplitResult:
        """Where its database is."""
        return urlsplit(self.env["DATABASE_URL"])

    @property
    def redis(self) -> SplitResult:
        """Where its Redis is."""
        return urlsplit(self.env["REDIS_URL"])

    @property
    def name(self) -> str:
        """The name of its database."""
        return naming.thing(self.place.slug, "db")

    def run(self, script: str) -> str:
        """Run a script in the container as the app's own user; return all that it prints."""
        done = subprocess.run(
            ["docker", "exec", "--interactive", self.container, "sh", "-s"],
            input=TOOLS + script,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        return done.stdout + done.stderr

    def results(self, attempts: list[Attempt]) -> list[str]:
        """Run attempts one after the other; return what each of them printed."""
        script = "".join(
            f"{{ {each.command} ; }} 2>&1 </dev/null\necho '{DONE}'\n" for each in attempts
        )
        printed = self.run(script).split(f"{DONE}\n")
        assert len(printed) == len(attempts) + 1, printed[-1]
        return printed[:-1]


def psql(url: str, statement: str) -> str:
    """Return the command that asks PostgreSQL."""
    return f"psql --no-psqlrc --no-password -Atq '{url}' -c \"{statement}\""


def mysql(at: SplitResult, user: str, password: str, statement: str, database: str = "") -> str:
    """Return the command that asks MySQL."""
    place = f"--host={at.hostname} --port={at.port} --user='{user}' --connect-timeout=30"
    return f"MYSQL_PWD='{password}' mariadb --no-defaults {place} -BN -e \"{statement}\" {database}"


def redis(at: SplitResult, *lines: str) -> str:
    """Return the command that talks to Redis."""
    return (
        f"say {at.hostname}:{at.port} '"
        + "".join(f"{line}\\r\\n" for line in lines)
        + "QUIT\\r\\n'"
    )


def hide(me: Tenant) -> list[str]:
    """Return the commands that put the secret into the app's own database and Redis."""
    table = f"CREATE TABLE secret (word varchar(99)); INSERT INTO secret VALUES ('{me.word}')"
    return [own_sql(me, table), own_redis(me, f"SET secret {me.word}")]


def own_sql(me: Tenant, statement: str) -> str:
    """Return the command that asks the app's own database."""
    at = me.database
    if at.scheme.startswith("postgres"):
        return psql(me.env["DATABASE_URL"], statement)
    return mysql(at, at.username or "", at.password or "", statement, at.path.strip("/"))


def own_redis(me: Tenant, line: str) -> str:
    """Return the command that talks to the app's own Redis."""
    return redis(me.redis, f"AUTH default {me.redis.password}", line)


def on_itself(me: Tenant) -> list[Attempt]:
    """Return what must work: else nothing that fails below would mean anything."""
    return [
        Attempt("database", "its own", own_sql(me, "SELECT word FROM secret"), me.word),
        Attempt("redis", "its own", own_redis(me, "GET secret"), me.word),
        Attempt("gateway", "known", 'echo "${gateway:+KNOWN}"', "KNOWN"),
        Attempt("http", "its own port", f"http {me.place.route().split()[0]} /up", " 200 OK"),
    ]


@contextmanager
def session(me: Tenant) -> Iterator[None]:
    """Keep a session of the app's open, whose last statement tells the secret."""
    at = me.database
    place = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
    statement = f"SELECT '{me.word}'"
    if at.scheme.startswith("postgres"):
        with psycopg.connect(me.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(statement.encode())
            yield
        return
    mysql_connection: Any = pymysql.connect(**cast(Any, place), database=at.path.strip("/"))
    with closing(mysql_connection), mysql_connection.cursor() as cursor:
        cursor.execute(statement)
        yield


def on_postgres(me: Tenant, other: Tenant) -> Iterable[Attempt]:
    """Return what an app may try against another one's PostgreSQL database."""
    own, mine = me.env["DATABASE_URL"], me.database
    place = f"{mine.hostname}:{mine.port}"
    read = "SELECT word FROM secret"
    for what, login, password in (
        ("own login", mine.username, mine.password),
        ("their login, own password", other.name, mine.password),
        ("their login, no password", other.name, ""),
        ("their login, its name", other.name, other.name),
    ):
        url = f"postgresql://{login}:{password}@{place}/{other.name}"
        yield Attempt("PostgreSQL", what, psql(url, read), other.word)
    for what, statement in (
        ("take their role", f"SET ROLE '{other.name}'; SELECT 'REACHED'"),
        ("its size", f"SELECT 'REACHED', pg_database_size('{other.name}')"),
        (
            "their password's hash",
            f"SELECT 'REACHED' FROM pg_authid WHERE rolname = '{other.name}'",
        ),
    ):
        yield Attempt("PostgreSQL", what, psql(own, statement), "REACHED")
    sessions = f"SELECT usename, query FROM pg_stat_activity WHERE datname = '{other.name}'"
    yield Attempt("PostgreSQL", "their statements", psql(own, sessions), other.word)


def on_mysql(me: Tenant, other: Tenant) -> Iterable[Attempt]:
    """Return what an app may try against another one's MySQL database."""
    at, theirs = me.database, user_of(other.name)
    login, password = at.username or "", at.password or ""
    read = f"SELECT word FROM \\`{other.name}\\`.secret"
    for what, user, word in (
        ("own login", login, password),
        ("their login, own password", theirs, password),
        ("their login, no password", theirs, ""),
        ("their login, its name", theirs, other.name),
    ):
        yield Attempt("MySQL", what, mysql(at, user, word, read), other.word)
    for what, statement in (
        ("list databases", "SHOW DATABASES"),
        ("list tables", "SELECT table_schema FROM information_schema.tables"),
        ("their sessions", "SHOW PROCESSLIST"),
        ("list logins", "SELECT user, db FROM mysql.db"),
    ):
        yield Attempt("MySQL", what, mysql(at, login, password, statement), other.name)


def on_redis(me: Tenant, other: Tenant) -> Iterable[Attempt]:
    """Return what an app may try against another one's Redis."""
    for what, first in (
        ("no password", "PING"),
        ("own password", f"AUTH default {me.redis.password}"),
        ("their name", f"AUTH default {other.place.slug}"),
    ):
        yield Attempt("Redis", what, redis(other.redis, first, "GET secret"), other.word)


def on_nomad(me: Tenant, other: Tenant) -> Iterable[Attempt]:
    """Return what an app may try to read another one's Variables."""
    address = me.place.cluster.address
    for path in (
        f"/v1/var/nomad/jobs/{naming.thing(other.place.slug, 'unicorn')}",
        f"/v1/var/reviewapps/{other.place.slug}/database",
    ):
        for what, where in (
            ("its task's socket", "/secrets/api.sock"),
            ("the node's address", f"{address}:4646"),
            ("its gateway", "$gateway:4646"),
        ):
            booty = other.database.password or ""
            yield Attempt("Nomad Variables", what, f'http "{where}" {path}', booty)


def on_consul(me: Tenant, other: Tenant) -> Iterable[Attempt]:
    """Return what an app may try to read another one's record."""
    for what, where in (
        ("the node's address", me.place.cluster.address),
        ("its gateway", "$gateway"),
        ("loopback", "127.0.0.1"),
    ):
        command = f'http "{where}:8500" "/v1/kv/reviewapps/?recurse&raw"'
        yield Attempt("Consul KV", what, command, other.place.slug)


ON_SERVICES: tuple[Callable[[Tenant, Tenant], Iterable[Attempt]], ...] = (
    *(on_redis, on_nomad, on_consul),
)
