"""`reviewapps secret`: what a project's apps are given and nobody should read in git."""

import json
import sys
from pathlib import Path

import click

from reviewapps import project_secrets
from reviewapps.cli.common import clients, json_option, load_project, project_option
from reviewapps.errors import UserError


@click.group()
def secret() -> None:
    """Keep secrets for the project in this folder: its apps get those that reviewapps.yml names.

    \b
    Example: reviewapps secret set RAILS_MASTER_KEY < config/master.key
    """


@secret.command("set", short_help="Keep a secret; its value is asked for or read from the input.")
@click.argument("name")
@project_option
@json_option
def set_(name: str, project_file: Path | None, as_json: bool) -> None:
    """Keep the secret NAME. Its value is asked for, or read from the standard input.

    One line break at the end is not part of it. Apps get it with their next deploy.

    \b
    Example: reviewapps secret set STRIPE_KEY
    Example: reviewapps secret set RAILS_MASTER_KEY < config/master.key
    """
    project = load_project(project_file)
    changed = project_secrets.put(clients().nomad, project.project, name, asked(name))
    named = name in project.secrets
    told = {"project": project.project, "name": name, "changed": changed, "named": named}
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"{project.project} {f'keeps {name}' if changed else f'has that {name} already'}.")
    if not named:
        click.echo(f"Apps get it once reviewapps.yml names it: secrets: [{name}]")
    elif changed:
        click.echo("Apps get it with their next reviewapps deploy.")


@secret.command("list")
@project_option
@json_option
def list_(project_file: Path | None, as_json: bool) -> None:
    """Print the names of the project's secrets; the values are shown to nobody.

    \b
    Example: reviewapps secret list
    """
    project = load_project(project_file)
    kept = project_secrets.names(clients().nomad, project.project)
    rows = {name: (name in kept, name in project.secrets) for name in {*kept, *project.secrets}}
    if as_json:
        shapes = [{"name": n, "set": rows[n][0], "named": rows[n][1]} for n in sorted(rows)]
        click.echo(json.dumps(shapes))
        return
    if not rows:
        click.echo(f"{project.project} has no secrets. reviewapps secret set NAME keeps one.")
    for name, (is_set, named) in sorted(rows.items()):
        note = "" if named else "   not named in reviewapps.yml"
        click.echo(name + (note if is_set else "   NOT SET: reviewapps secret set " + name))


@secret.command("unset")
@click.argument("name")
@project_option
@json_option
def unset(name: str, project_file: Path | None, as_json: bool) -> None:
    """Forget the secret NAME. Apps that have it keep it until their next deploy.

    \b
    Example: reviewapps secret unset STRIPE_KEY
    """
    project = load_project(project_file)
    if name in project.secrets:
        raise UserError(
            f"reviewapps.yml names {name}: without it no deploy of {project.project} would work",
            hint="take it out of secrets in reviewapps.yml first",
        )
    project_secrets.remove(clients().nomad, project.project, name)
    told = {"project": project.project, "name": name}
    click.echo(json.dumps(told) if as_json else f"{project.project} no longer keeps {name}.")


def asked(name: str) -> str:
    """Return the value, asked for without an echo, or read from the standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(f"Value of {name}", hide_input=True))
    try:
        text = sys.stdin.buffer.read(project_secrets.MAX_BYTES + 2).decode()
    except UnicodeDecodeError as error:
        hint = "encode it as base64, and let the app decode it"
        raise UserError(f"the value of {name} is no UTF-8 text", hint=hint) from error
    return text.removesuffix("\n").removesuffix("\r")
