"""A project: what its `reviewapps.yml` says, parsed once into frozen values.

`reviewapps.example.yml`, next to this module, is the whole file with comments.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from reviewapps.errors import UserError
from reviewapps.project_faults import blame, sentence
from reviewapps.project_file import Location, read, read_text
from reviewapps.project_values import (
    Branches,
    BuildArgs,
    Command,
    Connections,
    Count,
    Cpu,
    DatabaseName,
    Domain,
    Env,
    Extension,
    FilePath,
    ImagePath,
    Member,
    Memory,
    Port,
    ProjectName,
    Seconds,
    Secrets,
    Snapshot,
    Truth,
    UrlPath,
    fault,
)

FILE = "reviewapps.yml"
CONFIG = ConfigDict(extra="forbid")

Engine = Literal["postgresql", "mysql", "none"]
Mode = Literal["own", "template", "shared", "read-only", "snapshot"]
Signal = Literal["SIGTERM", "SIGQUIT", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGWINCH"]


@dataclass(frozen=True, config=CONFIG)
class Image:
    """How the image is built from a commit; `context` and `dockerfile` are in the repository."""

    dockerfile: FilePath = "Dockerfile"
    context: FilePath = "."
    build_args: BuildArgs = field(default_factory=dict)


@dataclass(frozen=True, config=CONFIG)
class Database:
    """The app's database. `name` is the common one that modes shared and read-only use.

    In mode snapshot it is the one inside the snapshot; "" means that it is called as the project.

    `fingerprint` names what migrations and seeds are made of: mode template copies a database
    that was made from the same files.
    """

    engine: Engine = "none"
    mode: Mode = "own"
    name: DatabaseName = ""
    snapshot: Snapshot = ""
    extensions: tuple[Extension, ...] = ()
    connections: Connections = 20
    fingerprint: tuple[FilePath, ...] = ("db",)

    @model_validator(mode="after")
    def fits_together(self) -> "Database":
        """Check what one key says about another."""
        common = self.mode in {"shared", "read-only"}
        others = (self.mode, self.name, self.snapshot, self.extensions, self.connections)
        if self.engine == "none" and others != ("own", "", "", (), 20):
            raise fault("should be postgresql or mysql", at="engine")
        if common and not self.name:
            raise fault(f"is missing: mode {self.mode} uses a database that exists", at="name")
        if self.name and self.mode in {"own", "template"}:
            raise fault("belongs to shared, read-only or snapshot; else it is chosen", at="name")
        if (self.mode == "snapshot") != bool(self.snapshot):
            raise fault("goes together with mode snapshot, and only with it", at="snapshot")
        if self.extensions and self.engine != "postgresql":
            raise fault("is known to postgresql only", at="extensions")
        return self


@dataclass(frozen=True, config=CONFIG)
class Redis:
    """An own Redis for each app, which forgets when it is full or restarted."""

    memory_mb: Memory = 64


@dataclass(frozen=True, config=CONFIG)
class Task:
    """A command that runs to its end once: migrate for each release, seed for each database."""

    command: Command
    memory_mb: Memory = 512
    cpu_mhz: Cpu = 200
    timeout_seconds: Seconds = 600
    env: Env = field(default_factory=dict)


@dataclass(frozen=True, config=CONFIG)
class Unicorn:
    """The web process, whichever server it is; without `command` the image's own runs."""

    command: Command | None = None
    port: Port = 8080
    health_path: UrlPath = "/"
    memory_mb: Memory = 512
    cpu_mhz: Cpu = 200
    count: Count = 1
    env: Env = field(default_factory=dict)
    boot_seconds: Seconds = 60
    stop_signal: Signal = "SIGTERM"
    stop_seconds: Seconds = 30


@dataclass(frozen=True, config=CONFIG)
class Worker:
    """The background worker, whichever queue it works on."""

    command: Command
    memory_mb: Memory = 512
    cpu_mhz: Cpu = 200
    count: Count = 1
    env: Env = field(default_factory=dict)
    stop_signal: Signal = "SIGTERM"
    stop_seconds: Seconds = 30


@dataclass(frozen=True, config=CONFIG)
class Limits:
    """How long a build and a whole deploy may take."""

    deploy_seconds: Seconds = 900
    build_seconds: Seconds = 1800


@dataclass(frozen=True, config=CONFIG)
class Access:
    """Who may open the apps: anyone, who knows the app's password, or who is signed in.

    A sign-in is the team's; `groups` and `emails` narrow it to some of the team.
    """

    kind: Literal["public", "password", "sign-in"] = "public"
    groups: tuple[Member, ...] = ()
    emails: tuple[Member, ...] = ()

    @model_validator(mode="after")
    def fits_together(self) -> "Access":
        """Check that only a sign-in is narrowed."""
        for key in ("groups", "emails"):
            if getattr(self, key) and self.kind != "sign-in":
                raise fault("belongs to kind sign-in", at=key)
        return self


@dataclass(frozen=True, config=CONFIG)
class Assets:
    """Files of the image that go to the CDN: `directory` in the image, served below `prefix`."""

    directory: ImagePath = "public/assets"
    prefix: UrlPath = "/assets"


@dataclass(frozen=True, config=CONFIG)
class Capacity:
    """Whether apps share nodes as they fit, or each brings a node of its own."""

    policy: Literal["shared", "per-app"] = "shared"


@dataclass(frozen=True, config=CONFIG)
class Project:
    """One application that gets review apps; `domain` "" means the settings' domain."""

    project: ProjectName
    image: Image = field(default_factory=Image)
    domain: Domain = ""
    branches: Branches = "deploy-*"
    database: Database = field(default_factory=Database)
    redis: Redis | None = None
    migrate: Task | None = None
    seed: Task | None = None
    unicorn: Unicorn = field(default_factory=Unicorn)
    resque: Worker | None = None
    env: Env = field(default_factory=dict)
    secrets: Secrets = ()
    limits: Limits = field(default_factory=Limits)
    access: Access = field(default_factory=Access)
    subdomains: Truth = False
    assets: Assets | None = None
    capacity: Capacity = field(default_factory=Capacity)

    @model_validator(mode="after")
    def has_each_name_once(self) -> "Project":
        """Refuse a secret that a section's env would hide, or be hidden by."""
        sections = (self.migrate, self.seed, self.unicorn, self.resque)
        written = {*self.env, *(name for each in sections if each for name in each.env)}
        both = sorted(written & set(self.secrets))
        if both:
            raise fault(f"has {both[0]}, which env has too; keep one of them", at="secrets")
        return self

    def covers(self, branch: str) -> bool:
        """Say whether a branch of this name gets a review app."""
        return fnmatch.fnmatchcase(branch, self.branches)

    def as_dict(self) -> dict[str, Any]:
        """Return what the record keeps: JSON values, with the defaults of today written out."""
        values: dict[str, Any] = adapter().dump_python(self, mode="json")
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Project":
        """Return the project of a record; keys that only a newer version knows are passed over."""
        project, errors = validate(dict(values))
        while errors and all(error["type"] == "unexpected_keyword_argument" for error in errors):
            for error in errors:
                remove(values := dict(values), error["loc"])
            project, errors = validate(values)
        if project is None:
            faults = "; ".join(f"{'/'.join(map(str, e['loc']))} {sentence(e)}" for e in errors)
            raise UserError(f"the record's project cannot be read: {faults}")
        return project


def load(path: Path) -> Project:
    """Return the project of a file; all its faults are raised together as ProjectError."""
    return parse(read_text(path), str(path))


def parse(text: str, file: str = FILE) -> Project:
    """Return the project that `text` describes; `file` is what the faults call it."""
    document = read(text, file)
    project, errors = validate(document.values)
    for error in errors:
        blame(document, error, Project)
    document.check()
    assert project is not None  # noqa: S101 -- no project means faults, and check has raised them
    return project


@cache
def adapter() -> TypeAdapter[Project]:
    """Return pydantic's validator, built once."""
    return TypeAdapter(Project)


def validate(values: Any) -> tuple[Project | None, list[Any]]:
    """Return the project, or None and pydantic's errors."""
    try:
        return adapter().validate_python(values), []
    except ValidationError as error:
        return None, list(error.errors(include_url=False))


def remove(values: dict[str, Any], location: Location) -> None:
    """Remove the key at `location` without changing what the caller holds."""
    *sections, last = location
    for key in sections:
        values[str(key)] = values = dict(values[str(key)])
    values.pop(str(last), None)
