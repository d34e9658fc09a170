"""RDS through moto's server, and through scripted answers where moto never fails."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from reviewapps import settings
from reviewapps.clients import Clients
from reviewapps.clients.aws.rds import Rds
from reviewapps.clients.aws.session import Aws, Refused
from reviewapps.errors import Failed, ReviewAppsError, ServiceError, Unreachable, UserError
from reviewapps.settings import Create, DatabaseServer, Settings

OWNER = {"project": "shop", "branch": "deploy-ż{}", "slug": "blue-abcdef"}
SPEC = Create(storage_gb=30, security_groups=("sg-1",))


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Iterator[settings.Aws]:
    """An AWS account in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client("s3")  # boto3's first client takes a second
    yield settings.Aws(endpoint=f"http://{host}:{port}")
    import urllib.request  # noqa: PLC0415 - only here

    reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    server.stop()


@pytest.fixture
def rds(where: settings.Aws) -> Rds:
    return Rds(Aws(where))


class Scripted:
    """RDS that answers, in this order, what a test says; the clock stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        self.now = 100.0
        self.rds = Rds(Aws(settings.Aws()), clock=lambda: self.now)
        self.rds._made = boto3.client("rds", region_name="us-east-1")
        self.stub = Stubber(self.rds._made)
        self.stub.activate()

    def refuses(self, method: str, code: str, text: str = "because") -> None:
        self.stub.add_client_error(method, code, text)

    def describes(self, status: str, **more: Any) -> None:
        found = {"DBInstanceIdentifier": "apps", "DBInstanceStatus": status, "Engine": "postgres"}
        found["Endpoint"] = {"Address": "apps.example", "Port": 5432}  # type: ignore[assignment]
        self.stub.add_response("describe_db_instances", {"DBInstances": [found | more]})


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


def test_the_shared_instance_is_made_protected_and_encrypted_with_a_managed_password(
    rds: Rds,
) -> None:
    assert rds.find("apps") is None
    rds.create("apps", "postgresql", SPEC, "reviewapps")
    found = rds.require("apps", "postgresql")
    assert (found.status, found.user, found.protected) == ("available", "reviewapps", True)
    assert found.tags == {"platform": "reviewapps", "kind": "server"}
    assert found.secret_arn.startswith("arn:aws:secretsmanager:")
    raw = rds._api.describe_db_instances(DBInstanceIdentifier="apps")["DBInstances"][0]
    assert (raw["StorageEncrypted"], raw["StorageType"], raw["AllocatedStorage"]) == (
        True,
        "gp3",
        30,
    )


def test_making_it_twice_makes_one(rds: Rds) -> None:
    rds.create("apps", "postgresql", SPEC, "reviewapps")
    rds.create("apps", "postgresql", SPEC, "reviewapps")
    assert [each.name for each in rds.owned()] == ["apps"]


def test_an_instance_that_is_not_ours_is_not_listed(rds: Rds) -> None:
    rds._api.create_db_instance(
        DBInstanceIdentifier="theirs",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        MasterUsername="x",
        MasterUserPassword="password123",
        AllocatedStorage=20,
    )
    assert rds.find("theirs") is not None
    assert rds.owned() == []


def test_a_restored_instance_says_whose_it_is_and_goes_without_a_trace(rds: Rds) -> None:
    rds.create("apps", "postgresql", SPEC, "reviewapps")
    # moto takes this over into the snapshot, whatever the restore says
    rds._api.modify_db_instance(DBInstanceIdentifier="apps", DeletionProtection=False)
    rds._api.create_db_snapshot(DBInstanceIdentifier="apps", DBSnapshotIdentifier="nightly")
    rds.restore("review-blue-abcdef", "nightly", SPEC, OWNER)
    rds.restore("review-blue-abcdef", "nightly", SPEC, OWNER)
    rds.manage_password("review-blue-abcdef")
    found = rds.require("review-blue-abcdef", "postgresql")
    expected = {**OWNER, "platform": "reviewapps", "kind": "snapshot", "snapshot": "nightly"}
    assert found.tags == expected
    assert not found.protected
    rds.delete("review-blue-abcdef")
    rds.delete("review-blue-abcdef")
    assert rds.find("review-blue-abcdef") is None
    assert [each.name for each in rds.owned()] == ["apps"]


def test_an_unknown_snapshot_is_the_users_to_change(rds: Rds) -> None:
    with pytest.raises(UserError, match="there is no RDS snapshot nightly"):
        rds.restore("review-blue-abcdef", "nightly", SPEC, OWNER)


def test_a_protected_instance_stays(rds: Rds) -> None:
    rds.create("apps", "postgresql", SPEC, "reviewapps")
    with pytest.raises(UserError, match="protected against deletion") as refused:
        rds.delete("apps")
    assert "--no-deletion-protection" in refused.value.hint
    assert rds.find("apps") is not None


def test_an_instance_that_is_not_there_says_how_to_get_one(rds: Rds) -> None:
    with pytest.raises(ServiceError, match="there is no RDS instance apps") as refused:
        rds.require("apps", "postgresql")
    assert "postgresql.create" in refused.value.hint


def test_a_server_of_another_engine_is_refused(rds: Rds) -> None:
    rds.create("apps", "mysql", SPEC, "reviewapps")
    with pytest.raises(UserError, match="is mysql, not postgresql"):
        rds.require("apps", "postgresql")


@pytest.mark.parametrize("status", ["storage-full", "failed", "incompatible-restore", "stopped"])
def test_what_waiting_does_not_mend_is_told_with_rds_own_word(
    scripted: Scripted, status: str
) -> None:
    scripted.describes(status)
    with pytest.raises(Failed, match=f"RDS instance apps is {status}") as failed:
        scripted.rds.require("apps", "postgresql")
    assert failed.value.hint


@pytest.mark.parametrize("status", ["creating", "deleting", "rebooting"])
def test_what_comes_or_goes_is_not_there_yet(scripted: Scripted, status: str) -> None:
    scripted.describes(status)
    with pytest.raises(Unreachable, match=status):
        scripted.rds.require("apps", "postgresql")


@pytest.mark.parametrize("status", ["available", "backing-up", "storage-optimization"])
def test_work_in_the_background_is_no_reason_to_wait(scripted: Scripted, status: str) -> None:
    scripted.describes(status)
    assert scripted.rds.require("apps", "postgresql").host == "apps.example"


def test_whoever_waits_asks_once_in_five_seconds(scripted: Scripted) -> None:
    scripted.describes("creating")
    scripted.describes("available")
    for scripted.now in (100.0, 102.0, 105.0):
        found = scripted.rds.find("apps")
        assert found is not None and found.waiting
    scripted.now = 105.1
    found = scripted.rds.find("apps")
    assert found is not None and not found.waiting
    scripted.stub.assert_no_pending_responses()


def test_a_change_is_seen_at_once_even_when_it_was_refused(scripted: Scripted) -> None:
    scripted.describes("available")
    scripted.refuses("modify_db_instance", "InvalidDBInstanceState", "not in available state")
    scripted.describes("backing-up")
    scripted.rds.find("apps")
    scripted.rds.manage_password("apps")
    found = scripted.rds.find("apps")
    assert found is not None and found.status == "backing-up"


@pytest.mark.parametrize(
    ("method", "action", "call"),
    [
        ("describe_db_instances", "DescribeDBInstances", lambda rds: rds.find("apps")),
        ("describe_db_instances", "DescribeDBInstances", lambda rds: rds.owned()),
        (
            "create_db_instance",
            "CreateDBInstance",
            lambda rds: rds.create("apps", "mysql", SPEC, "x"),
        ),
        (
            "restore_db_instance_from_db_snapshot",
            "RestoreDBInstanceFromDBSnapshot",
            lambda rds: rds.restore("apps", "nightly", SPEC, OWNER),
        ),
        ("modify_db_instance", "ModifyDBInstance", lambda rds: rds.manage_password("apps")),
        ("delete_db_instance", "DeleteDBInstance", lambda rds: rds.delete("apps")),
    ],
)
def test_who_may_not_learns_the_right_and_who_is_throttled_asks_again(
    scripted: Scripted, method: str, action: str, call: Any
) -> None:
    scripted.refuses(method, "AccessDenied", "not authorized")
    with pytest.raises(Refused, match="not authorized") as refused:
        call(scripted.rds)
    assert f"rds:{action}" in refused.value.hint
    scripted.refuses(method, "Throttling", "Rate exceeded")
    with pytest.raises(Unreachable, match="asked less often"):
        call(scripted.rds)


def test_other_refusals_are_told_as_aws_says_them(scripted: Scripted) -> None:
    scripted.refuses("create_db_instance", "InstanceQuotaExceeded", "40 instances, no more")
    with pytest.raises(Refused, match="40 instances, no more"):
        scripted.rds.create("apps", "postgresql", SPEC, "x")


def test_where_and_who_come_from_aws_and_the_settings_win(where: settings.Aws) -> None:
    def database(**more: Any) -> Any:
        server = DatabaseServer(instance="apps", **more)
        return Clients(Settings(aws=where, postgresql=server)).databases("postgresql")

    Rds(Aws(where)).create("apps", "postgresql", SPEC, "reviewapps")
    found = database()
    assert found.server.host.startswith("apps.")
    assert (found.server.port, found.server.user) == (5432, "reviewapps")
    found = database(host="127.0.0.1", port=7)
    assert (found.server.host, found.server.port) == ("127.0.0.1", 7)


def test_a_managed_password_is_read_at_each_use(where: settings.Aws) -> None:
    server = DatabaseServer(instance="apps")
    clients = Clients(Settings(aws=where, postgresql=server))
    clients.rds.create("apps", "postgresql", SPEC, "reviewapps")
    found = clients.rds.require("apps", "postgresql")
    secrets = clients.aws.client("secretsmanager")
    for password in ("one", "two"):
        text = json.dumps({"username": "reviewapps", "password": password})
        secrets.put_secret_value(SecretId=found.secret_arn, SecretString=text)
        assert clients._master_password(server) == password
    secrets.put_secret_value(SecretId=found.secret_arn, SecretString="[]")
    with pytest.raises(ServiceError, match="no password in JSON"):
        clients._master_password(server)


def test_without_a_managed_password_it_says_what_to_do(where: settings.Aws) -> None:
    clients = Clients(Settings(aws=where, postgresql=DatabaseServer(instance="none")))
    with pytest.raises(ReviewAppsError, match="password on RDS instance none"):
        clients._master_password(DatabaseServer(instance="none"))


def test_a_silent_aws_is_unreachable() -> None:
    aws = Aws(settings.Aws(endpoint="http://127.0.0.1:1"))
    aws._credentials = lambda: dict.fromkeys(  # type: ignore[method-assign]
        ("aws_access_key_id", "aws_secret_access_key"), "testing"
    )
    rds = Rds(aws)
    rds._made = boto3.client(
        "rds",
        endpoint_url="http://127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=boto3.session.Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(Unreachable, match="AWS did not answer"):
        rds.find("apps")
