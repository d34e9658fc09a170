"""The local RDS: each instance is a real server with its own data, whatever is killed meanwhile."""

import os
import signal
import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from botocore.exceptions import ClientError

from reviewapps.clients.docker import Docker
from reviewapps.local import aws, aws_servers, images, network
from reviewapps.local.cluster import Cluster, load
from reviewapps.local.down import down
from reviewapps.local.status import status
from tests.real.apps import until
from tests.real.rds import LocalRds

pytestmark = [pytest.mark.real, pytest.mark.slow]
NAME, NUMBER = "rdstest", 26


@pytest.fixture(scope="module")
def account() -> Iterator[LocalRds]:
    """The network and the AWS account of a cluster, without its Nomad and Consul."""
    if os.geteuid():
        pytest.skip("a local cluster needs root")
    left = load(NAME)
    if left:
        down(print, left)
    cluster = Cluster(NAME, NUMBER, group_maximum=1)
    cluster.save()
    for image in ("postgres", "mariadb"):
        images.ensure(Docker(), image, print)
    network.start(cluster)
    aws.start(cluster)
    yield LocalRds(cluster)
    down(print, cluster)


@pytest.fixture
def rds(account: LocalRds) -> Iterator[LocalRds]:
    """The account without any instance."""
    yield account
    aws.start(account.cluster)
    account.clear()
    assert account.containers() == []


def addresses(cluster: Cluster) -> str:
    command = ["ip", "-brief", "address", "show", "dev", cluster.bridge]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_an_instance_is_a_server_of_its_own_and_gone_when_it_is_deleted(rds: LocalRds) -> None:
    first, second = rds.create("first"), rds.create("second")
    places = {each["Endpoint"]["Address"] for each in (first, second)}
    assert len(places) == 2
    assert first["DbiResourceId"] != second["DbiResourceId"]
    rds.make_database("first")
    with rds.login("first") as connection:
        rights = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'admin'"
        assert connection.execute(rights).fetchone() == (False, True, True)
    with rds.login("second") as connection:
        query = "SELECT count(*) FROM pg_database WHERE datname = 'shop'"
        assert connection.execute(query).fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError):  # the passwords differ
        rds.login("second", password=rds.password("first")).__enter__()
    folder = aws_servers.instance_folder(rds.cluster, first["DbiResourceId"])
    assert folder.exists()
    rds.remove("first")
    assert not folder.exists()
    assert rds.containers() == [rds.container("second")]
    assert f"{first['Endpoint']['Address']}/" not in addresses(rds.cluster)
    assert rds.create("first")["DbiResourceId"] != first["DbiResourceId"]


def test_an_instance_is_available_only_when_its_server_answers(rds: LocalRds) -> None:
    aws.database_watcher(rds.cluster).stop()
    rds.api.create_db_instance(
        DBInstanceIdentifier="late",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="admin",
        ManageMasterUserPassword=True,
    )
    found = rds.find("late")
    assert found
    assert (found["DBInstanceStatus"], found.get("Endpoint")) == ("creating", None)
    assert found["MasterUserSecret"]["SecretStatus"] == "creating"
    with pytest.raises(ClientError, match="InvalidDBInstanceState"):
        rds.api.create_db_snapshot(DBInstanceIdentifier="late", DBSnapshotIdentifier="early")
    lines = {line.part: line for line in status(rds.cluster)}
    assert (lines["rds late"].running, lines["rds late"].lacks) == (False, "creating")
    aws.start(rds.cluster)
    rds.available("late")
    with rds.login("late") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    lines = {line.part: line for line in status(rds.cluster)}
    assert lines["rds late"].running
    assert lines["rds late"].place == f"{rds.available('late')['Endpoint']['Address']}:5432"


def test_a_rotated_password_is_the_servers_too(rds: LocalRds) -> None:
    rds.create("apps")
    old = rds.password("apps")
    rds.rotate("apps")
    until(lambda: rds.password("apps") != old, "the secret to change")
    with rds.login("apps") as connection:  # the secret is never ahead of the server
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        rds.login("apps", password=old).__enter__()


def test_a_snapshot_has_the_data_of_its_moment_and_makes_a_server_of_its_own(rds: LocalRds) -> None:
    rds.create("production", DeletionProtection=True)
    old = rds.password("production")
    rds.make_database("production")
    with rds.login("production", "shop") as connection:
        connection.execute("CREATE TABLE orders (id int)")
        connection.execute("INSERT INTO orders VALUES (1), (2)")
        rds.snap("production", "nightly")
        connection.execute("INSERT INTO orders VALUES (3)")
    rds.api.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="copy", DBSnapshotIdentifier="nightly"
    )
    copied = rds.available("copy")
    assert not copied["DeletionProtection"]
    assert "MasterUserSecret" not in copied, "RDS manages no password at a restore"
    with rds.login("copy", "shop", password=old) as connection:
        assert connection.execute("SELECT id FROM orders ORDER BY id").fetchall() == [(1,), (2,)]
        connection.execute("DROP TABLE orders")
    rds.api.modify_db_instance(
        DBInstanceIdentifier="copy", ManageMasterUserPassword=True, ApplyImmediately=True
    )
    rds.available("copy")
    with rds.login("copy") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):  # production's no longer gets in
        rds.login("copy", password=old).__enter__()
    with pytest.raises(ClientError, match="protect"):
        rds.api.delete_db_instance(DBInstanceIdentifier="production", SkipFinalSnapshot=True)
    with rds.login("production", "shop") as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)


def test_mysql_is_served_and_copied_too(rds: LocalRds) -> None:
    rds.create("production", "mysql")
    with rds.mysql_login("production") as cursor:
        cursor.execute("CREATE DATABASE shop")
        cursor.execute("CREATE TABLE shop.orders (id int)")
        cursor.execute("INSERT INTO shop.orders VALUES (1), (2)")
        rds.snap("production", "nightly")
        cursor.execute("INSERT INTO shop.orders VALUES (3)")
    rds.api.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="copy", DBSnapshotIdentifier="nightly"
    )
    rds.available("copy")
    rds.api.modify_db_instance(
        DBInstanceIdentifier="copy", ManageMasterUserPassword=True, ApplyImmediately=True
    )
    rds.available("copy")
    with rds.mysql_login("copy") as cursor:
        cursor.execute("SELECT id FROM shop.orders ORDER BY id")
        assert cursor.fetchall() == ((1,), (2,))


def test_instances_snapshots_and_passwords_outlive_all_processes(rds: LocalRds) -> None:
    first = rds.create("apps", Tags=[{"Key": "kind", "Value": "server"}], DeletionProtection=True)
    rds.make_database("apps")
    rds.snap("apps", "nightly")
    password = rds.password("apps")
    for process in (aws.api(rds.cluster), aws.database_watcher(rds.cluster)):
        os.kill(process.pid(), signal.SIGKILL)
        until(lambda process=process: not process.pid(), "its end")  # type: ignore[misc]
    Docker().check("kill", rds_container(rds.cluster, first["DbiResourceId"]))
    aws.start(rds.cluster)
    again = rds.available("apps")
    for key in ("DbiResourceId", "Endpoint", "TagList", "DeletionProtection", "DBInstanceClass"):
        assert again[key] == first[key]
    assert rds.password("apps") == password
    until(lambda: runs(rds_container(rds.cluster, again["DbiResourceId"])), "the server")
    until(lambda: can_login(rds), "a login")
    rds.taken("nightly")
    assert rds.names == ["apps"]
    assert len(rds.containers()) == 1


def test_a_watcher_that_is_killed_in_the_middle_is_gone_on_with(rds: LocalRds) -> None:
    """At moments all over a creation, a snapshot and a deletion; a copy leaves a server frozen."""
    rds.api.create_db_instance(
        DBInstanceIdentifier="apps",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="admin",
        ManageMasterUserPassword=True,
    )
    watcher = aws.database_watcher(rds.cluster)

    def kill_at(moment: str, is_so: object) -> None:
        until(is_so, moment, 60)  # type: ignore[arg-type]
        os.kill(watcher.pid(), signal.SIGKILL)
        until(lambda: not watcher.pid(), "its end")
        aws.start(rds.cluster)

    found = rds.find("apps")
    assert found
    folder = aws_servers.instance_folder(rds.cluster, found["DbiResourceId"])
    kill_at("an address", (folder / "address").exists)
    kill_at("a folder for the data", (folder / "data").exists)
    kill_at("a container", rds.containers)
    rds.available("apps")
    rds.make_database("apps")
    with rds.login("apps", "shop") as connection:
        connection.execute("CREATE TABLE orders AS SELECT * FROM generate_series(1, 10000)")
    rds.api.create_db_snapshot(DBInstanceIdentifier="apps", DBSnapshotIdentifier="nightly")
    copying = aws_servers.snapshot_folder(rds.cluster, "nightly")
    kill_at("a copy", lambda: (copying / ".data").exists() or (copying / "data").exists())
    rds.taken("nightly")
    until(lambda: runs(rds.container("apps")), "the server to be thawed")
    assert len(rds.containers()) == 1
    rds.api.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="copy", DBSnapshotIdentifier="nightly"
    )
    rds.available("copy")
    password = rds.password("apps")
    with rds.login("copy", "shop", password=password) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (10000,)
    rds.api.delete_db_instance(DBInstanceIdentifier="apps", SkipFinalSnapshot=True)
    kill_at("the container to be gone", lambda: len(rds.containers()) < 2)
    until(lambda: not folder.exists(), "the folder to be gone")
    assert rds.names == ["copy"]


def test_a_frozen_server_is_thawed(rds: LocalRds) -> None:
    """What a copy that was killed at the worst moment leaves."""
    rds.create("apps")
    rds.make_database("apps")
    Docker().check("pause", rds.container("apps"))
    until(lambda: runs(rds.container("apps")), "the server to be thawed")
    until(lambda: can_login(rds), "a login")


def test_what_would_be_empty_is_refused(rds: LocalRds) -> None:
    rds.create("apps")
    with pytest.raises(ClientError, match="the local AWS has no"):
        rds.api.create_db_instance_read_replica(
            DBInstanceIdentifier="replica", SourceDBInstanceIdentifier="apps"
        )
    with pytest.raises(ClientError, match="the local AWS has no"):
        rds.api.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier="apps",
            TargetDBInstanceIdentifier="then",
            UseLatestRestorableTime=True,
        )
    assert rds.names == ["apps"]


def test_down_removes_the_servers_of_its_cluster_and_says_so(rds: LocalRds) -> None:
    """The last test of the module: the fixture starts all again."""
    rds.create("apps")
    said: list[str] = []
    down(said.append, rds.cluster)
    assert "RDS instance apps removed" in said
    assert rds.containers() == []
    assert not rds.cluster.folder.exists()
    rds.cluster.save()
    network.start(rds.cluster)
    aws.start(rds.cluster)
    assert rds.names == []


def rds_container(cluster: Cluster, instance_id: str) -> str:
    return f"reviewapps-{cluster.name}-{instance_id}"


def runs(name: str) -> bool:
    told = Docker().run("inspect", "--format", "{{.State.Status}}", name)
    return told.stdout.strip() == "running"


def can_login(rds: LocalRds) -> bool:
    try:
        with rds.login("apps", "shop"):
            return True
    except psycopg.OperationalError:
        return False
