"""`reviewapps share`: the URL, the password and a link that opens an app without it."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from reviewapps import access as making
from reviewapps.access import GrantKind
from reviewapps.cli import names
from reviewapps.cli.common import app_argument, clients, json_option, project_name, project_option
from reviewapps.cli.screen import plain
from reviewapps.clients import Clients
from reviewapps.errors import Conflict, UserError
from reviewapps.steps import access
from reviewapps.store.hosts import access as of_host
from reviewapps.store.record import Record
from reviewapps.store.records import Records

DAYS = 7
HEADER = "X-Reviewapps-Bypass"


@click.command(short_help="Print an app's password, and a link that opens it.")
@app_argument
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=DAYS,
    show_default=True,
    help="How long the link opens the app.",
)
@click.option("--machine", is_flag=True, help="A header for a program, instead of a link.")
@click.option("--revoke", is_flag=True, help="Take back all links and headers given so far.")
@project_option
@json_option
def share(  # noqa: PLR0913, PLR0917 - one for each option
    app: str, days: int, machine: bool, revoke: bool, project_file: Path | None, as_json: bool
) -> None:
    """Print the URL and the password of BRANCH's app, and a new link that needs no password.

    Of what opens an app Consul and the routers have only hashes: a link is shown once, here.

    \b
    Example: reviewapps share deploy-checkout --days 2
    Example: reviewapps share deploy-checkout --revoke
    """
    ours = clients()
    record = names.require(ours, app, project_name(project_file))
    kind = str(of_host(record)["kind"])
    if kind == "public":
        told = {"url": record.url, "kind": "public"}
        say(told, [f"Whoever reaches {record.url} may open it."], as_json=as_json)
        return
    if revoke:
        count = take_back(ours, record)
        what = "1 link or header" if count == 1 else f"{count} links and headers"
        told = {"url": record.url, "kind": kind, "revoked": str(count)}
        say(told, [f"{what} no longer open {plain(record.branch)}."], as_json=as_json)
        return
    password = ours.nomad.variable(access.path(record.slug)).get("password", "")
    if kind == "password" and not (password and access.fits(record, password)):
        raise UserError(
            f"{record.branch} has no password yet: its deploy makes one",
            hint=f"reviewapps status {record.slug}",
        )
    until = datetime.now(UTC) + timedelta(days=days)
    token = give(ours, record, "bypass" if machine else "share", until)
    told = {"url": record.url, "kind": kind, "until": f"{until:%F}"}
    lines = [f"URL       {record.url}"]
    if kind == "password":
        told["password"] = password
        lines.append(f"Password  {password}")
    if machine:
        told["header"] = f"{HEADER}: {token}"
        lines.append(f"Header    {told['header']}   (until {until:%F})")
    else:
        told["link"] = making.share_link(record.url, token)
        lines.append(f"Link      {told['link']}   (needs no password until {until:%F})")
    say(told, lines, as_json=as_json)


def give(ours: Clients, record: Record, kind: GrantKind, until: datetime) -> str:
    """Return a new token that opens the app; those that have expired are forgotten."""
    token = secrets.token_urlsafe(making.TOKEN_BYTES)
    now, expires = int(datetime.now(UTC).timestamp()), int(until.timestamp())

    def change(old: Record) -> Record:
        alive = making.prune(making.from_json(of_host(old)), now)
        if alive.kind == "public":
            raise Conflict(f"{old.branch} has become public meanwhile", hint="try again")
        given = making.grant(alive, kind, token, expires=expires)
        return replace(old, access=access.plain(given))

    if Records(ours.consul).admit(record.slug, change) is None:
        raise names.missing([], record.branch)
    return token


def take_back(ours: Clients, record: Record) -> int:
    """Shut out whoever came by a link or a header; return how many there were."""

    def change(old: Record) -> Record:
        return replace(old, access=access.plain(replace(access.of(old), grants=())))

    Records(ours.consul).admit(record.slug, change)
    return len(access.of(record).grants)


def say(told: dict[str, str], lines: list[str], *, as_json: bool) -> None:
    """Print either form."""
    click.echo(json.dumps(told) if as_json else "\n".join(lines))
