"""MySQL's own traps, on MariaDB: each was reproduced on a server, and stays closed here."""

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from reviewapps.clients.mysql import Mysql
from reviewapps.clients.mysql_state import user_of
from reviewapps.errors import Conflict, NotFound, ReviewAppsError, UserError
from tests.real.databases import (
    Running,
    mysql_server,  # noqa: F401 - a fixture, used by its name
    mysql_superuser,
)
from tests.real.engines import Engine, mysql_engine, name_of, owner_of
from tests.real.killing import kill_everywhere

pytestmark = pytest.mark.real
PASSWORD = "swordfish-in-no-log"
GOLDEN = "golden--7ks3qa"


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    running: Running = request.getfixturevalue("mysql_server")
    made = mysql_engine(running)
    made.client.prepare()
    yield made
    left = [found.name for found in made.client.owned()]
    assert not left, f"the tests left {left}"


@pytest.fixture
def client(engine: Engine) -> Mysql:
    assert isinstance(engine.client, Mysql)
    return engine.client


@pytest.fixture
def name(request: pytest.FixtureRequest, client: Mysql) -> Iterator[str]:
    made = name_of(request.node.name)
    yield made
    client.drop(made)


def make(client: Mysql, name: str, **more: Any) -> None:
    client.create(name, owner_of(name), PASSWORD, **more)


def state(engine: Engine, name: str) -> Any:
    """Return everything about a database and its user but the identity."""
    user = user_of(name)
    with engine.administrator() as ask:
        return (
            ask(f"SELECT name, owner, ready FROM reviewapps.claims WHERE name = '{name}'"),
            ask(f"SELECT * FROM information_schema.schemata WHERE schema_name = '{name}'"),
            [
                (host, about["authentication_string"], about.get("account_locked"))
                for host, text in ask(
                    f"SELECT host, priv FROM mysql.global_priv WHERE user = '{user}'"
                )
                for about in [json.loads(text)]
            ],
            ask(f"SELECT * FROM mysql.db WHERE user = '{user}'"),
        )


def test_the_administrator_of_these_tests_has_no_super(engine: Engine) -> None:
    with engine.administrator() as ask:
        ((grants,),) = ask("SHOW GRANTS")
    assert "SUPER" not in grants
    assert "ALL PRIVILEGES" not in grants


def test_a_login_is_never_too_long_for_mysql() -> None:
    """MariaDB would take 80 characters, so only this test can catch it."""
    longest = "a" * 33 + "-abcdef--db"
    assert len(user_of(longest)) <= 32
    assert user_of(longest) != user_of("b" + longest[1:])


def test_an_underscore_in_a_grant_is_no_wildcard(engine: Engine, client: Mysql, name: str) -> None:
    with engine.administrator() as ask:
        for database in ("staging_data", "stagingXdata", "staging%data"):
            ask(f"CREATE DATABASE `{database}`")
            ask(f"CREATE TABLE `{database}`.secret (word text)")
        try:
            for common in ("staging_data", "staging%data"):
                client.create_guest(name, owner_of(name), PASSWORD, common=common)
                with engine.login(name, PASSWORD, common) as asked:
                    assert asked("SELECT count(*) FROM secret") == [(0,)]
                    for other in {"staging_data", "stagingXdata", "staging%data"} - {common}:
                        with pytest.raises(pymysql.Error, match="denied"):
                            asked(f"SELECT * FROM `{other}`.secret")
                    shown = {row[0] for row in asked("SHOW DATABASES")}
                    assert shown == {common, "information_schema"}
                client.drop(name)
        finally:
            for database in ("staging_data", "stagingXdata", "staging%data"):
                ask(f"DROP DATABASE `{database}`")


def test_no_password_reaches_the_log_of_the_server(
    engine: Engine, client: Mysql, name: str
) -> None:
    """The server logs every statement of these tests."""
    make(client, name)
    client.set_password(name, f"{PASSWORD}-again")
    client.password_works(name, PASSWORD)
    log = engine.running.log()
    assert f"CREATE DATABASE IF NOT EXISTS `{name}`" in log
    assert PASSWORD not in log


def test_an_extension_is_refused(client: Mysql, name: str) -> None:
    with pytest.raises(UserError, match="extensions"):
        make(client, name, extensions=["pgcrypto"])


def test_nothing_is_open_to_everybody(engine: Engine, client: Mysql) -> None:
    assert client.open_doors() == []
    with engine.administrator() as ask:
        ask("CREATE USER ''@'%'")
        try:
            assert client.open_doors() == ["anybody may log in without a name from %"]
        finally:
            ask("DROP USER ''@'%'")


ATTACKS = {
    "read": "SELECT * FROM `{other}`.secret",
    "write": "INSERT INTO `{other}`.secret VALUES ('x')",
    "create": "CREATE TABLE `{other}`.mine (id int)",
    "use": "USE `{other}`",
    "drop": "DROP DATABASE `{other}`",
    "view": "CREATE OR REPLACE VIEW spy AS SELECT * FROM `{other}`.secret",
    "rename": "RENAME TABLE `{other}`.secret TO `{mine}`.stolen",
    "like": "CREATE TABLE stolen LIKE `{other}`.secret",
    "definer": "CREATE DEFINER=`{user}`@`%` VIEW spy AS SELECT 1",
    "grant": "GRANT ALL ON `{other}`.* TO CURRENT_USER()",
    "password": "SET PASSWORD FOR `{user}`@`%` = ''",
    "user": "CREATE USER helper",
    "limit": "ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS 0",
    "claims": "SELECT * FROM reviewapps.claims",
    "hashes": "SELECT * FROM mysql.global_priv",
    "names": "SELECT schema_name FROM information_schema.schemata WHERE schema_name = '{other}'",
    "sessions": "SELECT id FROM information_schema.processlist WHERE user <> substring_index("
    "current_user(), '@', 1)",
    "file": "SELECT 1 INTO OUTFILE '/tmp/out'",
    "load": "SELECT load_file('/etc/passwd') AS file HAVING file IS NOT NULL",
    "server": "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
    "plugin": "INSTALL SONAME 'ha_connect'",
    "global": "SET GLOBAL max_connections = 1",
}


def test_no_app_reaches_the_data_of_another(engine: Engine, client: Mysql) -> None:
    """Ten apps, ninety ordered pairs, every way we know; 0 may succeed."""
    names = [name_of(f"tenant-{number}") for number in range(10)]
    succeeded: list[tuple[str, str, str]] = []
    tried = 0
    try:
        for each in names:
            make(client, each)
            with engine.login(each, PASSWORD, each) as ask:
                ask("CREATE TABLE secret (word text)")
                ask("INSERT INTO secret VALUES ('hidden')")
        for mine in names:
            with engine.login(mine, PASSWORD, mine) as ask:
                others = [name for name in names if name != mine]
                for other, (way, attack) in itertools.product(others, ATTACKS.items()):
                    statement = attack.format(mine=mine, other=other, user=user_of(other))
                    tried += 1
                    try:
                        rows = ask(statement)
                    except pymysql.Error:
                        continue
                    if rows or not statement.startswith("SELECT"):
                        succeeded.append((mine, other, way))
        assert not succeeded
        assert tried == 90 * len(ATTACKS)
    finally:
        for each in names:
            client.drop(each)


def test_a_dropped_users_session_is_ended(engine: Engine, client: Mysql, name: str) -> None:
    """DROP USER alone leaves it connected."""
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        client.drop(name)
        with pytest.raises(pymysql.Error):
            ask("SELECT 1")


def test_sessions_are_ended_by_rds_own_procedure_where_kill_is_not_allowed(
    engine: Engine, client: Mysql, name: str
) -> None:
    make(client, name)
    with mysql_superuser(engine.running) as root, root.cursor() as cursor:
        cursor.execute("CREATE PROCEDURE mysql.rds_kill(IN thread bigint) KILL thread")
        cursor.execute("REVOKE CONNECTION ADMIN ON *.* FROM reviewapps@'%'")
        try:
            with engine.login(name, PASSWORD, name) as ask:
                client.drop(name)
                with pytest.raises(pymysql.Error):
                    ask("SELECT 1")
        finally:
            cursor.execute("GRANT CONNECTION ADMIN ON *.* TO reviewapps@'%'")
            cursor.execute("DROP PROCEDURE mysql.rds_kill")


def test_an_open_transaction_does_not_hold_up_the_drop(
    engine: Engine, client: Mysql, name: str
) -> None:
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        ask("CREATE TABLE goods (id int)")
        ask("BEGIN")
        ask("INSERT INTO goods VALUES (1)")
        client.drop(name)
    assert client.find(name) is None


def test_a_name_that_another_session_holds_is_a_conflict(
    engine: Engine, client: Mysql, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reviewapps.clients.mysql.LOCK_SECONDS", 1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with client._alone_with(name):
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        with pytest.raises(Conflict, match=name):
            make(client, name)
    finally:
        done.set()
        holder.join()


# Killed anywhere


def test_a_creation_that_was_killed_anywhere_is_finished_by_the_next(
    engine: Engine, client: Mysql, name: str
) -> None:
    def create() -> None:
        make(client, name)

    create()
    wanted = state(engine, name)
    client.drop(name)
    nothing = state(engine, name)
    for place in kill_everywhere(create):
        found = client.find(name)
        if found and found.ready:
            assert state(engine, name) == wanted, f"{place}: called ready too early"
        create()
        assert state(engine, name) == wanted, place
        assert client.password_works(name, PASSWORD), place
        client.drop(name)
        assert state(engine, name) == nothing, place


def test_a_drop_that_was_killed_anywhere_is_finished_by_the_next(
    engine: Engine, client: Mysql, name: str
) -> None:
    nothing = state(engine, name)
    make(client, name)
    for place in kill_everywhere(lambda: client.drop(name)):
        client.drop(name)
        assert state(engine, name) == nothing, place
        make(client, name)


def test_a_creation_goes_on_after_a_killed_drop(client: Mysql, name: str) -> None:
    make(client, name)
    for place in kill_everywhere(lambda: client.drop(name)):
        make(client, name)
        found = client.find(name)
        assert found, place
        assert found.ready, place
        assert client.password_works(name, PASSWORD), place
    make(client, name)


# Golden templates


@pytest.fixture
def source(client: Mysql, engine: Engine) -> Iterator[str]:
    """A migrated and seeded database with one of each thing that a copy can forget."""
    made = name_of("the-source")
    make(client, made)
    with engine.login(made, PASSWORD, made) as ask:
        ask("CREATE TABLE shops (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20) UNIQUE)")
        ask(
            "CREATE TABLE goods (id int AUTO_INCREMENT PRIMARY KEY, shop int, name varchar(40)"
            " DEFAULT '100%', price int, gross int AS (price * 2) STORED, data json,"
            " FOREIGN KEY (shop) REFERENCES shops (id))"
        )
        ask("INSERT INTO shops VALUES (1, 'Tea'), (7, 'Żółw')")
        ask("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        ask("INSERT INTO goods (id, shop, name, price) VALUES (0, 1, 'teapot %s', 5)")
        ask("INSERT INTO goods (shop, name, price) VALUES (7, 'a\\'\\\\b\\n', 3)")
        ask("CREATE TABLE `odd ``name%` (`a b` int)")
        ask("CREATE FUNCTION two() RETURNS int DETERMINISTIC RETURN 10 % 4")
        ask("CREATE VIEW z_first AS SELECT name, two() AS two FROM goods")
        ask("CREATE VIEW a_later AS SELECT name FROM z_first")
        ask("CREATE TRIGGER dear BEFORE INSERT ON goods FOR EACH ROW SET NEW.price = NEW.price + 1")
        ask("CREATE EVENT later ON SCHEDULE EVERY 1 YEAR DO DELETE FROM goods")
    yield made
    client.drop(made)
    client.drop(GOLDEN)


def test_a_clone_is_like_its_source_and_belongs_to_its_app(
    engine: Engine, client: Mysql, name: str, source: str
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    with engine.login(source, PASSWORD, source) as ask:
        rows = {table: ask(f"SELECT * FROM {table} ORDER BY 1") for table in ("shops", "goods")}
    client.drop(source)
    make(client, name, template=GOLDEN)
    found = client.find(name)
    assert found
    assert found.owner["template"] == GOLDEN
    with engine.login(name, PASSWORD, name) as ask:
        for table, there in rows.items():
            assert ask(f"SELECT * FROM {table} ORDER BY 1") == there
        assert ask("SELECT count(*) FROM a_later") == [(2,)]
        assert ask("SELECT two()") == [(2,)]
        assert ask("SELECT event_name FROM information_schema.events") == [("later",)]
        assert ask("SHOW TABLES LIKE 'odd%'")
        ask("INSERT INTO goods (shop, price) VALUES (1, 10)")
        newest = ask("SELECT id, name, price, gross FROM goods ORDER BY id DESC LIMIT 1")
        assert newest == [(2, "100%", 11, 22)]
        with pytest.raises(pymysql.err.IntegrityError):
            ask("INSERT INTO goods (shop) VALUES (99)")
        ask("ALTER TABLE goods ADD COLUMN colour text")
        ask("DROP VIEW a_later")
        definers = ask("SELECT definer FROM information_schema.views")
        assert definers == [(f"{user_of(name)}@%",)]
    with engine.administrator() as ask:
        assert ask(f"SELECT count(*) FROM `{GOLDEN}`.goods") == [(2,)]


def test_nobody_gets_into_a_template(engine: Engine, client: Mysql, name: str, source: str) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    make(client, name)
    for user in (source, name, GOLDEN):
        with pytest.raises(pymysql.Error), engine.login(user, PASSWORD, GOLDEN):
            pass


def test_a_template_is_made_once(client: Mysql, source: str) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})
    first = client.find(GOLDEN)
    client.make_template(GOLDEN, source, {"project": "shop"})
    again = client.find(GOLDEN)
    assert first
    assert again
    assert first.identity == again.identity
    assert first.ready
    assert first.owner["kind"] == "template"


def test_a_source_in_use_is_a_conflict(engine: Engine, client: Mysql, source: str) -> None:
    with engine.login(source, PASSWORD, source), pytest.raises(Conflict, match=source):
        client.make_template(GOLDEN, source, {"project": "shop"})


@pytest.mark.slow
def test_a_clone_that_was_killed_anywhere_is_made_by_the_next(
    engine: Engine, client: Mysql, name: str, source: str
) -> None:
    client.make_template(GOLDEN, source, {"project": "shop"})

    def clone() -> None:
        make(client, name, template=GOLDEN)

    places = 0
    for place in kill_everywhere(clone):
        places += 1
        if places % 2:
            continue
        clone()
        with engine.login(name, PASSWORD, name) as ask:
            assert ask("SELECT count(*) FROM a_later") == [(2,)], place
            assert ask("SELECT count(*) FROM shops") == [(2,)], place
        client.drop(name)
    assert places > 20


def test_a_sequence_is_refused_before_half_a_template_is_ready(
    engine: Engine, client: Mysql, source: str
) -> None:
    with engine.login(source, PASSWORD, source) as ask:
        ask("CREATE SEQUENCE numbers")
    with pytest.raises(UserError, match="numbers"):
        client.make_template(GOLDEN, source, {"project": "shop"})
    found = client.find(GOLDEN)
    assert found
    assert not found.ready


def test_several_clones_are_made_at_once(engine: Engine, client: Mysql, source: str) -> None:
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
                assert ask("SELECT count(*) FROM goods") == [(2,)]
    finally:
        for name in names:
            client.drop(name)


def test_a_template_that_is_not_there_is_said_before_anything_is_made(
    client: Mysql, name: str
) -> None:
    with pytest.raises(NotFound, match="golden--gone"):
        make(client, name, template="golden--gone")
    assert client.find(name) is None


# A database in common


@pytest.fixture
def common(engine: Engine) -> Iterator[str]:
    with engine.administrator() as ask:
        ask("CREATE DATABASE staging_data")
        ask("CREATE TABLE staging_data.goods (name varchar(20))")
        ask("INSERT INTO staging_data.goods VALUES ('teapot')")
        yield "staging_data"
        ask("DROP DATABASE staging_data")


def test_a_reader_reads_and_writes_nothing(
    engine: Engine, client: Mysql, name: str, common: str
) -> None:
    for _ in range(2):
        client.create_guest(name, owner_of(name), PASSWORD, common=common)
    found = client.find(name)
    assert found
    assert found.ready
    assert not found.identity
    assert client.password_works(name, PASSWORD, database=common)
    with engine.administrator() as ask:
        ask("CREATE TABLE staging_data.later AS SELECT 1 AS id")
    with engine.login(name, PASSWORD, common) as ask:
        assert ask("SELECT name FROM goods") == [("teapot",)]
        assert ask("SELECT id FROM later") == [(1,)]
        for statement in (
            "INSERT INTO goods VALUES ('x')",
            "UPDATE goods SET name = 'x'",
            "DELETE FROM goods",
            "TRUNCATE goods",
            "DROP TABLE goods",
            "CREATE TABLE mine (id int)",
            "CREATE TEMPORARY TABLE mine (id int)",
            "LOCK TABLES goods WRITE",
            "CREATE DATABASE mine",
        ):
            with pytest.raises(pymysql.Error, match="denied"):
                ask(statement)


def test_a_writer_becomes_a_reader(engine: Engine, client: Mysql, name: str, common: str) -> None:
    client.create_guest(name, owner_of(name), PASSWORD, common=common, write=True)
    with engine.login(name, PASSWORD, common) as ask:
        ask("INSERT INTO goods VALUES ('cup')")
    client.create_guest(name, owner_of(name), PASSWORD, common=common)
    with (
        engine.login(name, PASSWORD, common) as ask,
        pytest.raises(pymysql.Error, match="denied"),
    ):
        ask("INSERT INTO goods VALUES ('x')")


def test_a_guest_of_nothing_is_refused(client: Mysql, name: str) -> None:
    with pytest.raises(NotFound, match="no database nowhere"):
        client.create_guest(name, owner_of(name), PASSWORD, common="nowhere")
    assert client.find(name) is None
