"""A tiny application on a real cluster, driven by the command line, and a look for what it leaves.

`Place` runs `reviewapps` as a user does, in a process of its own; `leftovers` asks Nomad, Docker,
Consul and PostgreSQL what there still is of an app.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml

from reviewapps import naming, settings
from reviewapps.clients import Clients
from reviewapps.clients.docker import Docker
from reviewapps.local import images
from reviewapps.local.cluster import Cluster
from reviewapps.store import keys
from reviewapps.store.record import Record
from reviewapps.store.records import Records
from tests import repositories

ROOT = Path(__file__).parents[2]
TINY = "reviewapps-test/tiny:1"
PROJECT = "tiny"
PATIENCE_SECONDS = 60
Json = dict[str, Any]

WHOLE: Json = {
    "project": PROJECT,
    "branches": "*",
    "database": {"engine": "postgresql", "connections": 5},
    "redis": {"memory_mb": 16},
    "migrate": {"command": "/tiny/migrate", "memory_mb": 32, "timeout_seconds": 30},
    "seed": {"command": "/tiny/seed", "memory_mb": 32},
    "unicorn": {
        "command": "/tiny/serve",
        "port": 8080,
        "health_path": "/up",
        "memory_mb": 32,
        "boot_seconds": 20,
        "stop_seconds": 1,
    },
    "resque": {"command": "/tiny/work", "memory_mb": 16, "stop_seconds": 1},
}


def build_tiny() -> str:
    """Return the tag of the tiny application's image, built when it is missing or has changed."""
    images.ensure(Docker(), "postgres", print)  # what it is made from: a file may be run alone
    Docker(build_network="host").build_folder(Path(__file__).parent / "tiny", TINY)
    return TINY


@dataclass
class Done:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.out + self.err

    @property
    def error(self) -> str:
        """The sentence that it failed with."""
        lines = [each for each in self.err.splitlines() if each.startswith("Error: ")]
        return lines[0].removeprefix("Error: ") if lines else ""


@dataclass
class Running:
    """A command that is still at work."""

    process: subprocess.Popen[str]
    began: float = field(default_factory=time.monotonic)

    def done(self, timeout_seconds: float = 120) -> Done:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=timeout_seconds)
        return Done(self.process.returncode, out, err, time.monotonic() - self.began)


class Place:
    """One project in a folder with a git repository, on a cluster."""

    def __init__(self, folder: Path, cluster: Cluster, branch: str = "deploy-blue") -> None:
        self.folder = folder
        self.cluster = cluster
        self.branch = branch
        self.project = json.loads(json.dumps(WHOLE))
        self.settings = settings.load({"REVIEWAPPS_SETTINGS": str(cluster.settings_file)})
        self.clients = Clients(self.settings)
        repositories.make(folder, {"Dockerfile": f"FROM {TINY}\nCOPY version /\n", "version": "1"})
        self.write()

    @property
    def slug(self) -> str:
        """The app's slug."""
        return naming.slug(self.project["project"], self.branch)

    @property
    def file(self) -> str:
        """Name the project file as it lies here; the branch has its own, as of its commit."""
        return f"--project={self.folder / 'reviewapps.yml'}"

    def write(self, **changes: Json | None) -> None:
        """Write the project file, with some sections changed; None takes one out."""
        for section, values in changes.items():
            if values is None:
                self.project.pop(section, None)
            else:
                self.project[section] = {**self.project.get(section, {}), **values}
        (self.folder / "reviewapps.yml").write_text(yaml.safe_dump(self.project))

    def only(self, *sections: str) -> None:
        """Leave the project its web process and these sections, so that a test takes less long."""
        for section in ("database", "redis", "migrate", "seed", "resque"):
            if section not in sections:
                self.write(**{section: None})

    def write_whole(self, **values: Any) -> None:
        """Write the project file with some top-level values changed."""
        self.project.update(values)
        self.write()

    def commit(self, version: str) -> str:
        """Put a new commit on the app's branch, which may be new."""
        tree = repositories.commit(self.folder, {"version": version})
        repositories.git(self.folder, "update-ref", "--", f"refs/heads/{self.branch}", tree)
        return tree

    def start(
        self, *arguments: str, module: str = "reviewapps.cli", env: Mapping[str, str] | None = None
    ) -> Running:
        """Start a command of `reviewapps` in the project's folder."""
        code = f"from {module} import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=self.environment() | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
        )
        return Running(process)

    def environment(self) -> dict[str, str]:
        """Return the environment of every command."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder.parent),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "REVIEWAPPS_SETTINGS": str(self.cluster.settings_file),
        }

    def run(self, *arguments: str, **options: Any) -> Done:
        """Run a command to its end."""
        return self.start(*arguments, **options).done()

    def deploy(self, *more: str, **options: Any) -> Done:
        """Deploy the branch with the tiny image; `image=""` builds the commit's."""
        image = options.pop("image", TINY)
        given = [f"--image={image}"] if image else []
        return self.run("deploy", self.file, *given, *more, "--", self.branch, **options)

    def destroy(self, **options: Any) -> Done:
        """Destroy the branch's app."""
        return self.run("destroy", "--", self.branch, **options)

    def start_deploy(self, image: str = TINY, **options: Any) -> Running:
        """Start to deploy the branch."""
        given = [f"--image={image}"] if image else []
        return self.start("deploy", self.file, *given, "--", self.branch, **options)

    def record(self) -> Record:
        """Return the app's record."""
        found = Records(self.clients.consul).find(self.slug)
        assert found, f"there is no record of {self.slug}"
        return found

    def has_record(self) -> bool:
        """Say whether there is a record of the app."""
        return Records(self.clients.consul).find(self.slug) is not None

    def route(self) -> str:
        """Return the app's route, "" when there is none."""
        _, entry = self.clients.consul.get(keys.route(f"{self.slug}.{self.settings.domain}"))
        return entry.value if entry else ""

    def get(self, path: str = "/") -> str:
        """Ask the app itself, where its route leads."""
        answer = requests.get(f"http://{self.route().split()[0]}{path}", timeout=5)
        return answer.content.decode("utf-8", "surrogateescape").rstrip("\n")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the app's database as its administrator's guest."""
        server = self.settings.postgresql
        assert server
        with psycopg.connect(
            host=server.host,
            port=server.port,
            user=naming.thing(self.slug, "db"),
            password=self.password("database"),
            dbname=naming.thing(self.slug, "db"),
        ) as connection:
            return connection.execute(statement.encode()).fetchall()

    def password(self, of: str) -> str:
        """Return one of the app's passwords."""
        return self.clients.nomad.variable(f"reviewapps/{self.slug}/{of}")["password"]

    def allocations(self, step: str) -> list[Json]:
        """Return the allocations of a step's job, newest first."""
        return self.clients.nomad.allocations(naming.thing(self.slug, step))[1]

    def inspect(self, step: str) -> Json:
        """Return what Docker knows of the newest running container of a step."""
        alive = [each for each in self.allocations(step) if each["ClientStatus"] == "running"]
        found = docker("inspect", f"{step}-{alive[0]['ID']}")
        inspected: Json = json.loads(found)[0]
        return inspected


def docker(*arguments: str) -> str:
    """Run docker and return what it prints."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def until(is_so: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something is so; a wait that takes too long is a failure."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def leftovers(place: Place, slug: str = "") -> list[str]:
    """Return what there is of an app, in Nomad, Docker, Consul and PostgreSQL."""
    slug = slug or place.slug
    nomad, consul = place.clients.nomad, place.clients.consul
    found = [f"Nomad job {each['ID']}" for each in nomad.jobs(f"{slug}--")]
    found += [f"Variable {each}" for each in nomad.variables(f"nomad/jobs/{slug}--")]
    found += [f"Variable {each}" for each in nomad.variables(f"reviewapps/{slug}/")]
    services = nomad._call("get", "services")
    named = [each["ServiceName"] for row in services for each in row["Services"]]
    found += [f"Nomad service {each}" for each in named if each.startswith(f"{slug}--")]
    found += [f"Consul key {each.key}" for each in consul.list(keys.ROOT)[1] if slug in each.key]
    label = '{{.Label "com.hashicorp.nomad.job_name"}}'
    containers = docker("ps", "--all", "--format", label).split()
    found += [f"container of {each}" for each in containers if each.startswith(f"{slug}--")]
    found += [f"image {each.tag}" for each in place.clients.docker.images(slug)]
    return found + in_database(place, slug)


def in_database(place: Place, slug: str) -> list[str]:
    """Return the databases and roles of an app on the shared server."""
    server = place.settings.postgresql
    assert server
    with psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=Path(server.password_file).read_text().strip(),
        dbname="postgres",
    ) as connection:
        asked = "SELECT 'database ' || datname FROM pg_database WHERE starts_with(datname, %s)"
        asked += " UNION SELECT 'role ' || rolname FROM pg_roles WHERE starts_with(rolname, %s)"
        rows = connection.execute(asked.encode(), [f"{slug}--"] * 2).fetchall()
    return [str(name) for (name,) in rows]
