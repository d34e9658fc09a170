"""`reviewapps list`: all apps, by one read of Consul."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.cells import cell_len

from reviewapps.cli.common import clients, json_option, shape
from reviewapps.cli.screen import plain
from reviewapps.store.record import Record
from reviewapps.store.records import Records

COLOURS = {"running": "green", "failed": "red", "deploying": "cyan", "destroying": "yellow"}


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all apps, of every project.

    \b
    Example: reviewapps list
    Example: reviewapps list --json | jq -r '.[].url'
    """
    records, faults = Records(clients().consul).all()
    for fault in faults:
        click.echo(f"Warning: {plain(fault.message)}", err=True)
    if as_json:
        click.echo(json.dumps([shape(record) for record in records], indent=2))
    elif records:
        for line in table(records, datetime.now(UTC)):
            click.echo(line)
    else:
        click.echo("There are no apps. Next: reviewapps deploy BRANCH")


def table(records: Sequence[Record], now: datetime) -> list[str]:
    """Return what people see of all apps: columns as wide as they need, the URL last and whole."""
    several = len({record.project for record in records}) > 1
    rows = [("PROJECT", "BRANCH", "STATE", "RELEASE", "COMMIT", "CHANGED", "URL")]
    for record in records:
        changed = ago(record.updated_at or record.asked_at, now)
        commit = record.wanted_release.commit[:12]
        branch = plain(record.branch)
        rows.append(
            (record.project, branch, record.state, number(record), commit, changed, record.url)
        )
    columns = list(zip(*rows, strict=True))[0 if several else 1 :]
    widths = [max(map(cell_len, column)) for column in columns]
    return [
        "  ".join(
            painted(cell) + " " * (width - cell_len(cell))
            for cell, width in zip(row[0 if several else 1 :], widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def painted(cell: str) -> str:
    """Return a state in its colour, all else as it is."""
    return click.style(cell, fg=COLOURS[cell]) if cell in COLOURS else cell


def number(record: Record) -> str:
    """Return the wanted release, and the one that serves while it is another."""
    if record.serving in (0, record.release):
        return str(record.release)
    return f"{record.serving} → {record.release}"


def ago(moment: str, now: datetime) -> str:
    """Return how long ago something was, in the largest unit that is not zero."""
    try:
        seconds = int((now - datetime.fromisoformat(moment)).total_seconds())
    except ValueError:
        return ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{max(seconds, 0)} s ago"
