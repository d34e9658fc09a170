"""Finds what stands without a record: parts of apps that a killed or faulty run left behind.

Everything that belongs to an app carries its slug in name or metadata, so it is found without the
record. Nothing is changed here but by `adopt`, which writes the record that `destroy` then follows.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reviewapps import naming, review_app
from reviewapps.clients import Clients
from reviewapps.clients.consul import Entry, put
from reviewapps.errors import ReviewAppsError
from reviewapps.project import Project
from reviewapps.review_app import Release
from reviewapps.steps import instance
from reviewapps.store import keys
from reviewapps.store.hosts import page
from reviewapps.store.record import Record, dump

ALLOCATION = "com.hashicorp.nomad.alloc_id"
JOB = "com.hashicorp.nomad.job_name"
NODE = "com.hashicorp.nomad.node_name"
APPS_KINDS = ("app", "guest", "")
UNKNOWN = "unknown"
INSTANCE = "RDS instance"


@dataclass(frozen=True)
class Leftover:
    """Something of ours that no record accounts for; `mend` is the command that removes it.

    `owner` is what its metadata says of project and branch. `shared` says that it is on this
    machine, where another cluster's app may own it.
    """

    slug: str
    kind: str
    name: str
    mend: str
    owner: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False

    @property
    def message(self) -> str:
        """Return it as a sentence."""
        ending = "; maybe it is another cluster's" if self.shared else ""
        return f"the {self.kind} {self.name} belongs to no app{ending}"


def find(clients: Clients) -> tuple[list[Leftover], list[ReviewAppsError]]:
    """Return all leftovers, and why some place could not be looked into.

    The records are read before and after: a deploy writes its record first, a destroy deletes it
    last, so what they work on is in one of the two. Raises Unreachable when Consul is.
    """
    before = _hosts(clients)
    found: list[Leftover] = []
    faults: list[ReviewAppsError] = []
    for look in LOOKS:
        try:
            found += look(clients)
        except ReviewAppsError as error:
            faults.append(error)
    hosts = before | _hosts(clients)
    left = [each for each in found if each.slug not in hosts]
    left += _foreign_hosts(clients, hosts)
    left = _with_their_images(left)
    return sorted(left, key=lambda each: (each.slug, each.kind, each.name)), faults


def of(clients: Clients, slug: str) -> list[Leftover]:
    """Return the leftovers of one slug that destroying it removes; raises what hides them."""
    found, faults = find(clients)
    if faults:
        raise faults[0]
    return [each for each in found if each.slug == slug and each.mend == _destroy(slug)]


def adopt(clients: Clients, slug: str, found: list[Leftover], who: str, at: str) -> Record:
    """Write a record, wanted gone, for what was left of an app, and return it.

    Raises Conflict when a record has come into being meanwhile.
    """
    owner = {key: value for each in found for key, value in each.owner.items() if value}
    engine = next((each.kind.split()[0] for each in found if "database" in each.kind), "none")
    engines = {"PostgreSQL": "postgresql", "MySQL": "mysql"}
    databases = [{"engine": engines.get(engine, "none")}]
    if any(each.kind == INSTANCE for each in found):
        databases.append({"engine": "postgresql", "mode": "snapshot", "snapshot": UNKNOWN})
    projects = [
        Project.from_dict({"project": owner.get("project", UNKNOWN), "database": database})
        for database in databases
    ]
    domain = clients.settings.domain
    named = (each.name for each in found if each.kind in ("route", "page"))
    host = next(named, review_app.host(slug, domain))
    record = Record(
        slug=slug,
        project=projects[0].project,
        branch=owner.get("branch", slug),
        host=host,
        url=f"{clients.settings.url_scheme}://{host}",
        wanted="gone",
        state="destroying",
        releases=tuple(
            Release(number, "", "", built=False, project=project.as_dict())
            for number, project in enumerate(projects, 1)
        ),
        asked_by=who,
        asked_at=at,
        updated_at=at,
    )
    clients.consul.transact(
        put(keys.app(slug), dump(record), 0), put(keys.host(host), page(record))
    )
    return record


def _hosts(clients: Clients) -> dict[str, str]:
    """Return the host of each app that has a record, "" where the record is not readable."""
    hosts = {}
    for entry in clients.consul.list(keys.APPS)[1]:
        try:
            hosts[entry.key.removeprefix(keys.APPS)] = str(json.loads(entry.value)["host"])
        except (ValueError, KeyError, TypeError):
            hosts[entry.key.removeprefix(keys.APPS)] = ""
    return hosts


def _with_their_images(left: list[Leftover]) -> list[Leftover]:
    """Let the images of a slug that has left more than images here be removed with the rest."""
    ours = {each.slug for each in left if not each.shared}
    return [
        replace(each, shared=False, mend=_destroy(each.slug))
        if each.shared and each.slug in ours
        else each
        for each in left
    ]


def _jobs(clients: Clients) -> Iterator[Leftover]:
    for job in clients.nomad.jobs():
        meta = job.get("Meta") or {}
        owner = {key: meta.get(f"reviewapps_{key}", "") for key in ("project", "branch")}
        yield from _named("Nomad job", job["ID"], owner)


def _variables(clients: Clients) -> Iterator[Leftover]:
    for path in clients.nomad.variables("nomad/jobs/"):
        yield from _variable(path, naming.slug_of(path.split("/")[2]))
    for path in clients.nomad.variables("reviewapps/"):
        slug = path.split("/")[1]
        yield from _variable(path, slug if naming.is_slug(slug) else "")


def _variable(path: str, slug: str) -> Iterator[Leftover]:
    if slug:
        yield Leftover(slug, "Nomad Variable", path, _destroy(slug))


def _keys(clients: Clients) -> Iterator[Leftover]:
    for kind, prefix in (("lock", keys.LOCKS), ("wish", keys.WISHES)):
        for entry in clients.consul.list(prefix)[1]:
            slug = entry.key.removeprefix(prefix)
            if naming.is_slug(slug) and not entry.session:
                yield Leftover(slug, kind, slug, _destroy(slug))
    for kind, host, _ in _host_keys(clients):
        slug = host.partition(".")[0]
        if naming.is_slug(slug):
            yield Leftover(slug, kind, host, _destroy(slug))


def _host_keys(clients: Clients) -> Iterator[tuple[str, str, Entry]]:
    for kind, prefix in (("route", keys.ROUTES), ("page", keys.HOSTS)):
        for entry in clients.consul.list(prefix)[1]:
            yield kind, entry.key.removeprefix(prefix), entry


def _foreign_hosts(clients: Clients, hosts: Mapping[str, str]) -> Iterator[Leftover]:
    """Return the routes and pages that destroying no app would remove, such as an old domain's."""
    for kind, host, entry in _host_keys(clients):
        slug = host.partition(".")[0]
        known = hosts.get(slug)
        if not naming.is_slug(slug) or (known and known != host):
            yield Leftover("", kind, host, f"consul kv delete {entry.key}")


def _databases(clients: Clients) -> Iterator[Leftover]:
    servers = {"PostgreSQL": clients.settings.postgresql, "MySQL": clients.settings.mysql}
    for engine, server in servers.items():
        if server is None or not instance.has_shared(engine.lower(), clients):
            continue
        for found in clients.databases(engine.lower()).owned():
            if found.owner.get("kind", "") in APPS_KINDS:
                owner = {key: found.owner.get(key, "") for key in ("project", "branch")}
                yield from _named(f"{engine} database", found.name, owner)


def _instances(clients: Clients) -> Iterator[Leftover]:
    servers = (clients.settings.postgresql, clients.settings.mysql)
    if not any(server and server.instance for server in servers):
        return
    for found in clients.rds.owned():
        slug = instance.slug_of(found)
        if slug:
            yield Leftover(slug, INSTANCE, found.name, _destroy(slug), found.tags)


def _images(clients: Clients) -> Iterator[Leftover]:
    label = "label=reviewapps.slug"
    form = "{{.Repository}}:{{.Tag}}"
    for tag in clients.docker.check("image", "ls", "--filter", label, "--format", form).split():
        repository, _, version = tag.rpartition(":")
        slug = version.rpartition("-")[0]
        if naming.is_slug(slug):
            owner = {"project": repository.rpartition("/")[2]}
            yield Leftover(slug, "image", tag, f"docker image rm {tag}", owner, shared=True)


def _containers(clients: Clients) -> Iterator[Leftover]:
    """Return the containers of this cluster's nodes on this machine whose job is forgotten."""
    form = f'{{{{.Names}}}} {{{{.Label "{JOB}"}}}} {{{{.Label "{NODE}"}}}}'
    arguments = ("ps", "--filter", f"label={ALLOCATION}", "--format", form)
    nodes = {each["Name"] for each in clients.nomad.nodes()}
    for line in clients.docker.check(*arguments).splitlines():
        name, job, node = [*line.split(" "), "", ""][:3]
        slug = naming.slug_of(job)
        if slug and node in nodes and clients.nomad.job(job) is None:
            yield Leftover(slug, "container", name, f"docker rm --force {name}")


def _named(kind: str, name: str, owner: Mapping[str, str]) -> Iterator[Leftover]:
    slug = naming.slug_of(name)
    if slug:
        yield Leftover(slug, kind, name, _destroy(slug), owner)


def _destroy(slug: str) -> str:
    return f"reviewapps destroy {slug}"


LOOKS: tuple[Callable[[Clients], Iterator[Leftover]], ...] = (
    _jobs,
    _variables,
    _keys,
    _databases,
    _instances,
    _images,
    _containers,
)
