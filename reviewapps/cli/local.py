"""`reviewapps local`: the whole cluster on this machine."""

import json
import time
from dataclasses import asdict

import click

from reviewapps.errors import NotFound, UserError
from reviewapps.local.cluster import DEFAULT, Cluster, load
from reviewapps.local.down import down as take_down
from reviewapps.local.status import status as read_status
from reviewapps.local.up import up as bring_up

name_option = click.option(
    "--name", default=DEFAULT, show_default=True, help="Which cluster of this machine."
)


@click.group()
def local() -> None:
    """Run the whole cluster on this machine.

    Example: reviewapps local up
    """


@local.command()
@name_option
@click.option("--number", type=click.IntRange(0, 250), help="Network 10.86.NUMBER.0/24.")
@click.option("--nodes", type=click.IntRange(1, 20), help="How many nodes; 1 at first.")
@click.option("--aws", type=click.IntRange(0, 50), help="More nodes that a local AWS may launch.")
@click.option("--memory", type=click.IntRange(512), help="What each node has for apps, in MB.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def up(  # noqa: PLR0913, PLR0917 - one for each option
    name: str,
    number: int | None,
    nodes: int | None,
    aws: int | None,
    memory: int | None,
    as_json: bool,
) -> None:
    """Start the cluster, or whatever of it does not run.

    Example: reviewapps local up --aws 2
    """
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    cluster = bring_up(say, name, number, nodes, group_maximum=aws, node_memory_mb=memory)
    if as_json:
        click.echo(json.dumps(report(cluster)))
        return
    click.echo(f"The cluster {name} is up ({time.monotonic() - began:.1f} s).")
    if name != DEFAULT:
        click.echo(f"To use it: export REVIEWAPPS_SETTINGS={cluster.settings_file}")


@local.command()
@name_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def down(name: str, yes: bool, as_json: bool) -> None:
    """Stop the cluster and remove all of it, with its apps and their data.

    Example: reviewapps local down --yes
    """
    cluster = load(name)
    if cluster is None:
        sentence = f"There is no local cluster {name}: nothing to stop."
        click.echo(json.dumps({"removed": None}) if as_json else sentence)
        return
    click.echo(
        f"This stops Consul, Nomad and PostgreSQL of the cluster {name}, removes the containers "
        f"of its review apps and databases, its network {cluster.bridge}, and {cluster.folder} "
        "with all data.",
        err=as_json,
    )
    if not yes:
        confirm(name, as_json)
    take_down(lambda line: click.echo(line, err=as_json), cluster)
    if as_json:
        click.echo(json.dumps({"removed": name}))


def confirm(name: str, as_json: bool) -> None:
    """Ask whether to go on; raise UserError where nobody is there to answer."""
    try:
        click.confirm("Go on?", abort=True, err=as_json)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):  # a no, or Ctrl-C
            raise
        click.echo(err=True)
        command = f"reviewapps local down --yes{'' if name == DEFAULT else f' --name {name}'}"
        raise UserError("nobody is there to answer, so nothing was stopped", hint=command) from None


@local.command()
@name_option
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
def status(name: str, as_json: bool) -> None:
    """Tell whether each part of the cluster runs, and where.

    Example: reviewapps local status
    """
    cluster = load(name)
    if cluster is None:
        raise NotFound(f"there is no local cluster {name}", hint="reviewapps local up")
    if as_json:
        click.echo(json.dumps(report(cluster)))
        return
    for line in read_status(cluster):
        click.echo(f"{line.part:<12} {line.place:<28} {line.lacks or 'running'}")


def report(cluster: Cluster) -> dict[str, object]:
    """Return the cluster's state as `--json` prints it."""
    lines = [asdict(line) for line in read_status(cluster)]
    return {
        "name": cluster.name,
        "number": cluster.number,
        "settings": str(cluster.settings_file),
        "running": all(line["running"] for line in lines),
        "parts": lines,
    }
