"""The route: published once the app is healthy, withdrawn before anything of it stops."""

from typing import Any

from reviewapps import rollout
from reviewapps.errors import Waiting
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.store import keys
from reviewapps.store.routes import require_no_leftover, route_value, wait_for_routers

NEEDS: tuple[str, ...] = ("access", "unicorn")


def wanted(app: ReviewApp) -> bool:
    """Every app has one."""
    return True


def missing(app: ReviewApp, context: Context) -> str:
    """Say how the route differs from where the healthy web processes are."""
    value = healthy_value(app, context)
    if not value:
        return "no web process is healthy"
    found = route_of(app, context)
    if found != value:
        return f"the route is {found or 'absent'} and should be {value}"
    if context.record.read().serving != app.release.number:
        return "the record names another release as serving"
    if unpromoted(app, context):
        return "the old release has not been told to stop"
    return ""


def apply(app: ReviewApp, context: Context) -> None:
    """Publish the route, wait until every router leads there, then let the old release stop."""
    value = healthy_value(app, context)
    if not value:
        raise Waiting("waiting for a healthy web process")
    if route_of(app, context) != value or context.record.read().serving != app.release.number:
        context.record.publish(value)
    deployment = unpromoted(app, context)
    if deployment:
        context.say("waiting for the routers")
        require_no_leftover(wait_for_routers(context.clients.consul, check=context.check))
        groups = deployment["TaskGroups"].values()
        if any(each["HealthyAllocs"] < each["DesiredCanaries"] for each in groups):
            raise Waiting("waiting for Nomad's servers to hear that the new release is healthy")
        context.nomad.promote(deployment["ID"])


def undo(app: ReviewApp, context: Context) -> None:
    """Withdraw the route and wait until no router leads there any more.

    Only then may anything stop: a freed ip:port must never answer under the old host.
    """
    if not route_of(app, context):
        return
    context.record.withdraw()
    context.say("waiting for the routers")
    require_no_leftover(wait_for_routers(context.clients.consul, check=context.check))


def route_of(app: ReviewApp, context: Context) -> str:
    """Return the app's route as it is, "" when there is none."""
    _, entry = context.clients.consul.get(keys.route(app.host))
    return entry.value if entry else ""


def healthy_value(app: ReviewApp, context: Context) -> str:
    """Return the route to the healthy web processes of the current version, "" when none is."""
    job_id = app.named("unicorn")
    job = context.nomad.job(job_id)
    if job is None:
        return ""
    _, allocations = context.nomad.allocations(job_id)
    healthy = rollout.running(job, allocations, context)
    addresses = [address(each["ID"], context) for each in healthy]
    known = [each for each in addresses if each is not None]
    return route_value(known, context.clients.settings.node_network) if known else ""


def address(allocation_id: str, context: Context) -> tuple[str, int] | None:
    """Return where an allocation's web process listens."""
    allocation = context.nomad.allocation(allocation_id) or {}
    shared = (allocation.get("AllocatedResources") or {}).get("Shared") or {}
    for port in shared.get("Ports") or []:
        if port["Label"] == "http":
            return port["HostIP"], port["Value"]
    return None


def unpromoted(app: ReviewApp, context: Context) -> dict[str, Any] | None:
    """Return the deployment whose canaries wait to be promoted, or None."""
    deployment = context.nomad.deployment(app.named("unicorn"))
    if deployment is None or deployment["Status"] not in ("running", "paused"):
        return None
    groups = (deployment.get("TaskGroups") or {}).values()
    waits = any(each["DesiredCanaries"] and not each["Promoted"] for each in groups)
    return deployment if waits else None
