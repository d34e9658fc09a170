"""What the engine asks of a database server; PostgreSQL and MySQL both answer it alike.

Every database and login is marked as ours with the project, branch and slug it belongs to, so
that it can be found without the record and so that nothing else is ever dropped.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from reviewapps.errors import UserError

PLATFORM = "reviewapps"
Kind = Literal["app", "template", "guest", "readers"]


@dataclass(frozen=True)
class Found:
    """A database or login that carries our mark, or what is left of one.

    `identity` changes when a database is dropped and created again; it is "" when there is no
    database. `ready` says that its creation came to the end: one that was killed half-way isn't.
    `owner` holds what `create` was given, its `kind` and the `template` or `common` database.
    """

    name: str
    identity: str
    owner: Mapping[str, str]
    size_bytes: int
    connections: int
    ready: bool


class Databases(Protocol):
    """One shared server that gives every app a database and a login of its own.

    Every call may be killed anywhere and made again; a second call only puts right what differs.
    Each raises Unreachable when the server doesn't answer, ServiceError when it refuses, UserError
    when a name is taken by others, and Conflict when another session is in the way for too long.
    """

    def prepare(self) -> None:
        """Close the doors a server has open by default; once per server, harmless again."""

    def open_doors(self) -> list[str]:
        """Return what every login may enter or read although it shouldn't, in words."""

    def find(self, name: str) -> Found | None:
        """Return what there is under `name` and ours, or None; UserError when it isn't ours."""

    def owned(self) -> list[Found]:
        """Return everything that carries our mark, logins without a database included."""

    def create(  # noqa: PLR0913 - what a database is made from, by name
        self,
        name: str,
        owner: Mapping[str, str],
        password: str,
        *,
        connections_limit: int = 20,
        extensions: Sequence[str] = (),
        template: str = "",
    ) -> None:
        """Make the database, empty or as a copy of `template`, and its login.

        A database that exists is never copied into again, whatever `template` says by then.
        """

    def create_guest(  # noqa: PLR0913 - what a login is made from, by name
        self,
        name: str,
        owner: Mapping[str, str],
        password: str,
        *,
        common: str,
        write: bool = False,
        connections_limit: int = 20,
    ) -> None:
        """Make a login without a database that may read, or also write, the `common` one."""

    def give_owner(self, common: str) -> None:
        """Give `common` an owner that can do nothing else, where the administrator owns it."""

    def make_template(self, name: str, source: str, owner: Mapping[str, str]) -> None:
        """Make `name` a golden copy of the app's database `source`, which nobody may be using.

        A template that is ready stays as it is. `drop` removes it like any other.
        """

    def drop(self, name: str) -> None:
        """Remove the database and the login with all their sessions; succeeds when gone."""

    def set_password(self, name: str, password: str) -> None:
        """Change the password of the login `name`."""

    def password_works(self, name: str, password: str, *, database: str = "") -> bool:
        """Say whether an app could log in now; `database` is the common one for a guest."""

    def url(self, name: str, password: str, *, ca_file: str = "", database: str = "") -> str:
        """Return the DATABASE_URL; `ca_file` is the CA's path as the app sees it."""


def mark(owner: Mapping[str, str]) -> str:
    """Return the text that marks something as ours; plain ASCII whatever the branch's name."""
    return json.dumps({**owner, "platform": PLATFORM}, sort_keys=True)


def read_mark(text: str | None) -> dict[str, str]:
    """Return the owner that a mark names, or {} for a text that isn't a mark of ours."""
    try:
        values = json.loads(text or "")
    except ValueError:
        return {}
    if not isinstance(values, dict) or values.get("platform") != PLATFORM:
        return {}
    return {str(key): str(value) for key, value in values.items()}


def refuse_bad_name(name: str, limit_bytes: int) -> None:
    """Servers cut longer names with only a notice, and two apps would share a database."""
    length = len(name.encode("utf-8", "surrogateescape"))
    if not 1 <= length <= limit_bytes or "\0" in name:
        raise UserError(f"{name!r} can't be a name here: 1 to {limit_bytes} bytes, not {length}")


def not_ours(kind: str, name: str, server: str) -> UserError:
    """Return the refusal to touch something that doesn't carry our mark."""
    return UserError(
        f"the {kind} {name} on {server} was not made by reviewapps for this app; leaving it alone",
        hint=f"look at it, then rename or drop the {kind} {name} yourself",
    )
