"""The app's password, where its project asks visitors for one.

The password itself is in a Variable that no task can read; the record and the routers have a hash.
"""

import json
import secrets
from dataclasses import replace
from typing import Any

from reviewapps import access
from reviewapps.access import Access
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.store.record import Record

NEEDS: tuple[str, ...] = ()
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without what people mistake for each other
SALT_BYTES = 16


def wanted(app: ReviewApp) -> bool:
    """Whether the project file asks visitors for a password."""
    return app.project.access.kind == "password"


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether the password is not there, or not the one that the routers ask for."""
    password = context.nomad.variable(path(app.slug)).get("password", "")
    if not password:
        return "there is no password yet"
    return "" if fits(context.record.read(), password) else "the routers ask for another password"


def apply(app: ReviewApp, context: Context) -> None:
    """Make a password, unless there is one, and let the routers ask for it; links stay."""
    password = context.nomad.variable(path(app.slug)).get("password", "")
    if not password:
        password = make()
        context.nomad.put_variable(path(app.slug), {"password": password})
    asked = access.with_password(password, secrets.token_bytes(SALT_BYTES))

    def change(record: Record) -> Record:
        known = of(record)
        return replace(record, access=plain(replace(asked, grants=known.grants)))

    context.record.update(change)


def undo(app: ReviewApp, context: Context) -> None:
    """Forget the password, with every link."""
    context.nomad.delete_variable(path(app.slug))
    if context.record.read().access:
        context.record.update(lambda record: replace(record, access={}))


def path(slug: str) -> str:
    """Return the Variable that keeps the password."""
    return f"reviewapps/{slug}/access"


def of(record: Record) -> Access:
    """Return who may see an app, as its record says."""
    return access.from_json(record.access) if record.access else access.PUBLIC


def fits(record: Record, password: str) -> bool:
    """Say whether the routers let this password in."""
    known = of(record)
    if known.kind != "password":
        return False
    return known.key_sha256 == access.with_password(password, bytes.fromhex(known.salt)).key_sha256


def plain(given: Access) -> dict[str, Any]:
    """Return access as the record keeps it: JSON values, no tuples."""
    found: dict[str, Any] = json.loads(json.dumps(given.to_json()))
    return found


def make() -> str:
    """Return a new password of 74 bits that can be read out on the telephone."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(3))
