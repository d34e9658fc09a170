"""What stands on a PostgreSQL server under one name, and whether it is ours.

The role's comment is the claim to a name: it is written first, in one transaction with the role.
The database's comment is written last and says that everything in between was done. An app owns
its database and may change the database's comment, never the role's; so the role's is believed.
"""

from typing import Any

from reviewapps.clients.databases import Found, not_ours, read_mark
from reviewapps.clients.postgres_connection import Connection

LOOK = """
SELECT coalesce(d.datname, r.rolname), r.oid, shobj_description(r.oid, 'pg_authid'),
       d.oid, shobj_description(d.oid, 'pg_database'),
       d.datdba = r.oid, pg_has_role(d.datdba, 'USAGE'),
       CASE WHEN has_database_privilege(d.oid, 'CONNECT')
              OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(d.oid) ELSE 0 END,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid OR a.usesysid = r.oid)
  FROM pg_roles r FULL JOIN pg_database d ON d.datname = r.rolname
"""


class There:
    """One row of LOOK: a role, a database, both of one name, or nothing."""

    def __init__(self, *row: Any) -> None:
        self.name, self.role, claim, self.database, comment, *rest = row
        self._belongs_to_role, self._belongs_to_us, self._size, self._used = rest
        self.claim = read_mark(claim)
        self._comment = read_mark(comment)

    @property
    def kind(self) -> str:
        """Return what the claim says this is: "app", "template", "guest", "readers" or ""."""
        return self.claim.get("kind", "")

    @property
    def ours(self) -> bool:
        """Say whether the name is claimed by our mark on the role, or at least on the database."""
        return bool(self.claim or (self._comment and not self.role))

    @property
    def ready(self) -> bool:
        """Say whether the last thing that a creation does was done."""
        if self.kind in ("app", "template"):
            return bool(self.database) and self._comment == self.claim
        return self.claim.get("ready") == "yes"

    def refuse_others(self, slug: str, place: str) -> None:
        """Raise UserError unless everything here carries our mark for this slug, or is nothing."""
        if self.role and (not self.claim or self.claim.get("slug", "") != slug):
            raise not_ours("role", self.name, place)
        belongs = self._belongs_to_us if self.kind == "template" else self._belongs_to_role
        if self.database and not belongs:
            raise not_ours("database", self.name, place)

    def found(self) -> Found | None:
        """Return it as the engine wants to see it, None for nothing."""
        if not self.role and not self.database:
            return None
        return Found(
            name=self.name,
            identity=str(self.database or ""),
            owner=self.claim or self._comment,
            size_bytes=self._size or 0,
            connections=self._used or 0,
            ready=self.ready,
        )


def look(connection: Connection, name: str) -> There:
    """Return what stands under `name`, be it nothing."""
    query = f"{LOOK} WHERE r.rolname = %(name)s OR d.datname = %(name)s"
    row = connection.execute(query, {"name": name}).fetchone()
    return There(*(row or (name, *[None] * 8)))


def look_at_all(connection: Connection) -> list[There]:
    """Return every role and database of the server."""
    return [There(*row) for row in connection.execute(f"{LOOK} ORDER BY 1").fetchall()]
