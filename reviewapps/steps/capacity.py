"""Room for the app: a node is launched when it does not fit, and given back when it is gone."""

from reviewapps import capacity, fleet, retirement
from reviewapps.errors import Waiting
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context

NEEDS: tuple[str, ...] = ()


def wanted(app: ReviewApp) -> bool:
    """Every app needs room."""
    return True


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether the policy asks for one more node.

    With policy shared nothing is asked here: a job that does not fit asks for a node itself
    (jobs.py), and is placed when the node has joined.
    """
    if app.project.capacity.policy != "per-app" or not fleet.is_elastic(context.clients):
        return ""
    wanted_nodes = retirement.per_app(context.clients)
    has = len(context.clients.nodes.look().instances)
    return (
        f"{wanted_nodes} apps need a node each, and there are {has}" if has < wanted_nodes else ""
    )


def apply(app: ReviewApp, context: Context) -> None:
    """Launch a node, or wait until AWS lists the one that was launched."""
    capacity.require_nodes(retirement.per_app(context.clients), context)
    still = missing(app, context)
    if still:
        raise Waiting(still)


def undo(app: ReviewApp, context: Context) -> None:
    """Give back the nodes that no app uses any more."""
    if fleet.is_elastic(context.clients):
        retirement.give_back(retirement.Work(context.clients, context.say, context.check))
