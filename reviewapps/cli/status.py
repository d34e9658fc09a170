"""`reviewapps status`: one app, its steps and why it is as it is."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from reviewapps.cli import names
from reviewapps.cli.common import (
    app_argument,
    clients,
    json_option,
    project_name,
    project_option,
    shape,
)
from reviewapps.cli.screen import plain
from reviewapps.clients.consul import Consul
from reviewapps.progress import sentence
from reviewapps.store import keys
from reviewapps.store.record import Record

EVENTS = 12
LOG_LINES = 20


@click.command(short_help="Show one app: state, cause, last events.")
@app_argument
@project_option
@json_option
def status(app: str, project_file: Path | None, as_json: bool) -> None:
    """Show the app of BRANCH (or slug, or URL): state, cause, releases, last events.

    \b
    Example: reviewapps status deploy-checkout
    """
    ours = clients()
    record = names.require(ours, app, project_name(project_file))
    holder = holder_of(ours.consul, record.slug)
    if as_json:
        more = {
            "working": holder,
            "steps": [asdict(event) for event in record.steps],
            "events": [asdict(event) for event in record.events],
            "outcomes": {name: asdict(each) for name, each in record.outcomes.items()},
            "releases": [
                {"number": each.number, "image": each.image, "commit": each.commit}
                for each in record.releases
            ],
        }
        click.echo(json.dumps(shape(record) | more, indent=2))
        return
    for line in lines(record, holder):
        click.echo(plain(line))


def holder_of(consul: Consul, slug: str) -> str:
    """Return who works on the app at this moment, "" when nobody does."""
    _, entry = consul.get(keys.lock(slug))
    if entry is None or not entry.session:
        return ""
    try:
        who = json.loads(entry.value)
        return f"process {who['pid']} on {who['host']}"
    except (ValueError, KeyError, TypeError):
        return "somebody"


def lines(record: Record, holder: str) -> list[str]:
    """Return what `status` prints for people."""
    release = record.wanted_release
    serving = f"release {record.serving} serves" if record.serving else "nothing serves"
    found = [
        f"{record.branch} ({record.slug}): {record.state}, {serving}",
        f"  url       {record.url}",
        f"  wanted    {_wanted(record)}",
        f"  image     {release.image}",
        f"  commit    {release.commit}",
        f"  asked by  {record.asked_by} at {record.asked_at}",
    ]
    if holder:
        found.append(f"  working   {holder}")
    if record.cause:
        found.append(f"  cause     {record.cause}")
    found += [f"  {event.at[11:19]}  {sentence(event)}" for event in record.events[-EVENTS:]]
    for name, outcome in record.outcomes.items():
        if outcome.result == "failed" and outcome.log:
            found.append(f"  {name}'s output:")
            found += [f"  | {line}" for line in outcome.log.splitlines()[-LOG_LINES:]]
    following = next_command(record, holder)
    return [*found, f"  Next: {following}"] if following else found


def _wanted(record: Record) -> str:
    return "gone" if record.wanted == "gone" else f"release {record.release}"


def next_command(record: Record, holder: str) -> str:
    """Return what to do about an app that is not as wanted, "" when nothing."""
    if holder or record.state == "running":
        return ""
    if record.wanted == "gone":
        return f"reviewapps destroy {record.slug} goes on; it was interrupted or failed"
    if record.state == "deploying":
        return f"reviewapps deploy {record.branch} goes on; it was interrupted"
    failed = next((event.step for event in record.steps if event.state == "failed"), "")
    if failed in ("migrate", "seed", "unicorn", "resque", "redis"):
        return f"reviewapps logs {record.slug} {failed} --all"
    return f"reviewapps deploy {record.branch} tries again"
