"""Ten apps, each trying to reach what is the other nine's, from inside and with what it has."""

import contextlib
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import yaml

from reviewapps import naming, settings
from reviewapps.clients import Clients
from reviewapps.clients.docker import Docker
from reviewapps.local import images
from reviewapps.local.cluster import Cluster
from tests.real.apps import ROOT, Place, docker, until
from tests.real.tenants import (
    ON_SERVICES,
    Attempt,
    Tenant,
    hide,
    on_itself,
    on_mysql,
    on_postgres,
    psql,
    session,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]
TENANTS = 10
AT_ONCE = 3
DEPLOY_SECONDS = 300
TINY_MYSQL = "reviewapps-test/tiny-mysql:1"
SERVER = "reviewapps-test-mysql"
Attempts = Callable[[Tenant, Tenant], Iterable[Attempt]]


class Own(Place):
    """A project whose commands read settings of the test's own."""

    def __init__(self, folder: Path, cluster: Cluster, file: Path) -> None:
        super().__init__(folder, cluster, branch="deploy-main")
        self.file_of_settings = file
        self.settings = settings.load({"REVIEWAPPS_SETTINGS": str(file)})
        self.clients = Clients(self.settings)

    def environment(self) -> dict[str, str]:
        """Return the environment of every command."""
        return super().environment() | {"REVIEWAPPS_SETTINGS": str(self.file_of_settings)}


@pytest.fixture
def tenants(
    request: pytest.FixtureRequest, local_cluster: Cluster, tiny: str, tmp_path: Path
) -> Iterator[list[Tenant]]:
    """Ten running apps with a database of an engine and a Redis each."""
    engine, file = request.param, tmp_path / "settings.yml"
    given = yaml.safe_load(local_cluster.settings_file.read_text())
    with contextlib.ExitStack() as ends:
        image = tiny
        if engine == "mysql":
            image = build_tiny_mysql(tmp_path)
            password = tmp_path / "password"
            password.write_text(secrets.token_hex(16))
            ends.enter_context(mysql_server(local_cluster, password))
            place = {"host": local_cluster.address, "port": 3306, "user": "reviewapps"}
            given["mysql"] = {**place, "password_file": str(password)}
        file.write_text(yaml.safe_dump(given))
        apps = [Own(tmp_path / f"app{n}", local_cluster, file) for n in range(TENANTS)]
        ends.callback(lambda: each_of(apps, destroy))
        for number, app in enumerate(apps):
            app.only("database", "redis")
            app.write(database={"engine": engine})
            app.write_whole(project=f"tenant-{number}")
            app.commit("1")
        each_of(apps, lambda app: deploy(app, image))
        yield [Tenant(app, secrets.token_hex(16)) for app in apps]


def each_of(places: list[Own], work: Callable[[Own], None]) -> None:
    """Do something for all projects, a few at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, places))


def deploy(place: Own, image: str) -> None:
    done = place.start_deploy(image).done(DEPLOY_SECONDS)
    assert done.code == 0, done.said


def destroy(place: Own) -> None:
    done = place.start("destroy", "--", place.branch).done(DEPLOY_SECONDS)
    assert done.code == 0 or "there is no" in done.said, done.said


def build_tiny_mysql(folder: Path) -> str:
    """Build the tiny application on an image that has MySQL's client."""
    base = images.ensure(Docker(), "mariadb", print)
    source = folder / "tiny-mysql"
    source.mkdir()
    shutil.copy(ROOT / "tests" / "real" / "tiny" / "serve", source)
    text = f"FROM {base}\nCOPY serve /tiny/\nUSER nobody\nENTRYPOINT []\n"
    (source / "Dockerfile").write_text(text)
    Docker(build_network="host").build_folder(source, TINY_MYSQL)
    return TINY_MYSQL


@contextlib.contextmanager
def mysql_server(cluster: Cluster, password: Path) -> Iterator[None]:
    """Run a MariaDB where the cluster's apps may reach one."""
    Docker().run("rm", "--force", "--volumes", SERVER)
    docker(
        *("run", "--detach", f"--name={SERVER}", f"--publish={cluster.address}:3306:3306"),
        *(f"--volume={password}:/run/password:ro", "--env=MARIADB_PASSWORD_FILE=/run/password"),
        images.RECIPES["mariadb"].tag,
    )
    client = ("mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "--user=mysql")
    ask = ("exec", "--user=mysql", SERVER, *client, "--execute=SELECT 1")
    try:
        until(lambda: Docker().run(*ask).returncode == 0, "MariaDB", 120)
        yield
    finally:
        docker("rm", "--force", "--volumes", SERVER)


@pytest.mark.parametrize(
    ("tenants", "on_database"),
    [("postgresql", on_postgres), ("mysql", on_mysql)],
    indirect=["tenants"],
    ids=["postgresql", "mysql"],
)
def test_no_app_reaches_what_is_another_ones(
    tenants: list[Tenant], on_database: Attempts, capsys: pytest.CaptureFixture[str]
) -> None:
    for me in tenants:
        me.run("\n".join(hide(me)))
    for me in tenants:
        require_control(me)

    def try_all(me: Tenant) -> list[tuple[Attempt, str]]:
        others = [each for each in tenants if each is not me]
        attempts = [
            a for other in others for on in (on_database, *ON_SERVICES) for a in on(me, other)
        ]
        return list(zip(attempts, me.results(attempts), strict=True))

    with contextlib.ExitStack() as open_sessions, ThreadPoolExecutor(TENANTS) as pool:
        for me in tenants:
            open_sessions.enter_context(session(me))
        tried = [pair for found in pool.map(try_all, tenants) for pair in found]
    for me in tenants:
        require_control(me)  # nothing was out of order meanwhile

    made = Counter((each.kind, each.what) for each, _ in tried)
    answers = {(each.kind, each.what): first_line(said) for each, said in tried}
    reached = Counter((each.kind, each.what) for each, said in tried if each.booty in said)
    pairs = TENANTS * (TENANTS - 1)
    with capsys.disabled():
        print(
            f"\n{TENANTS} apps, {pairs} pairs: {len(tried)} attempts, {reached.total()} successes"
        )
        for (kind, what), count in sorted(made.items()):
            told = f"{count:>4} attempts {reached[kind, what]:>4} successes"
            print(f"  {kind:<16} {what:<26} {told}  {answers[kind, what]}")
        print(f"  names of others that PostgreSQL tells: {names_seen(tenants)}")
    assert all(count % pairs == 0 for count in made.values())
    assert not reached, [said for each, said in tried if each.booty in said][:3]


def require_control(me: Tenant) -> None:
    """Each app reaches its own, and what it may not read is really there to be read."""
    own = on_itself(me)
    for attempt, said in zip(own, me.results(own), strict=True):
        assert attempt.booty in said, f"{me.place.slug}: {attempt.kind}, {attempt.what}: {said}"
    slug, loopback = me.place.slug, me.place.cluster.loopback
    for path in (f"nomad/jobs/{naming.thing(slug, 'unicorn')}", f"reviewapps/{slug}/database"):
        answer = requests.get(f"http://{loopback}:4646/v1/var/{path}", timeout=10)
        assert (me.database.password or "") in answer.text, f"{path}: {answer.text}"
    answer = requests.get(f"http://{loopback}:8500/v1/kv/reviewapps/?recurse&raw", timeout=10)
    assert slug in answer.text


def first_line(said: str) -> str:
    """Return how an answer begins, for whoever wants to know why an attempt failed."""
    return (said.strip().splitlines() or ["(nothing)"])[0][:100]


def names_seen(tenants: list[Tenant]) -> int:
    """Count the others' names in a list that PostgreSQL shows to every login."""
    me = tenants[0]
    if not me.database.scheme.startswith("postgres"):
        return 0
    said = me.run(psql(me.env["DATABASE_URL"], "SELECT datname FROM pg_database"))
    return sum(other.name in said for other in tenants[1:])
