"""Consul in memory, and clients that have nothing else, for what the commands print."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from click.testing import CliRunner, Result

from reviewapps.cli import main
from reviewapps.clients.consul import Entry
from reviewapps.errors import Unreachable
from reviewapps.progress import Event
from reviewapps.review_app import Release
from reviewapps.settings import Settings
from reviewapps.store import keys
from reviewapps.store.record import Record, dump

COMMIT = "e8142ff1aee06ee37ba4af84c2d2ed9a2bb0bd69"
AT = "2026-11-21T09:16:32.224Z"


class Consul:
    """The keys it was made with, to be read."""

    def __init__(self, values: dict[str, str], session: str = "") -> None:
        self.values = values
        self.session = session

    def get(self, key: str, **_: Any) -> tuple[int, Entry | None]:
        """Return one key."""
        value = self.values.get(key)
        return 1, None if value is None else Entry(key, value, 1, self.session)

    def list(self, prefix: str, **_: Any) -> tuple[int, list[Entry]]:
        """Return the keys below a prefix."""
        found = [Entry(*each, 1) for each in sorted(self.values.items())]
        return 1, [each for each in found if each.key.startswith(prefix)]


class Silent:
    """A service that does not answer."""

    def __getattr__(self, _: str) -> Any:
        def refuse(*_: Any, **__: Any) -> None:
            raise Unreachable("Consul at http://127.0.0.1:8500 does not answer", hint="try later")

        return refuse


@dataclass
class Nomad:
    """Allocations and their output, to be read."""

    found: list[dict[str, Any]] = field(default_factory=list)
    output: dict[str, str] = field(default_factory=dict)

    def allocations(self, _job: str, **_: Any) -> tuple[int, list[dict[str, Any]]]:
        """Return all allocations, whichever job is asked for."""
        return 1, self.found

    def allocation(self, name: str) -> dict[str, Any]:
        """Return an allocation of release 2."""
        return {"ID": name, "Job": {"Meta": {"reviewapps_release": "2"}}}

    def logs(self, _allocation: str, _task: str, kind: str, _tail_bytes: int = 0) -> str:
        """Return the output of this kind."""
        return self.output.get(kind, "")


def record(branch: str = "deploy-blue", slug: str = "blue-ajjyeh", **changes: Any) -> Record:
    """Return the record of a running app."""
    image = f"guestbook:{slug}-{COMMIT[:12]}"
    values: dict[str, Any] = {
        "slug": slug,
        "project": "guestbook",
        "branch": branch,
        "host": f"{slug}.localhost",
        "url": f"http://{slug}.localhost:8080",
        "state": "running",
        "serving": 1,
        "releases": (Release(1, image, COMMIT, built=True, project={"project": "guestbook"}),),
        "asked_by": "ada@laptop",
        "asked_at": AT,
        "updated_at": AT,
        "events": (Event(AT, "unicorn", "done", "", 3.14),),
    }
    return Record(**{**values, **changes})


def consul(*records: Record, **more: str) -> Consul:
    """Return a Consul that holds these records and keys."""
    return Consul({keys.app(each.slug): dump(each) for each in records} | more)


def run(*arguments: str, consul: Any, nomad: Any = None, **options: Any) -> Result:
    """Run a command with these clients."""
    clients = SimpleNamespace(consul=consul, nomad=nomad, settings=Settings())
    return CliRunner().invoke(main, arguments, obj=clients, **options)
