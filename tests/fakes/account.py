"""An AWS account in this process, by moto's server, and what a step works with beside it."""

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from moto.server import ThreadedMotoServer

from reviewapps import naming, review_app, settings
from reviewapps.clients import Clients
from reviewapps.errors import Waiting
from reviewapps.project import Database, Project
from reviewapps.review_app import Release, ReviewApp
from reviewapps.settings import Settings
from reviewapps.step import Context
from reviewapps.steps import database
from reviewapps.store.record import Record

LONGEST_WALK = 10


@contextlib.contextmanager
def account() -> Iterator[settings.Aws]:
    """Lend an empty account; the caller sets credentials in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield settings.Aws(endpoint=f"http://{host}:{port}")
    finally:
        reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        server.stop()
        VARIABLES.pop(f"http://{host}:{port}", None)


class Variables:
    """The part of Nomad that keeps secrets."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, str]] = {}

    def variable(self, path: str) -> dict[str, str]:
        return self.kept.get(path, {})

    def put_variable(self, path: str, items: dict[str, str]) -> None:
        self.kept[path] = items

    def delete_variable(self, path: str) -> None:
        self.kept.pop(path, None)


class KeptRecord:
    """The part of a held record that the step uses."""

    def __init__(self, *apps: ReviewApp) -> None:
        self.record = Record("s", "shop", "b", "h", "u", releases=tuple(a.release for a in apps))

    def read(self) -> Record:
        return self.record


def app_of(branch: str = "deploy-blue", **spec: Any) -> ReviewApp:
    """Return an app of the project shop with this database."""
    project = Project(project="shop", database=Database(**{"engine": "postgresql"} | spec))
    slug = naming.slug("shop", branch)
    release = Release(1, "shop:1", "0" * 40, False, project.as_dict())
    host = review_app.host(slug, "localhost")
    return ReviewApp(project, branch, slug, host, f"http://{host}", release)


def context_of(where: Settings, *apps: ReviewApp) -> Context:
    """Return what a step of the apps' releases works with, as a fresh process has it."""
    clients = Clients(where)
    clients.__dict__["nomad"] = VARIABLES.setdefault(where.aws.endpoint, Variables())
    record = cast(Any, KeptRecord(*apps))
    return Context(clients, record, lambda _: None, lambda: None)


VARIABLES: dict[str, Variables] = {}


def walk(app: ReviewApp, context: Context) -> list[str]:
    """Do what the engine does with the step; return what it waited for."""
    waited: list[str] = []
    for _ in range(LONGEST_WALK):
        if not database.missing(app, context):
            return waited
        try:
            database.apply(app, context)
        except Waiting as reason:
            waited.append(reason.message)
    raise AssertionError(f"never done: {waited}, {database.missing(app, context)}")


def undo(app: ReviewApp, context: Context) -> list[str]:
    """Undo as the engine does; return what was waited for."""
    waited: list[str] = []
    for _ in range(LONGEST_WALK):
        try:
            database.undo(app, context)
        except Waiting as reason:
            waited.append(reason.message)
        else:
            return waited
    raise AssertionError(f"never gone: {waited}")


def set_password(context: Context, instance: str, password: str) -> None:
    """Write into the managed secret; moto's own always holds the same."""
    found = context.clients.rds.find(instance)
    assert found is not None
    text = json.dumps({"username": found.user, "password": password})
    secrets = context.clients.aws.client("secretsmanager")
    secrets.put_secret_value(SecretId=found.secret_arn, SecretString=text)


def with_server(where: settings.Aws, engine: str = "postgresql", **server: Any) -> Settings:
    """Return settings whose server of an engine is at RDS."""
    values: dict[str, Any] = {engine: settings.DatabaseServer(**server)}
    return replace(Settings(), aws=where, **values)
