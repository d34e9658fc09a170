"""What Consul keeps of an app: what is wanted, what was seen, who asked, the last events."""

from dataclasses import field, replace
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from reviewapps.errors import ServiceError
from reviewapps.progress import Event
from reviewapps.review_app import Release

SCHEMA = 1
KEPT_RELEASES = 10
KEPT_EVENTS = 60
TOLERANT = ConfigDict(extra="ignore")

State = Literal["deploying", "running", "failed", "destroying"]


@dataclass(frozen=True, config=TOLERANT)
class Outcome:
    """How a task that runs once ended: `of` names what it ran for, `log` is its output's tail."""

    of: str
    result: Literal["done", "failed"]
    seconds: float = 0.0
    log: str = ""


@dataclass(frozen=True, config=TOLERANT)
class Record:
    """One app. `wish` counts what was asked for, so that a holder notices something newer.

    `release` is the number of the wanted release, `serving` of the one that the route leads to
    (0: none), `steps` the last event of each step of the current run. `repository` is where it was
    deployed from, as `github.com/acme/shop` ("": unknown), `access` what the routers ask visitors
    for, beside what the project says ({}: nothing yet).
    """

    slug: str
    project: str
    branch: str
    host: str
    url: str
    repository: str = ""
    wanted: Literal["running", "gone"] = "running"
    state: State = "deploying"
    wish: int = 1
    release: int = 1
    serving: int = 0
    told: int = 0
    releases: tuple[Release, ...] = ()
    cause: str = ""
    access: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    steps: tuple[Event, ...] = ()
    events: tuple[Event, ...] = ()
    estimate_seconds: float = 0.0
    asked_by: str = ""
    asked_at: str = ""
    updated_at: str = ""
    schema: int = SCHEMA

    def numbered(self, number: int) -> Release:
        """Return a release that is still kept."""
        return next(each for each in self.releases if each.number == number)

    @property
    def wanted_release(self) -> Release:
        """Return the release that should run."""
        return self.numbered(self.release)

    def with_release(self, release: Release) -> "Record":
        """Return the record with one more release, which is now wanted; old ones are forgotten."""
        kept = (*self.releases, release)[-KEPT_RELEASES:]
        return replace(self, releases=kept, release=release.number)

    def with_event(self, event: Event) -> "Record":
        """Return the record with one more event, at the step's place among the steps."""
        others = tuple(each for each in self.steps if each.step != event.step)
        return replace(self, steps=(*others, event), events=(*self.events, event)[-KEPT_EVENTS:])


ADAPTER = TypeAdapter(Record)


def dump(record: Record) -> str:
    """Return the record as the JSON that Consul keeps."""
    return ADAPTER.dump_json(record).decode()


def parse(text: str, key: str) -> Record:
    """Return the record that `text` holds; raises ServiceError when it holds none."""
    try:
        record = ADAPTER.validate_json(text)
    except ValidationError as error:
        raise ServiceError(
            f"the record {key} is not readable: {error.errors()[0]['msg']}",
            hint=f"look at it with: consul kv get {key}",
        ) from error
    if record.schema > SCHEMA:
        raise ServiceError(
            f"the record {key} was written by a newer reviewapps (schema {record.schema})",
            hint="pip install --upgrade reviewapps",
        )
    return record
