"""What several commands share: options, clients and the documented JSON shape of an app."""

import os
from pathlib import Path
from typing import Any

import click

from reviewapps import settings
from reviewapps.cli.completion import complete_apps
from reviewapps.cli.folder import here
from reviewapps.clients import Clients, git
from reviewapps.errors import NotFound, UserError
from reviewapps.project import FILE, Project, load
from reviewapps.store.record import Record

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
project_option = click.option(
    "--project",
    "project_file",
    type=click.Path(dir_okay=True, path_type=Path),
    default=None,
    help=f"The project file, or its folder; else {FILE} here or above, within the repository.",
)
app_argument = click.argument("app", metavar="BRANCH", shell_complete=complete_apps)


def clients() -> Clients:
    """Return the clients of the services that the settings name."""
    given: Clients | None = click.get_current_context().find_root().obj
    if given is not None:
        return given
    if not os.environ.get("GITHUB_TOKEN"):
        return Clients(settings.load())
    from reviewapps.clients.github_access import access  # noqa: PLC0415 - httpx takes 0.1 s

    return Clients(settings.load(), access(os.environ, git.remote(Path.cwd())))


def project_path(given: Path | None) -> Path:
    """Return the project file; raises UserError when there is none."""
    found = here(FILE) if given is None else given / FILE if given.is_dir() else given
    if found is None or not found.is_file():
        raise UserError(
            f"there is no project file {found or f'{FILE} in {Path.cwd()}'}",
            hint="cd into the project's repository, or write one there with reviewapps init; "
            "--project names one elsewhere",
        )
    return found


def project_name(given: Path | None) -> str:
    """Return the name of the project in this folder, "" when there is none that can be read."""
    try:
        return load(project_path(given)).project
    except (UserError, NotFound):
        if given is not None:
            raise
        return ""


def load_project(given: Path | None) -> Project:
    """Return the project; raises ProjectError with all faults."""
    return load(project_path(given))


def shape(record: Record) -> dict[str, Any]:
    """Return an app as every `--json` prints it."""
    release = record.wanted_release
    return {
        "slug": record.slug,
        "project": record.project,
        "branch": record.branch,
        "host": record.host,
        "url": record.url,
        "state": record.state,
        "wanted": record.wanted,
        "release": release.number,
        "serving": record.serving,
        "image": release.image,
        "commit": release.commit,
        "cause": record.cause,
        "asked_by": record.asked_by,
        "asked_at": record.asked_at,
        "updated_at": record.updated_at,
    }
