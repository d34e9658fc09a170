"""The database server itself, where it is at RDS: one that apps share, or an app's own.

The shared one is made when the settings ask for it (`create`) and none has its name; no app can
ask for it, change or delete it. Mode snapshot restores an instance of the app's own, which goes
with the app. Both take RDS minutes: whoever is killed meanwhile goes on from what there is.
"""

from reviewapps import naming
from reviewapps.clients import Clients
from reviewapps.clients.aws.rds import Instance
from reviewapps.errors import UserError, Waiting
from reviewapps.review_app import ReviewApp
from reviewapps.settings import Create, DatabaseServer
from reviewapps.step import Context


def name_of(app: ReviewApp) -> str:
    """Return the app's own instance's name, "" when it is on the shared server."""
    return identifier(app.slug) if app.project.database.mode == "snapshot" else ""


def identifier(slug: str) -> str:
    """Return what an own instance is called: at most 63 characters and no `--`, as RDS wants."""
    return f"review-{slug}"


def slug_of(instance: Instance) -> str:
    """Return the app that an instance belongs to, "" when it isn't an app's own."""
    slug = instance.tags.get("slug", "")
    ours = instance.tags.get("kind") == "snapshot" and naming.is_slug(slug)
    return slug if ours and instance.name == identifier(slug) else ""


def missing(app: ReviewApp, context: Context) -> str:
    """Say what differs from a server that can be used, "" when nothing does."""
    name = name_of(app) or _shared(app, context.clients).instance
    if not name:
        return ""
    found = context.clients.rds.find(name)
    if found is None:
        return f"there is no RDS instance {name}"
    found.require_whole()
    if name_of(app):
        _require_own(found, app)
        if not found.secret_arn:
            return f"RDS instance {name} has no managed password"
    found.require_engine(app.project.database.engine)
    return found.waiting


def apply(app: ReviewApp, context: Context) -> None:
    """Make the server when it is missing; raises Waiting until it can be used."""
    difference = missing(app, context)
    if not difference:
        return
    clients, own = context.clients, name_of(app)
    name = own or _shared(app, clients).instance
    found = clients.rds.find(name)
    if found is None and own:
        snapshot = app.project.database.snapshot
        clients.rds.restore(own, snapshot, _spec(app, clients), app.owner)
        raise Waiting(f"restoring {snapshot} to RDS instance {own}")
    if found is None:
        _create_shared(app, clients)
        raise Waiting(f"creating RDS instance {name}")
    if own and found.status == "available" and not found.secret_arn:
        # RDS takes no wish for a managed password together with the wish to restore
        clients.rds.manage_password(own)
    raise Waiting(difference)


def remove(app: ReviewApp, context: Context) -> None:
    """Delete the app's own instance, if there is one; raises Waiting until it is gone."""
    name = identifier(app.slug)
    found = context.clients.rds.find(name)
    if found is None:
        return
    _require_own(found, app)
    if not found.waiting:
        context.clients.rds.delete(name)
        found = context.clients.rds.find(name)
    if found is not None:
        raise Waiting(f"RDS instance {name} is {found.status}")


def identity(app: ReviewApp, context: Context) -> str:
    """Name the own instance in a way that changes when it is restored again."""
    found = context.clients.rds.find(identifier(app.slug))
    return found.id if found else "no instance yet"


def has_shared(engine: str, clients: Clients) -> bool:
    """Say whether the shared server can hold anything; raises Waiting while RDS makes it."""
    settings = clients.settings
    server = {"postgresql": settings.postgresql, "mysql": settings.mysql}.get(engine)
    if server is None or not server.instance:
        return True
    found = clients.rds.find(server.instance)
    if found and found.waiting:
        raise Waiting(found.waiting)
    return found is not None


def _require_own(found: Instance, app: ReviewApp) -> None:
    if slug_of(found) != app.slug:
        raise UserError(
            f"RDS instance {found.name} was not made by reviewapps for this app; leaving it alone",
            hint="look at it, then rename or delete it yourself",
        )


def require_snapshot(app: ReviewApp, context: Context) -> None:
    """Raise UserError when the own instance was restored from another snapshot than asked for."""
    found = context.clients.rds.find(identifier(app.slug))
    made_of = found.tags.get("snapshot", "") if found else ""
    if made_of and made_of != app.project.database.snapshot:
        raise UserError(
            f"the app's database was restored from {made_of}, and its data would be lost",
            hint=f"reviewapps destroy {app.slug}, then deploy again",
        )


def _shared(app: ReviewApp, clients: Clients) -> DatabaseServer:
    settings, engine = clients.settings, app.project.database.engine
    found = {"postgresql": settings.postgresql, "mysql": settings.mysql}.get(engine)
    return found or DatabaseServer(host="none", port=1)


def _create_shared(app: ReviewApp, clients: Clients) -> None:
    server, engine = _shared(app, clients), app.project.database.engine
    if server.create is None:
        clients.rds.require(server.instance, engine)  # says what is wrong
        return
    clients.rds.create(server.instance, engine, server.create, server.user)


def _spec(app: ReviewApp, clients: Clients) -> Create:
    """Return where an own instance stands: where the settings, or the shared one, say."""
    server = _shared(app, clients)
    if server.create:
        return server.create
    shared = clients.rds.find(server.instance) if server.instance else None
    if shared is None:
        raise UserError(
            "the settings do not say in which network an RDS instance may stand",
            hint=f"set instance, or instance and create, of {app.project.database.engine}",
        )
    return Create(
        instance_class=shared.instance_class,
        subnet_group=shared.subnet_group,
        security_groups=shared.security_groups,
    )
