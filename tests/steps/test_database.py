"""The database step at RDS, through moto's server; tests/real/test_rds.py adds PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest

from reviewapps import leftovers, settings
from reviewapps.apps import app_of as app_of_record
from reviewapps.clients.aws.rds import Rds
from reviewapps.errors import Failed, ServiceError, Unreachable, UserError, Waiting
from reviewapps.naming import slug
from reviewapps.settings import Create
from reviewapps.step import Context
from reviewapps.steps import database, instance
from tests.fakes.account import account, app_of, context_of, undo, with_server
from tests.fakes.consul import Consul

CREATE = Create(subnet_group="", security_groups=("sg-1",))
SNAPSHOT = {"mode": "snapshot", "snapshot": "nightly"}


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Iterator[settings.Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with account() as found:
        yield found


def rds_of(context: Context) -> Any:
    return context.clients.aws.client("rds")


def take_snapshot(context: Context) -> None:
    """Leave a snapshot of a server whose password RDS does not manage, as most are."""
    rds_of(context).create_db_instance(
        DBInstanceIdentifier="production",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        MasterUsername="reviewapps",
        MasterUserPassword="password123",
        AllocatedStorage=20,
    )
    rds_of(context).create_db_snapshot(
        DBInstanceIdentifier="production", DBSnapshotIdentifier="nightly"
    )


def test_a_shared_server_that_nobody_asked_for_is_not_made(where: settings.Aws) -> None:
    app, context = app_of(), context_of(with_server(where, instance="apps"))
    assert database.missing(app, context) == "there is no RDS instance apps"
    with pytest.raises(ServiceError, match="there is no RDS instance apps"):
        database.apply(app, context)
    assert context.clients.rds.find("apps") is None


def test_a_shared_server_that_the_settings_ask_for_is_made_once(where: settings.Aws) -> None:
    """Two processes, neither of which knows of the other."""
    app, there = app_of(), with_server(where, instance="apps", create=CREATE)
    first, second = context_of(there), context_of(there)
    assert database.missing(app, first) == database.missing(app, second) != ""
    for context in (first, second):
        with pytest.raises(Waiting, match="creating RDS instance apps"):
            instance.apply(app, context)
        instance.apply(app, context)
    assert [each.name for each in first.clients.rds.owned()] == ["apps"]


def test_a_lost_reply_and_a_throttled_call_make_one_instance(
    where: settings.Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, there = app_of(), with_server(where, instance="apps", create=CREATE)
    create = Rds.create

    def lose(self: Rds, *given: Any) -> None:
        create(self, *given)
        raise Unreachable("AWS did not answer")

    monkeypatch.setattr(Rds, "create", lose)
    with pytest.raises(Unreachable):
        instance.apply(app, context_of(there))
    monkeypatch.setattr(Rds, "create", None)
    instance.apply(app, context_of(there))
    assert instance.missing(app, context_of(there)) == ""


@pytest.mark.parametrize("status", ["creating", "resetting-master-credentials"])
def test_it_is_waited_for_with_rds_own_word(
    where: settings.Aws, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    app, context = app_of(), context_of(with_server(where, instance="apps", create=CREATE))
    show(context, monkeypatch, status)
    assert database.missing(app, context) == f"RDS instance apps is {status}"
    with pytest.raises(Waiting, match=status):
        database.apply(app, context)


def test_a_full_disk_ends_the_deploy(where: settings.Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    app, context = app_of(), context_of(with_server(where, instance="apps", create=CREATE))
    show(context, monkeypatch, "storage-full")
    with pytest.raises(Failed, match="storage-full") as failed:
        database.missing(app, context)
    assert "disk is full" in failed.value.hint


def show(context: Context, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """Make the shared instance and let it appear in a state that moto never shows."""
    context.clients.rds.create("apps", "postgresql", CREATE, "reviewapps")
    found = context.clients.rds.find("apps")
    assert found is not None
    shown = type(found)(**{**vars(found), "status": status})
    monkeypatch.setattr(Rds, "find", lambda *_: shown)


def test_an_own_instance_is_restored_gets_a_new_password_and_goes(where: settings.Aws) -> None:
    app = app_of(**SNAPSHOT)
    there = with_server(where, instance="apps", create=CREATE)
    context = context_of(there, app)
    take_snapshot(context)
    name = f"review-{app.slug}"
    assert database.missing(app, context) == f"there is no RDS instance {name}"
    with pytest.raises(Waiting, match=f"restoring nightly to RDS instance {name}"):
        database.apply(app, context)
    again = context_of(there, app)  # killed here, run again
    assert database.missing(app, again) == f"RDS instance {name} has no managed password"
    with pytest.raises(Waiting):
        database.apply(app, again)
    assert instance.missing(app, again) == ""
    found = again.clients.rds.find(name)
    assert found is not None
    assert found.secret_arn
    assert found.tags["slug"] == app.slug
    assert again.clients.rds.find("apps") is None, "the shared server is not needed for this"
    assert undo(app, again) == []
    assert again.clients.rds.find(name) is None
    assert undo(app, again) == []


def test_the_network_of_an_own_instance_is_that_of_the_shared_one(where: settings.Aws) -> None:
    app = app_of(**SNAPSHOT)
    context = context_of(with_server(where, instance="apps"), app)
    take_snapshot(context)
    with pytest.raises(UserError, match="in which network"):
        database.apply(app, context)
    context = context_of(with_server(where, instance="apps"), app)
    context.clients.rds.create(
        "apps", "postgresql", Create("db.m7g.large", security_groups=("sg-9",)), "reviewapps"
    )
    with pytest.raises(Waiting):
        database.apply(app, context)
    found = context.clients.rds.find(instance.identifier(app.slug))
    assert found is not None
    assert (found.instance_class, found.security_groups) == ("db.m7g.large", ("sg-9",))


def test_another_snapshot_never_replaces_the_data(where: settings.Aws) -> None:
    app = app_of(**SNAPSHOT)
    context = context_of(with_server(where, instance="apps", create=CREATE), app)
    take_snapshot(context)
    for _ in range(2):
        with pytest.raises(Waiting):
            database.apply(app, context)
    other = app_of(mode="snapshot", snapshot="weekly")
    with pytest.raises(UserError, match="restored from nightly") as refused:
        database.missing(other, context)
    assert f"reviewapps destroy {app.slug}" in refused.value.hint


def test_an_instance_of_others_under_our_name_is_left_alone(where: settings.Aws) -> None:
    app = app_of(**SNAPSHOT)
    context = context_of(with_server(where, instance="apps", create=CREATE), app)
    name = instance.identifier(app.slug)
    context.clients.rds.create(name, "postgresql", CREATE, "theirs")
    for call in (database.missing, database.apply, database.undo):
        with pytest.raises(UserError, match="leaving it alone"):
            call(app, context)
    assert context.clients.rds.find(name) is not None


def test_an_app_that_never_had_a_snapshot_does_not_ask_rds(where: settings.Aws) -> None:
    app = app_of(engine="none")
    context = context_of(settings.Settings(aws=where), app)
    assert undo(app, context) == []
    assert context.clients.aws.requests == 0


def test_destroying_goes_on_when_the_shared_server_was_never_made(where: settings.Aws) -> None:
    app = app_of()
    assert undo(app, context_of(with_server(where, instance="apps"), app)) == []


def test_the_name_of_an_own_instance_is_one_that_rds_takes() -> None:
    for branch in ("x", "deploy-" + "ż" * 200, "a--b", "9", "-", "a" * 300):
        name = instance.identifier(slug("shop", branch))
        assert len(name) <= 63
        assert "--" not in name
        assert name[0].isalpha()
        assert not name.endswith("-")


def test_the_database_in_a_snapshot_is_called_as_the_project_or_as_it_says() -> None:
    assert database.common(app_of(**SNAPSHOT)) == "shop"
    assert database.common(app_of(**SNAPSHOT, name="shop_production")) == "shop_production"
    assert database.common(app_of()) == ""


def test_an_instance_whose_app_is_forgotten_is_found_by_its_tags_and_can_be_destroyed(
    where: settings.Aws,
) -> None:
    app = app_of(**SNAPSHOT)
    context = context_of(with_server(where, instance="apps", create=CREATE), app)
    take_snapshot(context)
    context.clients.rds.create("apps", "postgresql", CREATE, "reviewapps")
    assert list(leftovers._instances(context.clients)) == []
    with pytest.raises(Waiting):
        database.apply(app, context)
    (found,) = leftovers._instances(context.clients)
    assert (found.slug, found.kind) == (app.slug, "RDS instance")
    assert found.mend == f"reviewapps destroy {app.slug}"
    context.clients.__dict__["consul"] = Consul()
    record = leftovers.adopt(context.clients, app.slug, [found], "ann", "2026-11-21T10:00:00Z")
    assert (record.project, record.branch) == ("shop", app.branch)
    context.record.record = record  # type: ignore[attr-defined]
    assert undo(app_of_record(record), context) == []
    assert list(leftovers._instances(context.clients)) == []
