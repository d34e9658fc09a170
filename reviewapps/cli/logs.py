"""`reviewapps logs`: what an app's processes write."""

import json
from pathlib import Path
from typing import Any

import click

from reviewapps import naming
from reviewapps.allocation import is_running
from reviewapps.cli import names
from reviewapps.cli.common import app_argument, clients, json_option, project_name, project_option
from reviewapps.cli.following import Follower
from reviewapps.cli.output import Output, tail
from reviewapps.clients.nomad import Nomad
from reviewapps.errors import NotFound
from reviewapps.store.record import Record

STEPS = ("unicorn", "resque", "redis", "migrate", "seed")
TAIL_BYTES = 1 << 20
KINDS = ("stdout", "stderr")
Json = dict[str, Any]


@click.command(short_help="Print what an app's processes write.")
@app_argument
@click.argument("step", type=click.Choice(STEPS), default="unicorn")
@click.option("--follow", "-f", is_flag=True, help="Go on until Ctrl-C, through redeploys.")
@click.option("--all", "everything", is_flag=True, help="Also of processes that ended or failed.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="How many last lines of each stream.",
)
@project_option
@json_option
def logs(  # noqa: PLR0913, PLR0917 - click passes each option by itself
    app: str,
    step: str,
    follow: bool,
    everything: bool,
    lines: int,
    project_file: Path | None,
    as_json: bool,
) -> None:
    """Print what STEP (unicorn, resque, redis, migrate or seed) of the app of BRANCH writes.

    Its standard output goes to the standard output, its standard error to the standard error.
    Of migrate and seed, which Nomad forgets after hours, the record keeps the end.

    \b
    Example: reviewapps logs deploy-checkout resque --follow
    Example: reviewapps logs deploy-checkout --all -n 50
    """
    ours = clients()
    record = names.require(ours, app, project_name(project_file))
    output = Output(as_json=as_json)
    if follow:
        Follower(ours, record, step, output, lines).run()
        return
    found = chosen(ours.nomad, record, step, everything=everything)
    if found:
        told = [shape(each, step, ours.nomad, lines) for each in found]
        source = "nomad"
    else:
        told = [kept(record, step, lines)]
        source = "record"
    if as_json:
        click.echo(json.dumps({"step": step, "source": source, "allocations": told}))
        return
    if source == "record":
        output.note(f"Nomad has forgotten {step} of {record.branch}; the record kept its end:")
    for each in told:
        if len(told) > 1:
            output.heading(f"{each['status']}, release {each['release']}, {each['id'][:8]}")
        for kind in KINDS:
            output.write(kind, each[kind])


def chosen(nomad: Nomad, record: Record, step: str, *, everything: bool) -> list[Json]:
    """Return the step's allocations to print, oldest first: the newest one, those that run, or all.

    Nomad keeps the ended ones for some hours.
    """
    _, found = nomad.allocations(naming.thing(record.slug, step))
    alive = list(filter(is_running, found))
    return list(reversed(found if everything else alive or found[:1]))


def shape(allocation: Json, step: str, nomad: Nomad, lines: int) -> Json:
    """Return an allocation with its output, as `--json` prints it."""
    texts = {
        kind: tail(nomad.logs(allocation["ID"], step, kind, TAIL_BYTES), lines) for kind in KINDS
    }
    full = nomad.allocation(allocation["ID"]) or {}
    meta = (full.get("Job") or {}).get("Meta") or {}
    return {
        "id": allocation["ID"],
        "status": allocation["ClientStatus"],
        "node": allocation.get("NodeName", ""),
        "release": int(meta.get("reviewapps_release") or 0),
        **texts,
    }


def kept(record: Record, step: str, lines: int) -> Json:
    """Return what the record kept of a task that Nomad has forgotten; raises NotFound."""
    outcome = record.outcomes.get(step)
    if outcome is None:
        raise NotFound(
            f"{step} of {record.branch} has not run", hint=f"reviewapps status {record.slug}"
        )
    text = tail(outcome.log, lines)
    return {
        "id": "",
        "status": outcome.result,
        "node": "",
        "release": 0,
        "stdout": text,
        "stderr": "",
    }
