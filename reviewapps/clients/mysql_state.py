"""What stands on a MySQL server under one name: MySQL has no comments on databases, so a table
of the administrator's own, `reviewapps.claims`, says what is ours and whether it is complete.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from reviewapps.clients.databases import Found, mark, not_ours, read_mark
from reviewapps.clients.mysql_connection import Connection, execute

ADMIN_DATABASE = "reviewapps"
CLAIMS = """
CREATE TABLE IF NOT EXISTS reviewapps.claims (
    name varchar(64) PRIMARY KEY,
    owner longtext NOT NULL,
    identity char(36) NOT NULL,
    ready boolean NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""
# The names are values everywhere: joined to information_schema, they would open every table.
LOOK = """
SELECT c.owner, c.identity, coalesce(c.ready, 0),
       EXISTS (SELECT 1 FROM information_schema.schemata WHERE schema_name = %s),
       EXISTS (SELECT 1 FROM mysql.user WHERE user = %s),
       (SELECT coalesce(sum(data_length + index_length), 0)
          FROM information_schema.tables WHERE table_schema = %s),
       (SELECT count(*) FROM information_schema.processlist WHERE db = %s OR user = %s)
  FROM (SELECT 1 AS one) nothing LEFT JOIN reviewapps.claims c ON c.name = %s
"""
WRITE = """
INSERT INTO reviewapps.claims (name, owner, identity, ready) VALUES (%s, %s, uuid(), 0)
    ON DUPLICATE KEY UPDATE owner = VALUES(owner)
"""
WRITE_NEW = f"{WRITE}, identity = VALUES(identity), ready = 0"


@dataclass(frozen=True)
class There:
    """One row of LOOK."""

    name: str
    claim: Mapping[str, str]
    identity: str
    finished: bool
    database: bool
    user: bool
    size_bytes: int
    connections: int

    @property
    def kind(self) -> str:
        """Return what the claim says this is: "app", "template", "guest" or ""."""
        return self.claim.get("kind", "")

    @property
    def ready(self) -> bool:
        """Say whether its creation came to the end and the database is still there."""
        return self.finished and (self.database or self.kind == "guest")

    def refuse_others(self, slug: str, place: str) -> None:
        """Raise UserError unless everything here is claimed by us for this slug, or is nothing."""
        claimed_for = self.claim.get("slug", "") if self.claim else None
        if self.database and claimed_for != slug:
            raise not_ours("database", self.name, place)
        if (self.user or self.claim) and claimed_for != slug:
            raise not_ours("user", self.name, place)

    def found(self) -> Found | None:
        """Return it as the engine wants to see it, None for nothing."""
        if not (self.claim or self.database or self.user):
            return None
        return Found(
            name=self.name,
            identity=self.identity if self.database else "",
            owner=self.claim,
            size_bytes=self.size_bytes,
            connections=self.connections,
            ready=self.ready,
        )


def user_of(name: str) -> str:
    """Return the login of an app: MySQL takes at most 32 characters there."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return f"rv-{base64.b32encode(digest).decode().lower()[:20]}"


def prepare_claims(connection: Connection) -> None:
    """Make the table of claims unless it is there."""
    execute(connection, f"CREATE DATABASE IF NOT EXISTS {ADMIN_DATABASE}")
    execute(connection, CLAIMS)


def look(connection: Connection, name: str) -> There:
    """Return what stands under `name`, be it nothing."""
    user = user_of(name)
    (row,) = execute(connection, LOOK, name, user, name, name, user, name)
    owner, identity, finished, database, known, size, used = row
    claim = read_mark(owner)
    return There(
        name, claim, identity or "", bool(finished), bool(database), bool(known), int(size), used
    )


def claimed_names(connection: Connection) -> list[str]:
    """Return every name that is claimed."""
    return [name for (name,) in execute(connection, "SELECT name FROM reviewapps.claims")]


def write_claim(connection: Connection, name: str, claim: Mapping[str, str], *, new: bool) -> None:
    """Write the claim; `new` says that what it stands for has still to be made."""
    execute(connection, WRITE_NEW if new else WRITE, name, mark(claim))


def finish(connection: Connection, name: str) -> None:
    """Say that everything which belongs to the claim was made."""
    execute(connection, "UPDATE reviewapps.claims SET ready = 1 WHERE name = %s", name)


def forget(connection: Connection, name: str) -> None:
    """Remove the claim: the last thing to go."""
    execute(connection, "DELETE FROM reviewapps.claims WHERE name = %s", name)
