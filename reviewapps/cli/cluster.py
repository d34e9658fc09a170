"""`reviewapps cluster`: what the team's cluster needs beside the apps."""

import click

from reviewapps.cli.common import clients
from reviewapps.cloud import images, router


@click.group()
def cluster() -> None:
    """Keep the platform's own parts on the team's cluster up to date.

    \b
    Example: reviewapps cluster up
    """


@cluster.command()
def up() -> None:
    """Put the router on every node, and the images of router and Redis into the registry.

    Run again, it changes nothing that is right. The laptop's cluster needs it not:
    `reviewapps local up` does the same there.

    \b
    Example: reviewapps cluster up
    """
    ours = clients()
    places = images.publish(ours, click.echo)
    if router.ensure(ours.nomad, ours.settings, places["router"], click.echo):
        click.echo("The router runs on every node.")
    else:
        click.echo("The router runs on every node: nothing to do.")
