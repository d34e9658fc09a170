"""Who may open the app, where its project does not leave it to everybody.

The password itself is in a Variable that no task can read; the record and the routers have a hash.
"""

import json
import secrets
from dataclasses import replace
from typing import Any

from reviewapps import access
from reviewapps.access import Access
from reviewapps.errors import UserError
from reviewapps.project import Project
from reviewapps.review_app import ReviewApp
from reviewapps.settings import Settings
from reviewapps.step import Context
from reviewapps.store.record import Record

NEEDS: tuple[str, ...] = ()
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without what people mistake for each other
SALT_BYTES = 16


def wanted(app: ReviewApp) -> bool:
    """Whether the project file asks visitors for a password or a sign-in."""
    return app.project.access.kind != "public"


def require_possible(project: Project, settings: Settings) -> None:
    """Raise UserError when a project asks for a sign-in and the settings know of none."""
    if project.access.kind == "sign-in" and settings.sign_in is None:
        raise UserError(
            "access/kind is sign-in, and the settings name no sign-in service",
            hint="sign_in in the settings (docs/project-file.md), or kind: password",
        )


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether the password is not there, or not the one that the routers ask for."""
    if app.project.access.kind == "sign-in":
        has_password = of(context.record.read()).kind == "password"
        return "the password is no longer asked for" if has_password else ""
    password = context.nomad.variable(path(app.slug)).get("password", "")
    if not password:
        return "there is no password yet"
    return "" if fits(context.record.read(), password) else "the routers ask for another password"


def apply(app: ReviewApp, context: Context) -> None:
    """Make a password, unless there is one, and let the routers ask for it; links stay."""
    if app.project.access.kind == "sign-in":
        context.nomad.delete_variable(path(app.slug))
        _ask(Access("sign-in"), context)
        return
    password = context.nomad.variable(path(app.slug)).get("password", "")
    if not password:
        password = make()
        context.nomad.put_variable(path(app.slug), {"password": password})
    _ask(access.with_password(password, secrets.token_bytes(SALT_BYTES)), context)


def _ask(asked: Access, context: Context) -> None:
    """Let the record say what visitors are asked for, with the links that there are."""

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
