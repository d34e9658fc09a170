"""`reviewapps completion`: what the Tab key offers in bash, zsh and fish."""

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from reviewapps import settings
from reviewapps.clients import Clients, git
from reviewapps.store.records import Records

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "reviewapps"


@click.command(short_help="Print the script for the Tab key.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the script that lets the Tab key complete commands, options and branches.

    \b
    Example: eval "$(reviewapps completion bash)"
    Lasting: put that line into ~/.bashrc or ~/.zshrc; for fish write the
    script to ~/.config/fish/completions/reviewapps.fish
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    script = get_completion_class(name if name in SHELLS else "bash")
    assert script is not None  # noqa: S101 - click knows all three
    root = click.get_current_context().find_root().command
    click.echo(script(root, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())


def complete_apps(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the branches of all apps, and their slugs when no branch begins like that."""
    records = _records(ctx)
    branches = [CompletionItem(each.branch, help=each.state) for each in records]
    slugs = [CompletionItem(each.slug, help=each.state) for each in records]
    return _beginning(branches, incomplete) or _beginning(slugs, incomplete)


def complete_branches(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the repository's branches that get an app, with the state of those that have one."""
    states = {each.branch: each.state for each in _records(ctx)}
    try:
        names = git.branches(Path.cwd())
    except Exception:  # no sentence may appear in the middle of a command line
        names = []
    wanted = [name for name in names if name.startswith("deploy-")] or names
    known = sorted(set(wanted) | set(states))
    return _beginning([CompletionItem(name, help=states.get(name)) for name in known], incomplete)


def _records(ctx: click.Context) -> list[Any]:
    given = ctx.find_root().obj
    try:
        clients = given if given is not None else Clients(settings.load())
        return list(Records(clients.consul).all()[0])
    except Exception:  # as above: Consul may be down
        return []


def _beginning(items: list[CompletionItem], incomplete: str) -> list[CompletionItem]:
    return [item for item in items if item.value.startswith(incomplete)]
