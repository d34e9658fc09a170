"""`reviewapps deploy`: a branch becomes a running app."""

import contextlib
import json
import time
from pathlib import Path

import click

from reviewapps import apps, naming
from reviewapps.apps import Wanted
from reviewapps.cli import names
from reviewapps.cli.common import (
    clients,
    json_option,
    load_project,
    project_option,
    project_path,
    shape,
)
from reviewapps.cli.completion import complete_branches
from reviewapps.cli.folder import (
    commit_of,
    current_branch,
    is_checked_out,
    project_at,
    require_covered,
    unsaved,
)
from reviewapps.cli.live import drawing
from reviewapps.cli.screen import plain
from reviewapps.clients import Clients
from reviewapps.errors import Failed, ReviewAppsError
from reviewapps.progress import Event
from reviewapps.project import Project
from reviewapps.store.records import Records


@click.command(short_help="Run a branch behind its own URL.")
@click.argument("branch", required=False, shell_complete=complete_branches)
@click.option("--image", default="", help="Deploy this image instead of building the commit.")
@project_option
@json_option
def deploy(branch: str | None, image: str, project_file: Path | None, as_json: bool) -> None:
    """Deploy BRANCH: its commit's image is built, unless it exists, and runs behind its own URL.

    BRANCH is the one that is checked out, unless given. What counts is its last commit, never the
    work tree; a branch that is not checked out brings its own project file. The same command again
    goes on where the last one stopped.

    \b
    Example: reviewapps deploy deploy-checkout
    """
    place = project_path(project_file)
    project = load_project(place)
    folder = place.resolve().parent
    ours = clients()
    branch = branch or current_branch(folder)
    if naming.is_slug(branch) or "." in names.host_in(branch):
        branch = branch_of(ours, branch, project)
    require_covered(project, branch, folder, place)
    commit = commit_of(folder, branch)
    if is_found(project_file) and not is_checked_out(folder, branch):
        project = project_at(place, commit) or project
        require_covered(project, branch, folder, place)
    if not as_json and not image and unsaved(folder, branch):
        click.echo(
            f"Note: the work tree has changes that are not committed; {commit[:12]} is deployed.",
            err=True,
        )
    began = time.monotonic()
    did: list[Event] = []
    try:
        with drawing(as_json) as draw:

            def report(event: Event) -> None:
                did.append(event)
                draw(event)

            wanted = Wanted(project, branch, commit, image)
            record = apps.deploy(ours, wanted, report, source=folder)
    except Failed as error:
        raise explained(error, ours, naming.slug(project.project, branch), did) from error
    if as_json:
        click.echo(json.dumps({"app": shape(record)}))
        return
    name = plain(branch)
    if not did:
        click.echo(f"{name} already runs release {record.serving}: nothing to do.")
    else:
        took = time.monotonic() - began
        click.echo(f"{name} runs release {record.serving} ({took:.1f} s).")
    click.echo(record.url)


def is_found(given: Path | None) -> bool:
    """Say whether the project file was found here, rather than named by --project."""
    return given is None or given.is_dir()


def branch_of(ours: Clients, name: str, project: Project) -> str:
    """Return the branch whose app in this project has this slug, host or URL; else `name`."""
    if project.covers(name):
        return name
    records = [each for each in Records(ours.consul).all()[0] if each.project == project.project]
    found = names.exact(records, name)
    return found.branch if found else name


def explained(error: Failed, ours: Clients, slug: str, did: list[Event]) -> Failed:
    """Return the failure with what still serves and what to look at next."""
    message, hint = error.message, error.hint
    with contextlib.suppress(ReviewAppsError):
        record = Records(ours.consul).find(slug)
        if record and record.serving and record.serving != record.release:
            message += f"\n  Release {record.serving} goes on serving at {record.url}"
    failed = next((event.step for event in reversed(did) if event.state == "failed"), "")
    if not hint and failed not in ("", "image", "database", "route"):
        hint = f"reviewapps logs {slug} {failed} --all"
    return Failed(message, details=error.details, hint=hint or f"reviewapps status {slug}")
