"""What every database server does for us, on each engine alike."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from reviewapps.clients.databases import Databases
from reviewapps.errors import NotFound, ServiceError, Unreachable, UserError
from tests.real.databases import (
    Running,
    free_port,
    mysql_server,  # noqa: F401 - a fixture, used by its name
    postgres_server,  # noqa: F401 - a fixture, used by its name
)
from tests.real.engines import Engine, mysql_engine, name_of, owner_of, postgres_engine

pytestmark = pytest.mark.real
PASSWORD = "correct horse'\"\\ %s battery"
HOSTILE = "deploy-\"'; DROP DATABASE x; -- ${x} {{ 7*7 }} \\ \udc80 \0 żółw"


@pytest.fixture(scope="session", params=["postgres", "mysql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    running: Running = request.getfixturevalue(f"{request.param}_server")
    made = {"postgres": postgres_engine, "mysql": mysql_engine}[request.param](running)
    made.client.prepare()
    yield made
    left = [found.name for found in made.client.owned()]
    assert not left, f"the tests left {left}"


@pytest.fixture
def client(engine: Engine) -> Databases:
    return engine.client


@pytest.fixture
def name(request: pytest.FixtureRequest, client: Databases) -> Iterator[str]:
    made = name_of(request.node.name)
    yield made
    client.drop(made)


def make(client: Databases, name: str, password: str = PASSWORD, **more: object) -> None:
    client.create(name, owner_of(name), password, **more)  # type: ignore[arg-type]


def test_an_app_gets_a_database_that_it_may_fill(
    engine: Engine, client: Databases, name: str
) -> None:
    assert client.find(name) is None
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        ask("CREATE TABLE users (id int)")
        ask("INSERT INTO users VALUES (1)")
        assert ask("SELECT * FROM users") == [(1,)]
    found = client.find(name)
    assert found
    assert found.size_bytes > 0


def test_what_was_created_is_found_with_its_owner(client: Databases, name: str) -> None:
    client.create(name, owner_of(name, branch=HOSTILE), PASSWORD)
    found = client.find(name)
    assert found
    assert found.ready
    assert found.identity
    assert found.owner["branch"] == HOSTILE
    assert found.owner["platform"] == "reviewapps"
    assert found in client.owned()


def test_creating_again_keeps_the_data_and_changes_the_password(
    engine: Engine, client: Databases, name: str
) -> None:
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        ask("CREATE TABLE kept (id int)")
    before = client.find(name)
    client.create(name, owner_of(name, created="2030-01-01T00:00:00Z"), "another")
    after = client.find(name)
    assert before
    assert after
    assert after.identity == before.identity
    assert after.owner == before.owner
    with engine.login(name, "another", name) as ask:
        assert ask("SELECT count(*) FROM kept") == [(0,)]


def test_a_password_is_tried_as_an_app_would(client: Databases, name: str) -> None:
    assert not client.password_works(name, PASSWORD)
    make(client, name)
    assert client.password_works(name, PASSWORD)
    assert not client.password_works(name, "wrong")
    assert not client.password_works(name, "")
    client.set_password(name, "new")
    assert client.password_works(name, "new")
    assert not client.password_works(name, PASSWORD)


def test_the_password_of_nobody_cannot_be_set(client: Databases, name: str) -> None:
    with pytest.raises(NotFound):
        client.set_password(name, "new")


def test_dropping_twice_succeeds_and_leaves_nothing(client: Databases, name: str) -> None:
    make(client, name)
    client.drop(name)
    client.drop(name)
    assert client.find(name) is None
    assert name not in [found.name for found in client.owned()]


def test_a_database_made_again_has_another_identity(client: Databases, name: str) -> None:
    make(client, name)
    first = client.find(name)
    client.drop(name)
    make(client, name)
    second = client.find(name)
    assert first
    assert second
    assert first.identity != second.identity


def test_sessions_beyond_the_limit_are_refused(
    engine: Engine, client: Databases, name: str
) -> None:
    make(client, name, connections_limit=2)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(engine.login(name, PASSWORD, name))
        with pytest.raises(engine.refusals, match="connections"):
            stack.enter_context(engine.login(name, PASSWORD, name))
        found = client.find(name)
        assert found
        assert found.connections == 2
        assert client.password_works(name, PASSWORD)


def test_an_open_session_does_not_keep_a_database(
    engine: Engine, client: Databases, name: str
) -> None:
    make(client, name)
    with engine.login(name, PASSWORD, name) as ask:
        client.drop(name)
        with pytest.raises(engine.refusals):
            ask("SELECT 1")


def test_a_client_that_always_comes_back_does_not_keep_a_database(
    engine: Engine, client: Databases, name: str
) -> None:
    make(client, name)
    stop = threading.Event()
    sessions = []

    def come_back() -> None:
        while not stop.is_set():
            with contextlib.suppress(*engine.refusals), engine.login(name, PASSWORD, name) as ask:
                sessions.append(1)
                for _ in range(100):
                    ask("SELECT 1")

    threads = [threading.Thread(target=come_back) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        while len(sessions) < 5:
            time.sleep(0.01)
        client.drop(name)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert client.find(name) is None


def test_what_is_not_ours_is_neither_used_nor_dropped(engine: Engine, client: Databases) -> None:
    name = name_of("somebody-elses")
    with engine.administrator() as ask:
        ask(f"CREATE DATABASE {engine.quoted(name)}")
        try:
            with pytest.raises(UserError, match=name):
                client.find(name)
            with pytest.raises(UserError, match=name):
                make(client, name)
            with pytest.raises(UserError, match=name):
                client.drop(name)
            assert name not in [found.name for found in client.owned()]
        finally:
            ask(f"DROP DATABASE {engine.quoted(name)}")


def test_the_database_of_another_app_is_refused(client: Databases, name: str) -> None:
    make(client, name)
    with pytest.raises(UserError, match=name):
        client.create(name, owner_of(name_of("another")), PASSWORD)


@pytest.mark.parametrize("bad", ["", "x" * 65, "a\0b"])
def test_a_name_that_the_server_would_cut_is_refused(client: Databases, bad: str) -> None:
    with pytest.raises(UserError):
        client.find(bad)
    with pytest.raises(UserError):
        client.drop(bad)
    with pytest.raises(UserError):
        make(client, bad)


def test_two_creators_at_once_make_one_database(
    engine: Engine, client: Databases, name: str
) -> None:
    troubles: list[Exception] = []
    start = threading.Barrier(6)

    def create() -> None:
        start.wait()
        try:
            make(engine.client, name)
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    found = client.find(name)
    assert found
    assert found.ready
    assert client.password_works(name, PASSWORD)


def test_many_apps_are_created_and_dropped_side_by_side(engine: Engine) -> None:
    names = [name_of(f"side-{number}") for number in range(8)]
    troubles: list[Exception] = []

    def live(name: str) -> None:
        try:
            for _ in range(2):
                make(engine.client, name)
                engine.client.drop(name)
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=live, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert not {found.name for found in engine.client.owned()} & set(names)


def test_a_server_that_is_down_is_said_with_its_address(engine: Engine) -> None:
    port = free_port()
    client = engine.connect(engine.moved(host="127.0.0.1", port=port), lambda: "x")
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        client.find(name_of("down"))
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        client.password_works(name_of("down"), "x")


def test_a_host_without_address_is_said(engine: Engine) -> None:
    client = engine.connect(engine.moved(host="db.invalid"), lambda: "x")
    with pytest.raises(Unreachable, match=r"db\.invalid"):
        client.owned()


def test_a_wrong_password_is_asked_for_once_more_and_then_said(engine: Engine) -> None:
    asked = []

    def password() -> str:
        asked.append(1)
        return f"wrong {len(asked)}"

    written_down = engine.moved(password_file="one of the settings")
    client = engine.connect(written_down, password)
    with pytest.raises(ServiceError, match="reviewapps") as caught:
        client.owned()
    assert not isinstance(caught.value, Unreachable)
    assert len(asked) == 2


def test_a_password_that_was_rotated_is_read_again(engine: Engine) -> None:
    answers = iter(["yesterday's", engine.running.password])
    client = engine.connect(engine.running.server, lambda: next(answers))
    client.owned()
    client.owned()
    assert not list(answers)


def test_a_frozen_server_is_given_up(engine: Engine, name: str) -> None:
    """The kernel still accepts connections for a frozen server: only a limit of ours ends it."""
    engine.running.freeze()
    try:
        with pytest.raises(Unreachable):
            engine.client.find(name)
        with pytest.raises(Unreachable):
            engine.client.password_works(name, PASSWORD)
    finally:
        engine.running.thaw()
    assert engine.client.find(name) is None


def test_a_login_without_database_is_found_by_the_sweep(engine: Engine, name: str) -> None:
    """The database is dropped by hand, the login and our mark stay."""
    make(engine.client, name)
    with engine.administrator() as ask:
        ask(f"DROP DATABASE {engine.quoted(name)}")
    (left,) = [found for found in engine.client.owned() if found.name == name]
    assert not left.identity
    assert not left.ready
    assert left.owner["slug"] == owner_of(name)["slug"]
    make(engine.client, name)
    again = engine.client.find(name)
    assert again
    assert again.ready


def test_nobody_connects_to_reads_or_writes_the_database_of_another(engine: Engine) -> None:
    """Ten apps, all ninety ordered pairs."""
    names = [name_of(f"tenant-{number}") for number in range(10)]
    client = engine.client
    try:
        for each in names:
            make(client, each)
            with engine.login(each, PASSWORD, each) as ask:
                ask("CREATE TABLE secret (word varchar(20))")
                ask("INSERT INTO secret VALUES ('hidden')")
        entered = []
        for mine, other in itertools.permutations(names, 2):
            with contextlib.suppress(*engine.refusals), engine.login(mine, PASSWORD, other):
                entered.append((mine, other))
        assert not entered
    finally:
        for each in names:
            client.drop(each)
