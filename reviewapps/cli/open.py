"""`reviewapps open`: the app in the browser."""

import json
import webbrowser
from pathlib import Path

import click

from reviewapps.cli import names
from reviewapps.cli.common import app_argument, clients, json_option, project_name, project_option
from reviewapps.cli.screen import plain


@click.command("open", short_help="Open an app in the browser.")
@app_argument
@project_option
@json_option
def open_(app: str, project_file: Path | None, as_json: bool) -> None:
    """Open the app of BRANCH (or slug, or URL) in the browser, and print its URL.

    \b
    Example: reviewapps open deploy-checkout
    Example: curl "$(reviewapps open deploy-checkout --json | jq -r .url)"
    """
    record = names.require(clients(), app, project_name(project_file))
    if as_json:
        click.echo(json.dumps({"url": record.url, "state": record.state}))
        return
    click.echo(record.url)
    if record.state != "running":
        cause = f": {record.cause}" if record.cause else ""
        click.echo(plain(f"It is {record.state}{cause}"), err=True)
        click.echo(f"  Next: reviewapps status {record.slug}", err=True)
    if record.serving:
        webbrowser.open(record.url)  # silent where there is none
