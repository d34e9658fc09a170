"""`reviewapps controller`: keep all apps as they should be, for as long as it runs."""

import json
import signal
import time

import click

from reviewapps.cli.common import clients, json_option
from reviewapps.cli.screen import plain
from reviewapps.controller import Controller
from reviewapps.reconcile import now


@click.command()
@json_option
def controller(as_json: bool) -> None:
    """Mend what breaks while nobody looks: apps of lost nodes, routes, deploys that were killed.

    Runs until it is stopped. Several may run; one of them works, the others wait.

    Example: reviewapps controller
    """
    tell = tell_json if as_json else tell_people
    made = Controller(clients(), tell)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: made.stop.set())
    made.run()


def tell_people(line: str) -> None:
    """Print a line with the time of day."""
    click.echo(f"{time.strftime('%H:%M:%S')} {plain(line)}")


def tell_json(line: str) -> None:
    """Print a line as a JSON object."""
    click.echo(json.dumps({"at": now(), "message": line}))
