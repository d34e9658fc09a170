"""The `reviewapps` command: one small module a verb."""

import click

from reviewapps import __version__
from reviewapps.cli.boundary import Group
from reviewapps.cli.cluster import cluster
from reviewapps.cli.completion import completion
from reviewapps.cli.controller import controller
from reviewapps.cli.deploy import deploy
from reviewapps.cli.destroy import destroy
from reviewapps.cli.doctor import doctor
from reviewapps.cli.exec import exec_
from reviewapps.cli.init import init
from reviewapps.cli.list import list_
from reviewapps.cli.local import local
from reviewapps.cli.logs import logs
from reviewapps.cli.open import open_
from reviewapps.cli.prune import prune
from reviewapps.cli.secret import secret
from reviewapps.cli.share import share
from reviewapps.cli.status import status


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reviewapps")
@click.option("--verbose", is_flag=True, help="Show the trace-back of an error.")
def main(verbose: bool) -> None:
    """Review apps on your own cloud: a branch becomes a running app behind its own URL.

    \b
    Example: reviewapps local up
    Example: reviewapps deploy deploy-checkout
    """


for command in (
    init,
    deploy,
    destroy,
    prune,
    list_,
    status,
    logs,
    exec_,
    open_,
    share,
    secret,
    doctor,
    local,
    cluster,
    controller,
    completion,
):
    main.add_command(command)
