"""`reviewapps destroy`: an app disappears with everything it has."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from reviewapps import apps, leftovers, naming
from reviewapps.cli import names
from reviewapps.cli.common import (
    app_argument,
    clients,
    json_option,
    project_name,
    project_option,
    project_path,
)
from reviewapps.cli.live import drawing
from reviewapps.cli.screen import plain
from reviewapps.clients import Clients, git
from reviewapps.errors import Conflict, UserError
from reviewapps.leftovers import Leftover
from reviewapps.reconcile import now
from reviewapps.store.record import Record
from reviewapps.store.records import Records


@click.command(short_help="Remove an app with everything it has.")
@app_argument
@project_option
@json_option
def destroy(app: str, project_file: Path | None, as_json: bool) -> None:
    """Remove the app of BRANCH (or slug, or URL): processes, Redis, images, database with all data.

    What a killed run left behind without a record is removed too, given the slug, or the branch in
    its project's folder. To destroy what is not there succeeds. The git branch stays as it is.

    \b
    Example: reviewapps destroy deploy-checkout
    """
    ours = clients()
    project = project_name(project_file)
    records, faults = Records(ours.consul).all()
    record = names.exact(records, app, project)
    if record and record.branch == app:
        require_ours(record, project, project_file)
    left: Sequence[Leftover] = []
    if record is None:
        slug = slug_of(app, project)
        if faults:
            raise next((each for each in faults if slug and slug in each.message), faults[0])
        left = leftovers.of(ours, slug) if slug else []
        if not left:
            nothing(records, app, project, as_json=as_json)
            return
        record = adopted(ours, slug, left)
    if not as_json:
        for line in plan(record, left):
            click.echo(plain(line))
    remove(ours, record, as_json)
    if as_json:
        click.echo(json.dumps({"destroyed": record.slug}))
    else:
        click.echo(f"{plain(record.branch)} is gone.")


def require_ours(record: Record, project: str, project_file: Path | None) -> None:
    """Raise UserError when a branch of this project means the app of another repository."""
    if not project:
        return
    repository = git.identity(project_path(project_file).resolve().parent)
    if naming.are_two(record.repository, repository):
        raise UserError(
            f"{record.slug} is the app of {record.branch!r} of {record.repository}, "
            f"and this is {repository}",
            hint=f"if that app is meant: reviewapps destroy {record.slug}",
        )


def adopted(ours: Clients, slug: str, left: Sequence[Leftover]) -> Record:
    """Return a record for what was left, be it one that somebody else has written meanwhile."""
    try:
        return leftovers.adopt(ours, slug, list(left), apps.who(), now())
    except Conflict:
        found = Records(ours.consul).find(slug)
        if found is None:
            raise
        return found


def remove(ours: Clients, record: Record, as_json: bool) -> None:
    """Remove an app and show how it goes."""
    with drawing(as_json) as draw:
        apps.destroy(ours, record, draw)


def slug_of(app: str, project: str) -> str:
    """Return the slug that `app` means without a record, "" when that can't be known."""
    label = names.host_in(app).partition(".")[0]
    for text in (app, label):
        if naming.is_slug(text):
            return text
    return naming.slug(project, app) if project else ""


def plan(record: Record, left: Sequence[Leftover]) -> list[str]:
    """Return what will be destroyed, as lines."""
    if left:
        what = [f"  {each.kind} {each.name}" for each in left]
        return [f"There is no record of {record.slug}; removing what was left of it:", *what]
    project = record.wanted_release.project
    parts = [f"its route {record.host}", "its processes"]
    parts += ["its Redis"] if project.get("redis") else []
    if (project.get("database") or {}).get("engine", "none") != "none":
        parts.append("its database with all data")
    parts.append("the images built for it")
    return [f"Destroying {record.branch} ({record.slug}): {', '.join(parts)}."]


def nothing(records: Sequence[Record], app: str, project: str, *, as_json: bool) -> None:
    """Say that there is nothing to destroy, and what may have been meant."""
    if as_json:
        click.echo(json.dumps({"destroyed": None}))
        return
    click.echo(f"There is no app of {plain(repr(app))}: nothing to destroy.")
    hint = names.suggestion(records, app, project) if records else ""
    if hint:
        click.echo(f"  Next: {plain(hint)}", err=True)
