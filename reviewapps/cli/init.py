"""`reviewapps init`: writes the files that a project needs, after looking at it."""

import json
import sys
from pathlib import Path

import click

from reviewapps import packages
from reviewapps.cli.common import json_option
from reviewapps.errors import UserError
from reviewapps.init import plan
from reviewapps.init.plan import FilePlan, Plan
from reviewapps.project_file import cut

EXAMPLE = Path(__file__).parent.parent / "reviewapps.example.yml"
DIFFERENT = 1
MAX_WIDTH = 400


@click.command()
@click.option(
    "--project-dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The project's folder.  [default: this one]",
)
@click.option("--example", is_flag=True, help="Print a whole reviewapps.yml with comments.")
@json_option
def init(folder: Path, example: bool, as_json: bool) -> None:
    """Write reviewapps.yml and the CircleCI file for a project, after looking at its files.

    A file that is there already is never overwritten: the difference is shown, and the exit code
    is 1.

    Example: reviewapps init --project-dir shop
    """
    if example:
        click.echo(EXAMPLE.read_text("utf-8"), nl=False)
        return
    circleci = packages.folder("circleci") / "config.yml"
    made = plan.make(folder, circleci.read_text("utf-8"))
    for file in made.files:
        if file.state == "new":
            create(file)
    if as_json:
        click.echo(json.dumps(shape(made), indent=2))
    else:
        tell(made)
    if any(file.state == "different" for file in made.files):
        sys.exit(DIFFERENT)


def create(file: FilePlan) -> None:
    """Write a file that is not there; one that appeared meanwhile is an error."""
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with file.path.open("x", encoding="utf-8", newline="\n") as new:
            new.write(file.text)
    except OSError as error:
        raise UserError(f"cannot write {file.path}: {error.strerror}") from error


def tell(made: Plan) -> None:
    """Say what was done, on which grounds, and what to do next."""
    for file in made.files:
        path = near(file.path)
        if file.state == "new":
            click.echo(f"Wrote {path}")
        elif file.state == "same":
            click.echo(f"{path} is there and is what init would write: nothing to do.")
        else:
            click.echo(f"{path} is there and stays as it is. Proposed for it:")
            for line in file.diff.splitlines():
                click.echo(cut(line, MAX_WIDTH))
    if any(file.state == "new" for file in made.files):
        width = max(len(choice.path) for choice in made.choices)
        for choice in made.choices:
            click.echo(f"  {choice.path:{width}}  {json.dumps(choice.value)}  ({choice.why})")
    for note in made.notes:
        click.echo(f"Note: {note}.")
    if any(file.state == "new" for file in made.files):
        click.echo("Next: read the files, commit them, and push a deploy-* branch.")


def near(path: Path) -> Path:
    """Return the path as seen from here, when it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def shape(made: Plan) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "files": [
            {
                "path": str(file.path),
                "state": "created" if file.state == "new" else file.state,
                "diff": file.diff,
            }
            for file in made.files
        ],
        "choices": [
            {"path": choice.path, "value": choice.value, "why": choice.why}
            for choice in made.choices
        ],
        "notes": made.notes,
    }
