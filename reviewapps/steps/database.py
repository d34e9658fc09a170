"""The app's database and login on the shared server, as `database.mode` in the project file says.

own         an empty database of its own
template    its own copy of the golden one (golden.py); empty, as own, while there is none
shared      a login that may read and write a common database
read-only   a login that may only read it
snapshot    a login to the database of an own RDS instance (instance.py)
"""

import hashlib

from reviewapps import jobs, naming
from reviewapps.clients.databases import Databases
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.steps import instance

NEEDS: tuple[str, ...] = ()


def wanted(app: ReviewApp) -> bool:
    """Whether the project file names an engine."""
    return app.project.database.engine != "none"


def missing(app: ReviewApp, context: Context) -> str:
    """Say what differs from a database that the app can log in to."""
    name = app.named("db")
    if difference := instance.missing(app, context):
        return difference
    if app.project.database.mode == "snapshot":
        instance.require_snapshot(app, context)
    found = server(app, context).find(name)
    if found is None:
        return f"there is no database or login {name}"
    if not found.ready:
        return f"{name} is not finished"
    known = context.nomad.variable(password_path(app)).get("password", "")
    works = server(app, context).password_works
    if not known or not works(name, known, database=common(app)):
        return f"the password of {name} does not work"
    return ""


def apply(app: ReviewApp, context: Context) -> None:
    """Create what the mode asks for, or put right what is there."""
    instance.apply(app, context)
    spec, name = app.project.database, app.named("db")
    where = server(app, context)
    owner = {key: value for key, value in app.owner.items() if key != "platform"}
    password = jobs.password(context, password_path(app))
    if common(app):
        if spec.mode == "snapshot":
            where.give_owner(common(app))
        context.say(f"letting {name} use {common(app)}")
        where.create_guest(
            name,
            owner,
            password,
            common=common(app),
            write=spec.mode != "read-only",
            connections_limit=spec.connections,
        )
        return
    template = ready_golden(app, context)
    context.say(f"copying {template} to {name}" if template else f"creating {name}")
    where.create(
        name,
        owner,
        password,
        connections_limit=spec.connections,
        extensions=spec.extensions,
        template=template,
    )


def undo(app: ReviewApp, context: Context) -> None:
    """Drop database and login, with all data, and forget the password.

    A common database stays; only the app's login to it goes. An earlier release may have had
    another engine.
    """
    specs = [each.project.get("database", {}) for each in context.record.read().releases]
    own = {spec["engine"] for spec in specs if spec.get("mode") == "snapshot"}
    if own:
        instance.remove(app, context)
    engines = {spec.get("engine", "none") for spec in specs if spec.get("mode") != "snapshot"}
    for engine in sorted(engines - {"none"}):
        if instance.has_shared(engine, context.clients):
            context.clients.databases(engine).drop(app.named("db"))
    context.nomad.delete_variable(password_path(app))


def password_path(app: ReviewApp) -> str:
    """Return the Variable that keeps the password; no task can read it."""
    return f"reviewapps/{app.slug}/database"


def url(app: ReviewApp, context: Context) -> str:
    """Return DATABASE_URL as the app's processes get it."""
    secret = jobs.password(context, password_path(app))
    return server(app, context).url(app.named("db"), secret, database=common(app))


def identity(app: ReviewApp, context: Context) -> str:
    """Name the database in a way that changes when it is dropped and created again."""
    if not wanted(app):
        return "no database"
    if app.project.database.mode == "snapshot":
        return f"database {common(app)} of {instance.identity(app, context)}"
    if common(app):
        return f"database {common(app)}"
    found = server(app, context).find(app.named("db"))
    return f"database {found.identity}" if found else "no database yet"


def common(app: ReviewApp) -> str:
    """Return the database that exists already and that the app gets a login to, "" for none.

    That of a snapshot is named after the project, unless the project file says otherwise.
    """
    spec = app.project.database
    return spec.name or (app.project.project if spec.mode == "snapshot" else "")


def golden_name(app: ReviewApp) -> str:
    """Return the name of the golden database of the app's migrations and seeds, "" for none."""
    project, schema = app.project, app.release.schema
    spec = project.database
    if spec.engine == "none" or spec.mode != "template" or not schema:
        return ""
    made_of = [schema, spec.engine, *spec.extensions, repr(project.migrate), repr(project.seed)]
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:20]
    return naming.thing(naming.slug(project.project, f"golden-{digest}"), "db")


def ready_golden(app: ReviewApp, context: Context) -> str:
    """Return the golden database's name if it can be copied now."""
    name = golden_name(app)
    found = server(app, context).find(name) if name else None
    return name if found and found.ready else ""


def is_golden_copy(app: ReviewApp, context: Context) -> bool:
    """Say whether the app's database was copied with its release's migrations and seeds done."""
    name = golden_name(app)
    found = server(app, context).find(app.named("db")) if name else None
    return found is not None and found.owner.get("template") == name


def server(app: ReviewApp, context: Context) -> Databases:
    """Return the server of the engine that the project file names."""
    own = instance.name_of(app)
    return context.clients.databases(app.project.database.engine, instance=own)
