"""Apps on a local RDS, from the command line: their server is made, copied, kept and rotated."""

import os
import shlex
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from reviewapps import naming
from reviewapps.local.cluster import load
from reviewapps.local.down import down
from reviewapps.local.up import up
from reviewapps.steps import instance
from tests.real.apps import WHOLE, Done, Place, until
from tests.real.elastic import DEPLOY_SECONDS, PROGRAM, Elastic
from tests.real.rds import LocalRds

pytestmark = [pytest.mark.real, pytest.mark.slow]
NAME, NUMBER = "rdsapps", 27
SHARED = "previews"
OWN = {"engine": "postgresql", "connections": 5}
COPY = {"engine": "postgresql", "mode": "snapshot", "snapshot": "nightly", "name": "shop"}


class Apps:
    """Projects on a cluster whose PostgreSQL is at the local RDS."""

    def __init__(self, elastic: Elastic) -> None:
        self.elastic = elastic
        self.rds = LocalRds(elastic.cluster)

    def app(self, name: str, database: dict[str, Any], **environment: str) -> Place:
        """Return a project with a web process, migrations and this database."""
        migrate = WHOLE["migrate"] if database is OWN else None
        sections = {"migrate": migrate} if migrate else {}
        if environment:
            sections["env"] = environment
        return self.elastic.app(name, 64, database=database, **sections)

    def deploy(self, place: Place, **options: Any) -> str:
        """Deploy a project, which shall succeed; return what was said."""
        done = self.elastic.deploy(place, **options)
        assert done.code == 0, done.said
        return done.said

    def databases(self, server: str) -> list[str]:
        """Return the databases of apps on a server."""
        listed = "SELECT datname FROM pg_database WHERE datname LIKE '%--db' ORDER BY 1"
        with self.rds.login(server) as connection:
            return [name for (name,) in connection.execute(listed).fetchall()]


@pytest.fixture(scope="module")
def cluster_apps(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    """A cluster with a local AWS, whose settings let `reviewapps` create its PostgreSQL there."""
    left = load(NAME)
    if left:
        down(print, left)
    cluster = up(print, NAME, NUMBER, group_maximum=1)
    settings = yaml.safe_load(cluster.settings_file.read_text())
    settings["postgresql"] = {"instance": SHARED, "create": {"storage_gb": 20}}
    cluster.settings_file.write_text(yaml.safe_dump(settings))
    made = Elastic(cluster, tmp_path_factory.mktemp("rds"))
    yield Apps(made)
    made.forget_images()
    down(print, cluster)


@pytest.fixture
def apps(cluster_apps: Apps) -> Iterator[Apps]:
    """The cluster without any instance; the test's apps are destroyed at the end."""
    yield cluster_apps
    for name in cluster_apps.rds.names:
        cluster_apps.rds.protect(name, protected=False)
    cluster_apps.elastic.clear()
    cluster_apps.rds.clear()
    assert cluster_apps.rds.containers() == []


def destroy(place: Place) -> Done:
    """Destroy a project's app, which may take an instance along."""
    return place.start("destroy", "--", place.branch).done(DEPLOY_SECONDS)


def ask(place: Place, statement: str) -> str:
    """Ask the app's database from inside of the app."""
    script = f"sh /tiny/psql.sh {shlex.quote(statement)}"
    command = ("exec", place.branch, "--", "sh", "-c", script)
    done = place.start(*command).done(DEPLOY_SECONDS)
    assert done.code == 0, done.said
    return done.out


def test_the_first_deploy_creates_the_server_and_the_next_one_uses_it(apps: Apps) -> None:
    first, second = apps.app("one", OWN), apps.app("two", OWN)
    said = apps.deploy(first)
    assert f"creating RDS instance {SHARED}" in said
    found = apps.rds.find(SHARED)
    assert found
    assert (found["DeletionProtection"], found["StorageEncrypted"]) == (True, True)
    assert "migrate" in ask(first, "SELECT * FROM runs")
    assert "already runs release 1" in apps.deploy(first)

    assert "creating RDS instance" not in apps.deploy(second)
    assert apps.rds.names == [SHARED]
    assert apps.databases(SHARED) == sorted(naming.thing(a.slug, "db") for a in (first, second))

    assert destroy(first).code == 0
    assert apps.databases(SHARED) == [naming.thing(second.slug, "db")]
    assert "migrate" in ask(second, "SELECT * FROM runs")
    assert destroy(second).code == 0
    assert apps.rds.names == [SHARED], "no command deletes the shared server"
    assert len(apps.rds.containers()) == 1


@pytest.mark.parametrize("fault", ["KILL_AFTER", "SILENT_AFTER"])
def test_a_creation_that_nobody_heard_of_is_not_made_twice(apps: Apps, fault: str) -> None:
    place = apps.app("one", OWN)
    running = place.start_deploy(
        apps.elastic.image, module=PROGRAM, env={fault: "CreateDBInstance"}
    )
    if fault == "KILL_AFTER":
        assert running.done(DEPLOY_SECONDS).code == -signal.SIGKILL
        assert apps.rds.names == [SHARED]
        running = place.start_deploy(apps.elastic.image)  # and killed while it waits
        until(apps.rds.containers, "the server's container")
        os.kill(running.process.pid, signal.SIGKILL)
        running.done(DEPLOY_SECONDS)
        running = place.start_deploy(apps.elastic.image)
    done = running.done(DEPLOY_SECONDS)
    assert done.code == 0, done.said
    assert apps.rds.names == [SHARED]
    assert len(apps.rds.containers()) == 1
    assert apps.databases(SHARED) == [naming.thing(place.slug, "db")]


def test_an_app_of_a_snapshot_has_productions_rows_and_a_server_that_goes_with_it(
    apps: Apps,
) -> None:
    apps.rds.create("production")
    apps.rds.make_database("production")
    with apps.rds.login("production", "shop") as connection:
        connection.execute("CREATE TABLE orders AS SELECT * FROM generate_series(1, 4711) AS id")
        apps.rds.snap("production", "nightly")
    place = apps.app("copy", COPY)
    said = apps.deploy(place)
    own = instance.identifier(place.slug)
    assert f"restoring nightly to RDS instance {own}" in said
    assert "4711" in ask(place, "SELECT count(*) FROM orders")
    ask(place, "DELETE FROM orders WHERE id > 11")
    assert "11" in ask(place, "SELECT count(*) FROM orders")
    with apps.rds.login("production", "shop") as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (4711,)
    assert "already runs release 1" in apps.deploy(place)

    apps.rds.protect(own, protected=True)
    refused = destroy(place)
    assert refused.code != 0
    assert f"RDS instance {own} is protected against deletion" in refused.error
    assert own in apps.rds.names
    apps.rds.protect(own, protected=False)
    assert destroy(place).code == 0
    assert apps.rds.names == ["production"]
    assert apps.rds.containers() == [apps.rds.container("production")]


def test_a_restore_that_is_killed_is_gone_on_with(apps: Apps) -> None:
    apps.rds.create("production")
    apps.rds.make_database("production")
    apps.rds.snap("production", "nightly")
    place = apps.app("copy", COPY)
    for call in ("RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance"):
        running = place.start_deploy(apps.elastic.image, module=PROGRAM, env={"KILL_AFTER": call})
        assert running.done(DEPLOY_SECONDS).code == -signal.SIGKILL
    apps.deploy(place)
    own = instance.identifier(place.slug)
    assert apps.rds.names == ["production", own]
    gone = place.start(
        "destroy", "--", place.branch, module=PROGRAM, env={"KILL_AFTER": "DeleteDBInstance"}
    )
    assert gone.done(DEPLOY_SECONDS).code == -signal.SIGKILL
    assert destroy(place).code == 0
    assert apps.rds.names == ["production"]
    assert len(apps.rds.containers()) == 1


def test_a_deploy_does_not_notice_that_the_password_is_renewed_all_the_time(apps: Apps) -> None:
    apps.deploy(apps.app("first", OWN))
    place = apps.app("rotated", OWN)
    running = place.start_deploy(apps.elastic.image)
    seen = {apps.rds.password(SHARED)}
    while running.process.poll() is None:
        before = apps.rds.password(SHARED)
        apps.rds.rotate(SHARED)
        until(lambda before=before: apps.rds.password(SHARED) != before, "another")  # type: ignore[misc]
        seen.add(apps.rds.password(SHARED))
    done = running.done(DEPLOY_SECONDS)
    assert done.code == 0, done.said
    assert len(seen) > 1, "it was renewed while the deploy ran"
    assert "migrate" in ask(place, "SELECT * FROM runs")
    assert destroy(place).code == 0
