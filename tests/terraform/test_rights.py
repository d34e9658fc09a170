"""Every role is granted what the calls that are made with it need, and nothing else.

That CI's lists are the tool's calls is seen on a real cluster (tests/real/test_rights.py); those
over databases are seen here, and the machines' are read from their scripts.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from reviewapps import packages
from reviewapps.errors import Waiting
from reviewapps.settings import Create, DatabaseServer
from reviewapps.step import Context
from reviewapps.steps import instance
from tests.fakes.account import account, app_of, context_of, with_server
from tests.real.aws_calls import noted
from tests.terraform import rights
from tests.terraform.rights import DATABASES, Policies

USUAL = "ci_has_no_right_over_what_is_not_the_project_s"
DATABASE_RUN = "ci_makes_databases_of_the_named_snapshots_and_deletes_no_others"
MACHINES_CALL = re.compile(r'client\("(?P<service>\w+)"\)\.(?P<call>\w+)\(')
SNAPSHOT = {"mode": "snapshot", "snapshot": "nightly"}


@pytest.fixture(scope="module")
def granted(rights_told: list[dict[str, Any]]) -> dict[str, Policies]:
    return rights.granted(rights_told)


@pytest.mark.parametrize("project", ["shop", "blog"])
def test_ci_is_granted_what_it_calls_and_nothing_else(
    granted: dict[str, Policies], project: str
) -> None:
    usual = granted[USUAL]
    reasons = rights.REASONS
    assert usual[f'ci["{project}-deploy"]'] == rights.DEPLOY_CALLS | reasons["deploy"].keys()
    assert usual[f'ci["{project}-prune"]'] == rights.PRUNE_CALLS | reasons["prune"].keys()


def test_with_databases_of_its_own_ci_is_granted_those_calls_too(
    granted: dict[str, Policies],
) -> None:
    usual, more = granted[USUAL], granted[DATABASE_RUN]
    called = rights.RESTORE_CALLS | rights.CREATE_CALLS
    deploy, prune = 'ci["shop-deploy"]', 'ci["shop-prune"]'
    assert more[deploy] == usual[deploy] | called | DATABASES.keys()
    assert more[prune] == usual[prune] | {"rds:DeleteDBInstance"}


@pytest.mark.parametrize(
    ("role", "policy", "folders"),
    [("node", "nodes", ["common", "node"]), ("server", "servers", ["common", "server"])],
)
def test_machines_are_granted_what_their_scripts_call_and_nothing_else(
    granted: dict[str, Policies], role: str, policy: str, folders: list[str]
) -> None:
    machines = packages.folder("terraform") / "machines"
    scripts = [file for name in folders for file in (machines / name).glob("*.py")]
    made = set().union(*map(calls, scripts))
    if role == "node":
        made -= {"secretsmanager:PutSecretValue"}  # in the common file; only servers write
    if role == "server":
        made -= {"autoscaling:CompleteLifecycleAction"}  # only nodes have hooks
    assert made, "calls are not recognised"
    assert granted[USUAL][policy] == made | rights.REASONS[role].keys()


def calls(script: Path) -> set[str]:
    """Return the calls of AWS in a script, as IAM writes them."""
    services = {"elbv2": "elasticloadbalancing"}
    found = MACHINES_CALL.findall(script.read_text())
    return {
        f"{services.get(service, service)}:{''.join(map(str.capitalize, call.split('_')))}"
        for service, call in found
    }


def test_a_reason_is_given_for_what_is_not_called_only() -> None:
    for role, called in (("deploy", rights.DEPLOY_CALLS), ("prune", rights.PRUNE_CALLS)):
        assert not called & rights.REASONS[role].keys()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.mark.usefixtures("credentials")
def test_an_app_s_own_server_takes_the_calls_that_are_granted_for_it() -> None:
    seen: set[str] = set()
    with account() as where, noted(seen.add):
        app = app_of("deploy-own", **SNAPSHOT)
        context = context_of(with_server(where, instance="apps"), app)
        api = context.clients.aws.client("rds")
        api.create_db_instance(
            DBInstanceIdentifier="production",
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            MasterUsername="reviewapps",
            MasterUserPassword="password123",
            AllocatedStorage=20,
        )
        api.create_db_snapshot(DBInstanceIdentifier="production", DBSnapshotIdentifier="nightly")
        context.clients.rds.create("apps", "postgresql", Create(), "reviewapps")
        seen.clear()
        until_there(app, context)
        server = DatabaseServer(instance=instance.identifier(app.slug))
        assert context.clients._master_password(server)
        instance.remove(app, context)
    assert seen == rights.RESTORE_CALLS


@pytest.mark.usefixtures("credentials")
def test_a_server_for_all_takes_the_calls_that_are_granted_for_it() -> None:
    seen: set[str] = set()
    with account() as where, noted(seen.add):
        app = app_of("deploy-first")
        there = with_server(where, instance="apps", create=Create(), user="reviewapps")
        context = context_of(there, app)
        until_there(app, context)
        assert there.postgresql
        assert context.clients._master_password(there.postgresql)
    assert seen == rights.CREATE_CALLS


def until_there(app: instance.ReviewApp, context: Context) -> None:
    """Do what the engine does until the server can be used."""
    while instance.missing(app, context):
        with pytest.raises(Waiting):
            instance.apply(app, context)
