"""`reviewapps cluster`: what the team's cluster needs beside the apps."""

import json

import click

from reviewapps.cli.common import clients, json_option
from reviewapps.cloud import images, router


@click.group()
def cluster() -> None:
    """Keep the platform's own parts on the team's cluster up to date.

    \b
    Example: reviewapps cluster up
    """


@cluster.command()
@json_option
def up(as_json: bool) -> None:
    """Put the router on every node, and the images of router and Redis into the registry.

    Run again, it changes nothing that is right. The laptop's cluster needs it not:
    `reviewapps local up` does the same there.

    \b
    Example: reviewapps cluster up
    """
    ours = clients()

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    places = images.publish(ours, say)
    changed = router.ensure(ours.nomad, ours.settings, places["router"], say)
    if as_json:
        click.echo(json.dumps({"images": places, "changed": changed}))
    else:
        click.echo(f"The router runs on every node{'' if changed else ': nothing to do'}.")
