"""`reviewapps prune`: apps whose branch is gone go too."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from reviewapps import apps
from reviewapps import prune as pruning
from reviewapps.cli.common import clients, json_option, load_project, project_option, project_path
from reviewapps.cli.live import drawing
from reviewapps.cli.screen import plain
from reviewapps.clients import Clients, git
from reviewapps.errors import ReviewAppsError, Superseded
from reviewapps.prune import Doomed, Home
from reviewapps.store.record import Record
from reviewapps.store.records import Records


@dataclass
class Outcome:
    """What became of the apps that should go; of those that failed the first error."""

    removed: list[Record] = field(default_factory=list)
    spared: list[tuple[Record, str]] = field(default_factory=list)
    failed: list[tuple[Record, ReviewAppsError]] = field(default_factory=list)


@click.command(short_help="Remove the apps whose branch is gone.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.option(
    "--cap",
    type=click.IntRange(1),
    help=f"Remove nothing when more apps than this would go.  [default: {pruning.CAP}]",
)
@click.option("--max-age", "max_age_days", type=click.IntRange(1), help="Also after so many days.")
@click.option("--remote", default="origin", show_default=True, help="The remote that is asked.")
@project_option
@json_option
def prune(  # noqa: PLR0913, PLR0917 - one for each option
    dry_run: bool,
    cap: int | None,
    max_age_days: int | None,
    remote: str,
    project_file: Path | None,
    as_json: bool,
) -> None:
    """Remove the repository's apps whose branch the remote no longer has.

    The remote is asked with git ls-remote, and once more before each removal; when it fails or
    names no branch, nothing is removed. With --max-age, apps that were not deployed for so many
    days go as well.

    \b
    Example: reviewapps prune --dry-run
    """
    place = project_path(project_file)
    project = load_project(place)
    folder = place.resolve().parent
    home = Home(project.project, git.identity(folder, remote), project.covers)
    ours = clients()
    records, faults = Records(ours.consul).all()  # read first: a branch is pushed before its app is
    mine, foreign = pruning.sort(records, home)
    branches = git.remote_branches(folder, remote) if mine else []
    doomed = pruning.plan(
        mine, set(branches), datetime.now(UTC), home, max_age_days=max_age_days, cap=cap
    )
    warn([fault.message for fault in faults] + [is_foreign(each) for each in foreign])
    outcome = Outcome()
    for each in doomed:
        verb = "Would remove" if dry_run else "Removing"
        click.echo(f"{verb} {plain(each.record.branch)}: {each.reason}.", err=as_json)
        if not dry_run:
            remove(ours, each, set(git.remote_branches(folder, remote)), outcome, as_json=as_json)
    if as_json:
        click.echo(json.dumps(shape(outcome, doomed if dry_run else [], foreign)))
    elif not doomed:
        click.echo(
            f"Nothing to remove: {told(len(mine))} of {project.project}, each with a branch."
        )
    if outcome.failed:
        sys.exit(outcome.failed[0][1].exit_code)


def remove(
    ours: Clients, doomed: Doomed, branches: set[str], outcome: Outcome, *, as_json: bool
) -> None:
    """Remove an app, unless its branch is back or somebody asked for something else meanwhile."""
    record = doomed.record
    reason = pruning.spared(doomed, branches)
    try:
        if not reason:
            with drawing(as_json) as draw:
                apps.destroy(ours, record, draw, if_unchanged=True)
            outcome.removed.append(record)
    except Superseded as error:
        reason = error.message
    except ReviewAppsError as error:  # the next app is not to blame
        click.echo(f"Error: {plain(error.message)}", err=True)
        outcome.failed.append((record, error))
    if reason:
        outcome.spared.append((record, reason))
        click.echo(f"{plain(record.branch)} stays: {plain(reason)}.", err=as_json)


def warn(sentences: Sequence[str]) -> None:
    """Tell what may be wrong and is left as it is."""
    for sentence in sentences:
        click.echo(f"Warning: {plain(sentence)}", err=True)


def is_foreign(record: Record) -> str:
    """Say that an app has our project's name and was deployed from somewhere else."""
    return f"{record.slug} stays: it is of the repository {record.repository}, not of this one"


def told(count: int) -> str:
    """Return a number of apps in words."""
    return {0: "there is no app", 1: "there is 1 app"}.get(count, f"there are {count} apps")


def shape(
    outcome: Outcome, would: Sequence[Doomed], foreign: Sequence[Record]
) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "removed": [each.slug for each in outcome.removed],
        "would_remove": [{"slug": each.record.slug, "reason": each.reason} for each in would],
        "spared": [{"slug": each.slug, "reason": reason} for each, reason in outcome.spared],
        "failed": [{"slug": each.slug, "error": error.message} for each, error in outcome.failed],
        "foreign": [each.slug for each in foreign],
    }
