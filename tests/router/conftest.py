"""Fixtures: one Consul for all tests, a router and apps for each; logs are read after each."""

import base64
import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.router.apps import App
from tests.router.processes import ADDRESS, Consul, RunningRouter, consul_binary, eventually

HERE = Path(__file__).parent
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here runs on a real nginx, and most of it on a real Consul."""
    missing = not (shutil.which("nginx") and consul_binary())
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)
            if missing:
                item.add_marker(pytest.mark.skip(reason="needs nginx and consul on this machine"))


@pytest.fixture(scope="session")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consul]:
    server = Consul(tmp_path_factory.mktemp("consul"))
    server.start()
    yield server
    server.stop()


class World:
    """One router, its place in Consul, and the apps behind it."""

    def __init__(self, folder: Path, consul: Consul) -> None:
        self.folder = folder
        self.consul = consul
        self.prefix = f"test{next(_numbers)}/"
        self.apps: list[App] = []
        self.routers: list[RunningRouter] = []
        self.router: RunningRouter
        self.helper: subprocess.Popen[bytes]
        self.closed = False
        # A new connection for every request: none may depend on an older one.
        fresh = httpx.Limits(max_keepalive_connections=0, max_connections=None)
        self.http = httpx.Client(limits=fresh, verify=False, trust_env=False)

    def start_router(self, **changes: Any) -> RunningRouter:
        wait = changes.pop("wait", True)
        changes.setdefault("consul_address", self.consul.address)
        folder = self.folder / f"router{len(self.routers)}"
        self.router = RunningRouter(folder, prefix=self.prefix, **changes)
        self.routers.append(self.router)
        return self.router.start(wait)

    def app(self, name: str, **options: Any) -> App:
        app = App(name, **options).start()
        self.apps.append(app)
        return app

    def host(self, slug: str) -> str:
        return f"{slug}.localhost"

    def record(self, slug: str, state: str = "running", **more: Any) -> None:
        """Write the host record of an app."""
        self.consul.put(
            f"{self.prefix}hosts/{self.host(slug)}",
            {
                "schema": 1,
                "slug": slug,
                "branch": f"deploy-{slug}",
                "state": state,
                "since": "2026-11-21T08:00:00Z",
                "access": {"kind": "public"},
                **more,
            },
        )

    def route(self, slug: str, place: str) -> None:
        self.consul.put(f"{self.prefix}routes/{self.host(slug)}", place)

    def withdraw(self, slug: str) -> None:
        self.consul.delete(f"{self.prefix}routes/{self.host(slug)}")

    def run(self, slug: str, **more: Any) -> App:
        """Start an app, publish it, and wait until the router serves it."""
        app = self.app(slug)
        self.record(slug, **more)
        self.route(slug, app.place)
        self.until_acknowledged()
        return app

    def until_acknowledged(self, routers: int = 1) -> None:
        """Wait as whoever withdraws a route waits."""
        index = self.consul.index(f"{self.prefix}routes/")

        def seen() -> bool:
            found = self.consul.http.get(f"/v1/kv/{self.prefix}routers/?recurse").json()
            values = [json.loads(base64.b64decode(row["Value"])) for row in found]
            return len(values) >= routers and all(value["index"] >= index for value in values)

        eventually(lambda: self.consul.http.get(f"/v1/kv/{self.prefix}routers/?keys").is_success)
        eventually(seen)

    def request(self, method: str, slug: str, path: str = "/", **options: Any) -> httpx.Response:
        headers = {"Host": f"{slug}.localhost", "Accept": "application/json"}
        headers |= options.pop("headers", {})
        options.setdefault("timeout", 30)
        self.http.cookies.clear()
        return self.http.request(
            method, f"http://{ADDRESS}:{self.router.port}{path}", headers=headers, **options
        )

    def get(self, slug: str, path: str = "/", **options: Any) -> httpx.Response:
        return self.request("GET", slug, path, **options)

    def post(self, slug: str, path: str = "/", **options: Any) -> httpx.Response:
        return self.request("POST", slug, path, **options)

    def page(self, slug: str, path: str = "/", **options: Any) -> httpx.Response:
        """Ask as a browser that opens a page."""
        return self.get(slug, path, headers={"Accept": "text/html,*/*;q=0.8"}, **options)

    def close(self) -> None:
        """Stop everything and read the error logs; a second call finds nothing to do."""
        if self.closed:
            return
        self.closed = True
        for app in self.apps:
            app.stop()
        for router in self.routers:
            router.stop()
        self.consul.delete(self.prefix, recurse=True)
        complaints = [line for router in self.routers for line in router.complaints()]
        assert not complaints, "the error log is not clean:\n" + "\n".join(complaints[:20])


@pytest.fixture
def world(tmp_path: Path, consul: Consul) -> Iterator[World]:
    """A started router with nothing behind it yet."""
    found = World(tmp_path, consul)
    found.start_router()
    yield found
    found.close()


@pytest.fixture
def make_world(tmp_path: Path, consul: Consul) -> Iterator[Callable[..., World]]:
    """For tests that need other settings, a Consul of their own, or a router that starts later."""
    made: list[World] = []

    def make(own_consul: Consul | None = None, start: bool = True, **changes: Any) -> World:
        found = World(tmp_path / f"world{len(made)}", own_consul or consul)
        made.append(found)
        if start:
            found.start_router(**changes)
        return found

    yield make
    for found in made:
        found.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    subject = ["-subj", "/CN=*.localhost", "-addext", "subjectAltName=DNS:*.localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem", *subject],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(folder / "cert.pem"), str(folder / "key.pem")
