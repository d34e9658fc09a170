"""The `reviewapps` command: one small module a verb, imported when it is asked for."""

import click

from reviewapps import __version__
from reviewapps.cli.boundary import Group

VERBS = (
    *("init", "deploy", "destroy", "prune", "list", "status", "logs", "exec", "open", "share"),
    *("secret", "doctor", "local", "cluster", "controller", "completion"),
)


@click.group(cls=Group, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reviewapps")
@click.option("--verbose", is_flag=True, help="Show the trace-back of an error.")
def main(verbose: bool) -> None:
    """Review apps on your own cloud: a branch becomes a running app behind its own URL.

    \b
    Example: reviewapps local up
    Example: reviewapps deploy deploy-checkout
    """
