"""PostgreSQL's own traps: each was reproduced on a server, and stays closed here."""

import contextlib
import itertools
import re
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from reviewapps.clients.databases import mark
from reviewapps.clients.postgres import Postgres
from reviewapps.errors import Conflict, NotFound, ReviewAppsError, Unreachable, UserError
from tests.real.databases import (
    Running,
    postgres_server,  # noqa: F401 - a fixture, used by its name
    superuser,
)
from tests.real.engines import Engine, name_of, owner_of, postgres_engine
from tests.real.killing import kill_everywhere

pytestmark = pytest.mark.real
PASSWORD = "swordfish-in-no-log"


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    running: Running = request.getfixturevalue("postgres_server")
    with superuser(running) as connection:
        # As on RDS, where the master user owns them.
        connection.execute("ALTER DATABASE postgres OWNER TO reviewapps")
        connection.execute("ALTER DATABASE template1 OWNER TO reviewapps")
        connection.execute("GRANT ALL ON DATABASE postgres TO PUBLIC")
        connection.execute("GRANT ALL ON DATABASE template1 TO PUBLIC")
    made = postgres_engine(running)
    made.client.prepare()
    yield made
    left = [found.name for found in made.client.owned()]
    assert not left, f"the tests left {left}"


@pytest.fixture
def client(engine: Engine) -> Postgres:
    assert isinstance(engine.client, Postgres)
    return engine.client


@pytest.fixture
def name(request: pytest.FixtureRequest, client: Postgres) -> Iterator[str]:
    made = name_of(request.node.name)
    yield made
    client.drop(made)


def make(client: Postgres, name: str, **more: Any) -> None:
    client.create(name, owner_of(name), PASSWORD, **more)


def test_the_administrator_of_these_tests_is_no_superuser(engine: Engine) -> None:
    with engine.administrator() as ask:
        assert ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]


def test_names_that_differ_after_63_bytes_are_refused(client: Postgres) -> None:
    """PostgreSQL cuts both to the same name and only notices."""
    for end in "ab":
        with pytest.raises(UserError, match="63 bytes"):
            make(client, "x" * 63 + end)
    with pytest.raises(UserError, match="63 bytes"):
        client.find("ż" * 32)


def test_preparing_closes_the_databases_that_everybody_may_enter(
    engine: Engine, client: Postgres, name: str
) -> None:
    assert client.open_doors() == []
    make(client, name)
    for lobby in ("postgres", "template1"):
        with (
            pytest.raises(psycopg.OperationalError, match="does not have CONNECT"),
            engine.login(name, PASSWORD, lobby),
        ):
            pass
    client.prepare()


def test_creating_an_app_closes_a_lobby_that_was_left_open(
    engine: Engine, client: Postgres, name: str
) -> None:
    with engine.administrator() as ask:
        ask("GRANT ALL ON DATABASE postgres TO PUBLIC")
    make(client, name)
    assert client.open_doors() == []


def test_an_open_door_is_told(engine: Engine, client: Postgres) -> None:
    with engine.administrator() as ask:
        ask("CREATE DATABASE forgotten")
        try:
            assert client.open_doors() == ["every role may connect to the database forgotten"]
        finally:
            ask("DROP DATABASE forgotten")


def test_no_password_reaches_the_log_of_the_server(
    engine: Engine, client: Postgres, name: str
) -> None:
    """The server logs every statement of these tests."""
    make(client, name)
    client.set_password(name, f"{PASSWORD}-again")
    client.password_works(name, PASSWORD)
    log = engine.running.log()
    assert f'COMMENT ON DATABASE "{name}"' in log
    assert "SCRAM-SHA-256$" in log
    assert PASSWORD not in log


def test_the_role_may_nothing_beyond_its_database(
    engine: Engine, client: Postgres, name: str
) -> None:
    make(client, name)
    with engine.administrator() as ask:
        rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit"
        (row,) = ask(f"SELECT {rights} FROM pg_roles WHERE rolname = '{name}'")
        assert row == (False, False, False, False, False, True)
        (row,) = ask(f"SELECT rolconfig FROM pg_roles WHERE rolname = '{name}'")
        assert row == (["statement_timeout=10min", "idle_in_transaction_session_timeout=5min"],)


def test_an_extension_that_may_belong_to_the_app_does(
    engine: Engine, client: Postgres, name: str
) -> None:
    """A schema dump comments on its extensions, and only their owner may."""
    make(client, name, extensions=["pgcrypto", "uuid-ossp"])
    make(client, name, extensions=["pgcrypto", "citext"])
    with engine.login(name, PASSWORD, name) as ask:
        rows = ask("SELECT extname FROM pg_extension ORDER BY 1")
        assert rows == [("citext",), ("pgcrypto",), ("plpgsql",), ("uuid-ossp",)]
        ask("COMMENT ON EXTENSION pgcrypto IS 'functions'")


@pytest.mark.parametrize("extension", ["no_such_thing", "pg_stat_statements", 'x"; DROP ROLE y'])
def test_an_extension_that_cannot_be_had_is_named(
    client: Postgres, name: str, extension: str
) -> None:
    with pytest.raises(UserError, match="extension") as caught:
        make(client, name, extensions=[extension])
    assert "database.extensions" in caught.value.hint
    found = client.find(name)
    assert found
    assert not found.ready


def test_what_an_owner_does_to_its_database_does_not_keep_it(
    engine: Engine, client: Postgres, name: str
) -> None:
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        ask(f"COMMENT ON DATABASE \"{name}\" IS 'mine now'")
        ask(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
        ask(f'GRANT ALL ON DATABASE "{name}" TO PUBLIC')
        ask(f"ALTER ROLE \"{name}\" SET statement_timeout = '1ms'")
    found = client.find(name)
    assert found
    assert not found.ready
    make(client, name)
    found = client.find(name)
    assert found
    assert found.ready
    assert client.open_doors() == []


def test_a_forged_mark_gives_nobody_else_the_database(client: Postgres, engine: Engine) -> None:
    """An app may write what it likes into the comment of its own database."""
    mine, other = name_of("forger"), name_of("forged")
    make(client, mine)
    try:
        with engine.login(mine, PASSWORD, mine) as ask:
            forged = mark({**owner_of(other), "kind": "app"})
            ask(f"COMMENT ON DATABASE \"{mine}\" IS '{forged}'")
        found = client.find(mine)
        assert found
        assert found.owner["slug"] == owner_of(mine)["slug"]
        client.drop(other)
        assert client.find(mine)
    finally:
        client.drop(mine)
    assert client.find(mine) is None


def test_a_role_that_is_not_ours_is_left_alone(engine: Engine, client: Postgres) -> None:
    name = name_of("somebody-elses-role")
    with engine.administrator() as ask:
        ask(f'CREATE ROLE "{name}"')
        try:
            with pytest.raises(UserError, match="role"):
                make(client, name)
            with pytest.raises(UserError, match="role"):
                client.drop(name)
        finally:
            ask(f'DROP ROLE "{name}"')


def test_drop_works_when_our_membership_was_revoked(
    engine: Engine, client: Postgres, name: str
) -> None:
    make(client, name)
    with engine.administrator() as ask:
        ask(f'REVOKE "{name}" FROM CURRENT_USER')
    assert client.find(name)
    assert [found.name for found in client.owned()] == [name]
    client.drop(name)
    assert client.find(name) is None


ATTACKS = {
    "read over dblink": "SELECT * FROM dblink('{url}', 'SELECT word FROM secret') AS t(w text)",
    "foreign server": "CREATE EXTENSION postgres_fdw",
    "foreign file": "CREATE EXTENSION file_fdw",
    "program": "COPY (SELECT 1) TO PROGRAM 'id'",
    "file": "COPY (SELECT 1) TO '/tmp/out'",
    "read file": "SELECT pg_read_file('/etc/passwd')",
    "become": 'SET ROLE "{other}"',
    "become the administrator": "SET ROLE reviewapps",
    "join": 'GRANT "{other}" TO "{mine}"',
    "rename": 'ALTER DATABASE "{other}" RENAME TO stolen',
    "drop": 'DROP DATABASE "{other}"',
    "copy": 'CREATE DATABASE stolen TEMPLATE "{other}"',
    "comment": "COMMENT ON DATABASE \"{other}\" IS 'x'",
    "mark": "COMMENT ON ROLE \"{mine}\" IS 'x'",
    "password": "ALTER ROLE \"{other}\" PASSWORD 'x'",
    "limit": 'ALTER ROLE "{mine}" CONNECTION LIMIT -1',
    "end sessions": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = '{other}' AND pid <> pg_backend_pid()",
    "grant": 'GRANT CONNECT ON DATABASE "{other}" TO "{mine}"',
    "role": "CREATE ROLE helper",
    "verifiers": "SELECT rolpassword FROM pg_authid",
}


def test_no_app_reaches_the_data_of_another(engine: Engine, client: Postgres) -> None:
    """Ten apps, ninety ordered pairs, every way we know; 0 may succeed."""
    names = [name_of(f"tenant-{number}") for number in range(10)]
    succeeded: list[tuple[str, str, str]] = []
    tried = 0
    try:
        for each in names:
            make(client, each)
            with engine.login(each, PASSWORD, each) as ask:
                ask("CREATE TABLE secret AS SELECT 'hidden'::text AS word")
            with superuser(engine.running, each) as above:
                above.execute("CREATE EXTENSION dblink")  # as if the team wanted it
        for mine in names:
            with engine.login(mine, PASSWORD, mine) as ask:
                others = [name for name in names if name != mine]
                for other, (way, attack) in itertools.product(others, ATTACKS.items()):
                    place = f"host=127.0.0.1 port=5432 dbname={other}"
                    url = f"{place} user={mine} password={PASSWORD}"
                    statement = attack.format(url=url, mine=mine, other=other)
                    tried += 1
                    with contextlib.suppress(psycopg.Error):
                        if ask(statement) or not statement.startswith("SELECT"):
                            succeeded.append((mine, other, way))
        assert not succeeded
        assert tried == 90 * len(ATTACKS)
    finally:
        for each in names:
            client.drop(each)


def test_a_statement_that_takes_too_long_is_given_up(client: Postgres) -> None:
    with (
        pytest.raises(Unreachable, match="did not answer"),
        client.connection(limit_seconds=0.5) as connection,
    ):
        connection.execute("SET statement_timeout = 0")
        connection.execute("SELECT pg_sleep(30)")


def test_a_name_that_another_session_holds_is_a_conflict(
    engine: Engine, client: Postgres, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reviewapps.clients.postgres_connection.LOCK_SECONDS", 0.2)
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with client._alone_with(name):
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        with pytest.raises(Conflict):
            make(client, name)
    finally:
        done.set()
        holder.join()


# Killed anywhere


def state(engine: Engine, name: str) -> Any:
    """Return everything about a database and its role but object ids and verifiers."""
    with superuser(engine.running) as connection:
        return connection.execute(
            "SELECT d.datname, d.datdba::regrole::text, d.datacl::text, d.datistemplate,"
            " d.datallowconn, shobj_description(d.oid, 'pg_database'), r.rolname, r.rolcanlogin,"
            " r.rolconnlimit, r.rolconfig, shobj_description(r.oid, 'pg_authid'),"
            " ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid)"
            " FROM pg_roles r FULL JOIN pg_database d ON d.datname = r.rolname"
            " WHERE coalesce(r.rolname, d.datname) = %s",
            [name],
        ).fetchall()


def test_a_creation_that_was_killed_anywhere_is_finished_by_the_next(
    engine: Engine, client: Postgres, name: str
) -> None:
    def create() -> None:
        make(client, name, extensions=["citext"])

    create()
    wanted = state(engine, name)
    client.drop(name)
    for place in kill_everywhere(create):
        found = client.find(name)
        if found and found.ready:
            assert state(engine, name) == wanted, f"{place}: called ready too early"
        create()
        assert state(engine, name) == wanted, place
        assert client.password_works(name, PASSWORD), place
        client.drop(name)
        assert not state(engine, name), place


def test_a_drop_that_was_killed_anywhere_is_finished_by_the_next(
    engine: Engine, client: Postgres, name: str
) -> None:
    def drop() -> None:
        client.drop(name)

    make(client, name)
    for place in kill_everywhere(drop):
        drop()
        assert not state(engine, name), place
        make(client, name)


def test_a_creation_goes_on_after_a_killed_drop(client: Postgres, name: str) -> None:
    make(client, name)
    for place in kill_everywhere(lambda: client.drop(name)):
        make(client, name)
        found = client.find(name)
        assert found, place
        assert found.ready, place
        assert client.password_works(name, PASSWORD), place
    make(client, name)


# Golden templates

GOLDEN = "golden--7ks3qa"


@pytest.fixture
def source(client: Postgres, engine: Engine) -> Iterator[str]:
    """A migrated and seeded database with everything that ownership can get wrong."""
    made = name_of("the-source")
    make(client, made, extensions=["pgcrypto"])
    with engine.login(made, PASSWORD, made) as ask:
        ask("CREATE SCHEMA shop")
        ask("CREATE TYPE shop.colour AS ENUM ('red')")
        ask("CREATE TABLE shop.goods (id serial PRIMARY KEY, name text)")
        ask("INSERT INTO shop.goods (name) VALUES ('teapot'), ('kettle')")
        ask("CREATE VIEW shop.names AS SELECT name FROM shop.goods")
        ask("CREATE FUNCTION shop.one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        ask("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
        ask(f'GRANT SELECT ON shop.goods TO "{made}"')
        ask("SELECT lo_from_bytea(0, 'large')")
    yield made
    client.drop(made)
    client.drop(GOLDEN)


def test_a_clone_has_the_data_and_belongs_to_its_app(
    engine: Engine, client: Postgres, name: str, source: str
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop", "fingerprint": "7ks3qa"})
    make(client, name, template=GOLDEN, extensions=["pgcrypto"])
    found = client.find(name)
    assert found
    assert found.owner["template"] == GOLDEN
    with engine.login(name, PASSWORD, name) as ask:
        assert ask("SELECT name FROM shop.names ORDER BY 1") == [("kettle",), ("teapot",)]
        ask("INSERT INTO shop.goods (name) VALUES ('cup')")
        ask("ALTER TABLE shop.goods ADD COLUMN price int")
        ask("ALTER TYPE shop.colour ADD VALUE 'blue'")
        ask("CREATE TABLE more (id int)")
        ask("DROP FUNCTION shop.one()")
        ask("COMMENT ON EXTENSION pgcrypto IS 'functions'")
        assert ask("SELECT lo_get(oid) FROM pg_largeobject_metadata") == [(b"large",)]
    with engine.login(source, PASSWORD, source) as ask:  # the source lost nothing
        ask("INSERT INTO shop.goods (name) VALUES ('spoon')")
        assert ask("SELECT count(*) FROM shop.goods") == [(3,)]


def test_a_large_template_is_copied_by_files(
    engine: Engine, client: Postgres, name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    monkeypatch.setattr("reviewapps.clients.postgres_ddl.LARGE_BYTES", 1)
    make(client, name, template=GOLDEN)
    assert f'TEMPLATE "{GOLDEN}" STRATEGY "file_copy"' in engine.running.log()
    with engine.login(name, PASSWORD, name) as ask:
        assert ask("SELECT count(*) FROM shop.goods") == [(2,)]


def test_a_template_outlives_its_source_and_its_clones(
    engine: Engine, client: Postgres, name: str, source: str
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    client.drop(source)
    make(client, name, template=GOLDEN)
    client.drop(name)
    make(client, name, template=GOLDEN)
    with engine.login(name, PASSWORD, name) as ask:
        assert ask("SELECT count(*) FROM shop.goods") == [(2,)]
    client.drop(GOLDEN)
    assert client.find(GOLDEN) is None
    with engine.login(name, PASSWORD, name) as ask:
        assert ask("SELECT count(*) FROM shop.goods") == [(2,)]


def test_nobody_gets_into_a_template(
    engine: Engine, client: Postgres, name: str, source: str
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    make(client, name)
    for user, password in ((source, PASSWORD), (name, PASSWORD), (GOLDEN, PASSWORD)):
        with pytest.raises(psycopg.OperationalError), engine.login(user, password, GOLDEN):
            pass


def test_a_template_is_made_once(client: Postgres, source: str) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    first = client.find(GOLDEN)
    client.make_template(GOLDEN, source, {"project": "shop"})
    assert client.find(GOLDEN) == first
    assert first
    assert first.ready
    assert first.owner["kind"] == "template"


@pytest.mark.slow
def test_a_template_that_was_killed_anywhere_is_made_by_the_next(
    engine: Engine, client: Postgres, name: str, source: str
) -> None:
    def template() -> None:
        client.make_template(GOLDEN, source, {"project": "shop"})

    template()
    wanted, untouched = state(engine, GOLDEN), state(engine, source)
    client.drop(GOLDEN)
    for place in kill_everywhere(template):
        assert state(engine, source) == untouched, place
        template()
        assert state(engine, GOLDEN) == wanted, place
        client.drop(GOLDEN)
        assert not state(engine, GOLDEN), place


@pytest.mark.slow
def test_a_clone_that_was_killed_anywhere_is_finished_by_the_next(
    engine: Engine, client: Postgres, name: str, source: str
) -> None:
    def clone() -> None:
        make(client, name, template=GOLDEN)

    client.make_template(GOLDEN, source, {"project": "shop"})
    for place in kill_everywhere(clone):
        clone()
        with engine.login(name, PASSWORD, name) as ask:
            ask("INSERT INTO shop.goods (name) VALUES ('cup')")
            assert ask("SELECT count(*) FROM shop.goods") == [(3,)], place
        client.drop(name)


def test_a_template_goes_although_a_clone_of_it_was_killed_half_way(
    engine: Engine, client: Postgres, name: str, source: str
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    for _ in kill_everywhere(lambda: make(client, name, template=GOLDEN)):
        if (there := client.find(name)) and there.identity:
            break
    client.drop(GOLDEN)
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        assert ask("SELECT count(*) FROM shop.goods") == [(2,)]


def test_a_source_in_use_is_a_conflict(engine: Engine, client: Postgres, source: str) -> None:
    with engine.login(source, PASSWORD, source), pytest.raises(Conflict):
        client.make_template(GOLDEN, source, {"project": "shop"})
    client.make_template(GOLDEN, source, {"project": "shop"})


def test_several_clones_are_made_at_once(client: Postgres, engine: Engine, source: str) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    names = [name_of(f"clone-{number}") for number in range(4)]
    troubles: list[ReviewAppsError] = []

    def clone(name: str) -> None:
        try:
            make(client, name, template=GOLDEN)
        except ReviewAppsError as error:
            troubles.append(error)

    threads = [threading.Thread(target=clone, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert not troubles
        for name in names:
            with engine.login(name, PASSWORD, name) as ask:
                assert ask("SELECT count(*) FROM shop.goods") == [(2,)]
    finally:
        for name in names:
            client.drop(name)


def test_a_template_that_is_not_there_is_said_before_anything_is_made(
    client: Postgres, name: str
) -> None:
    with pytest.raises(NotFound, match="golden--gone"):
        make(client, name, template="golden--gone")
    assert client.find(name) is None


# A database in common


@pytest.fixture
def common(engine: Engine, client: Postgres) -> Iterator[str]:
    """A database of the team's own, with its own owner and a table of each kind of trouble."""
    with engine.administrator() as ask:
        ask("CREATE ROLE staging_owner LOGIN PASSWORD 'x'")
        ask("GRANT staging_owner TO CURRENT_USER")
        ask("CREATE DATABASE staging_data OWNER staging_owner")
        ask("REVOKE ALL ON DATABASE staging_data FROM PUBLIC")
    with engine.login("staging_owner", "x", "staging_data") as ask:
        ask("CREATE SCHEMA shop")
        ask("CREATE TABLE shop.goods (id serial PRIMARY KEY, name text)")
        ask("INSERT INTO shop.goods (name) VALUES ('teapot')")
    yield "staging_data"
    for found in client.owned():
        client.drop(found.name)
    with engine.administrator() as ask:
        ask("DROP DATABASE staging_data WITH (FORCE)")
        ask("DROP ROLE staging_owner")


def guest(client: Postgres, name: str, common: str, **more: Any) -> None:
    client.create_guest(name, owner_of(name), PASSWORD, common=common, **more)


def test_a_reader_reads_what_is_there_and_what_comes_and_writes_nothing(
    engine: Engine, client: Postgres, name: str, common: str
) -> None:
    guest(client, name, common)
    guest(client, name, common)
    found = client.find(name)
    assert found
    assert found.ready
    assert not found.identity
    assert client.password_works(name, PASSWORD, database=common)
    with engine.login("staging_owner", "x", common) as ask:
        ask("CREATE TABLE shop.later AS SELECT 1 AS id")
        ask("CREATE SCHEMA new")
        ask("CREATE TABLE new.latest AS SELECT 1 AS id")
    with engine.login(name, PASSWORD, common) as ask:
        assert ask("SELECT name FROM shop.goods") == [("teapot",)]
        assert ask("SELECT id FROM shop.later") == [(1,)]
        assert ask("SELECT id FROM new.latest") == [(1,)]
        ask("SET default_transaction_read_only = off")
        for statement in (
            "INSERT INTO shop.goods (name) VALUES ('x')",
            "UPDATE shop.goods SET name = 'x'",
            "DELETE FROM shop.goods",
            "TRUNCATE shop.goods",
            "SELECT nextval('shop.goods_id_seq')",
            "CREATE TABLE public.mine (id int)",
            "CREATE TABLE shop.mine (id int)",
            "CREATE TEMP TABLE mine (id int)",
            "DROP TABLE shop.goods",
            "CREATE SCHEMA mine",
        ):
            with pytest.raises(psycopg.Error):
                ask(statement)


def test_a_reader_that_was_killed_anywhere_is_made_by_the_next(
    engine: Engine, client: Postgres, name: str, common: str
) -> None:
    for place in kill_everywhere(lambda: guest(client, name, common)):
        guest(client, name, common)
        with engine.login(name, PASSWORD, common) as ask:
            assert ask("SELECT name FROM shop.goods") == [("teapot",)], place
        client.drop(name)
        assert not state(engine, name), place


def test_a_writer_makes_what_belongs_to_the_common_owner(
    engine: Engine, client: Postgres, name: str, common: str
) -> None:
    guest(client, name, common, write=True)
    with engine.login(name, PASSWORD, common) as ask:
        ask("INSERT INTO shop.goods (name) VALUES ('cup')")
        ask("ALTER TABLE shop.goods ADD COLUMN price int")
        ask("CREATE TABLE shop.mine (id int)")
    client.drop(name)
    assert client.find(name) is None
    with engine.login("staging_owner", "x", common) as ask:
        ask("DROP TABLE shop.mine")
        assert ask("SELECT count(*) FROM shop.goods") == [(2,)]


def test_a_writer_becomes_a_reader_and_then_gets_a_database(
    engine: Engine, client: Postgres, name: str, common: str
) -> None:
    guest(client, name, common, write=True)
    guest(client, name, common)
    with engine.login(name, PASSWORD, common) as ask, pytest.raises(psycopg.Error):
        ask("SET default_transaction_read_only = off")
        ask("INSERT INTO shop.goods (name) VALUES ('x')")
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        ask("CREATE TABLE mine (id int)")
    with pytest.raises(psycopg.OperationalError), engine.login(name, PASSWORD, common):
        pass
    with pytest.raises(UserError, match="database of its own"):
        guest(client, name, common)


def test_the_owner_of_much_is_not_lent_to_an_app(
    engine: Engine, client: Postgres, name: str, common: str
) -> None:
    with engine.administrator() as ask:
        ask("CREATE DATABASE production OWNER staging_owner")
        try:
            with pytest.raises(UserError, match="production"):
                guest(client, name, common, write=True)
            ask("ALTER DATABASE staging_data OWNER TO reviewapps")
            with pytest.raises(UserError, match="may make roles"):
                guest(client, name, common, write=True)
            ask("ALTER DATABASE staging_data OWNER TO staging_owner")
        finally:
            ask("DROP DATABASE production")


def test_tables_that_we_may_not_open_are_named(
    engine: Engine, client: Postgres, name: str, common: str
) -> None:
    with superuser(engine.running, common) as connection:
        connection.execute("CREATE TABLE shop.sealed (id int)")
    with pytest.raises(UserError, match=r"shop\.sealed, which belongs to postgres"):
        guest(client, name, common)
    found = client.find(name)
    assert found
    assert not found.ready


def test_a_guest_of_nothing_is_refused(client: Postgres, name: str) -> None:
    with pytest.raises(NotFound, match="no database nowhere"):
        guest(client, name, "nowhere")
    assert client.find(name) is None


def test_the_url_works_for_libpq_and_keeps_every_character(
    engine: Engine, client: Postgres, name: str
) -> None:
    odd = "p@ss/w?rd#:%&+ =ü"
    client.create(name, owner_of(name), odd)
    with psycopg.connect(client.url(name, odd)) as connection:
        row = connection.execute("SELECT current_user, current_database()").fetchone()
    assert row == (name, name)
    assert re.fullmatch(r"[!-~]+", client.url(name, odd))
