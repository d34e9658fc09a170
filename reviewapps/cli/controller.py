"""`reviewapps controller`: keep all apps as they should be, for as long as it runs."""

import signal
import time

import click

from reviewapps.cli.common import clients
from reviewapps.controller import Controller


@click.command()
def controller() -> None:
    """Mend what breaks while nobody looks: apps of lost nodes, routes, deploys that were killed.

    Runs until it is stopped. Several may run; one of them works, the others wait.

    Example: reviewapps controller
    """
    made = Controller(clients(), lambda line: click.echo(f"{time.strftime('%H:%M:%S')} {line}"))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: made.stop.set())
    made.run()
