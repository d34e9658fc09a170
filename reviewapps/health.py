"""Examines what apps need: the services, this machine and the settings; it only reads."""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reviewapps import settings
from reviewapps.clients import Clients, clock
from reviewapps.errors import ReviewAppsError
from reviewapps.steps import instance
from reviewapps.store import keys
from reviewapps.store.lock import is_dead
from reviewapps.store.records import Records
from reviewapps.store.routes import behind

NOMAD_FLOOR = (1, 11, 3)
CONSUL_FLOOR = (1, 22, 7)
CLOCK_SECONDS = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it is, whether it is well, and what mends it."""

    name: str
    ok: bool
    message: str
    mend: str = ""


def examine(clients: Clients) -> list[Finding]:
    """Return the findings of all checks; what needs a service that is down is not looked at."""
    found: list[Finding] = []
    for name, need, check in CHECKS:
        if is_wrong(found, need):
            continue
        try:
            found += check(clients)
        except ReviewAppsError as error:
            mend = "" if error.hint == "reviewapps doctor" else error.hint
            found.append(Finding(name, False, error.message, mend or MENDS.get(name, "")))
    return found


def is_wrong(findings: Sequence[Finding], name: str) -> bool:
    """Say whether a check of this name found something wrong."""
    return any(each.name == name and not each.ok for each in findings)


def _settings(clients: Clients) -> Iterator[Finding]:
    named = os.environ.get("REVIEWAPPS_SETTINGS")
    file = Path(named or settings.DEFAULT_FILE).expanduser()
    if not file.exists():
        message = "no settings file, so the addresses are those of a local cluster"
        yield Finding("settings", True, message)
        return
    values = settings.read(
        file
    )  # and not clients.settings: a token of the environment is not in it
    secret = any((values.get(each) or {}).get("token") for each in ("nomad", "consul"))
    faults = [_too_open(file, readable=secret)]
    for server in (clients.settings.postgresql, clients.settings.mysql):
        if server and server.password_file:
            faults.append(_too_open(Path(server.password_file).expanduser(), readable=True))
    wrong = [each for each in faults if each]
    yield from wrong
    if not wrong:
        yield Finding("settings", True, str(file))


def _too_open(file: Path, *, readable: bool) -> Finding | None:
    """Return a finding when others may write a file, or read the secret in it."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        return Finding("settings", False, f"{file}: {error.strerror}", "reviewapps local up")
    others = stat.S_IWGRP | stat.S_IWOTH | ((stat.S_IRGRP | stat.S_IROTH) if readable else 0)
    if mode & others:
        what = "read a secret in" if readable else "write"
        return Finding("settings", False, f"others may {what} {file}", f"chmod 600 {file}")
    return None


def _consul(clients: Clients) -> Iterator[Finding]:
    place = f"Consul at {clients.settings.consul.address}"
    if not clients.consul.leader():
        yield Finding("consul", False, f"{place} has no leader", MENDS["consul"])
        return
    yield _floor("consul", place, clients.consul.version(), CONSUL_FLOOR)


def _nomad(clients: Clients) -> Iterator[Finding]:
    place = f"Nomad at {clients.settings.nomad.address}"
    yield _floor("nomad", place, clients.nomad.version(), NOMAD_FLOOR)


def _floor(name: str, place: str, version: str, floor: tuple[int, ...]) -> Finding:
    known = tuple(map(int, re.findall(r"\d+", version)[:3]))
    if known < floor:
        least = ".".join(map(str, floor))
        return Finding(name, False, f"{place} is {version}", f"upgrade it to {least} or newer")
    return Finding(name, True, f"{place}, version {version}")


def _nodes(clients: Clients) -> Iterator[Finding]:
    wanted = clients.settings.nomad.datacenter
    nodes = clients.nomad.nodes()
    ready = [
        each["Name"]
        for each in nodes
        if each["Status"] == "ready"
        and each["SchedulingEligibility"] == "eligible"
        and each["Datacenter"] == wanted
        and ((each.get("Drivers") or {}).get("docker") or {}).get("Healthy")
    ]
    if ready:
        yield Finding("nodes", True, f"{len(ready)} ready with Docker: {', '.join(sorted(ready))}")
        return
    message = (
        f"no node of {wanted} is ready with a healthy Docker, of {len(nodes)} that Nomad knows"
    )
    yield Finding("nodes", False, message, "nomad node status; locally: reviewapps local up")


def _docker(clients: Clients) -> Iterator[Finding]:
    version = clients.docker.check("version", "--format", "{{.Server.Version}}").strip()
    yield Finding("docker", True, f"this machine's Docker, version {version}, builds images")


def _databases(clients: Clients) -> Iterator[Finding]:
    servers = {"postgresql": clients.settings.postgresql, "mysql": clients.settings.mysql}
    if not any(servers.values()):
        yield Finding("databases", True, "the settings name no database server")
    for engine, server in servers.items():
        if server is None:
            continue
        place = server.host or f"RDS instance {server.instance}"
        if server.create and not instance.has_shared(engine, clients):
            yield Finding(engine, True, f"{place} is not there yet; the next deploy creates it")
            continue
        doors = clients.databases(engine).open_doors()
        for door in doors:
            yield Finding(engine, False, f"at {place}: {door}", "reviewapps local up")
        if not doors:
            port = f":{server.port}" if server.host else ""
            yield Finding(engine, True, f"{place}{port}, apart for each app")


def _routers(clients: Clients) -> Iterator[Finding]:
    alive, late = behind(clients.consul)
    mend = "nomad job status; consul kv get -recurse reviewapps/routers/"
    if not alive:
        yield Finding("routers", False, "no router has told of itself for 30 s", mend)
    elif late:
        yield Finding("routers", False, f"routers that lag behind: {', '.join(late)}", mend)
    else:
        yield Finding("routers", True, f"{len(alive)} up to date: {', '.join(alive)}")


def _clock(clients: Clients) -> Iterator[Finding]:
    where = clients.settings.consul
    skew = (clock.server_time(where.address, where.ca_file) - datetime.now(UTC)).total_seconds()
    if abs(skew) > CLOCK_SECONDS:
        message = f"this machine's clock differs from Consul's by {abs(skew):.0f} s"
        yield Finding("clock", False, message, "timedatectl set-ntp true")
    else:
        yield Finding("clock", True, "this machine's clock and Consul's agree")


def _records(clients: Clients) -> Iterator[Finding]:
    """Find records that are not readable, and apps whose deploy or destroy was interrupted."""
    records, faults = Records(clients.consul).all()
    wrong = [Finding("records", False, each.message, each.hint) for each in faults]
    held = {
        entry.key.removeprefix(keys.LOCKS)
        for entry in clients.consul.list(keys.LOCKS)[1]
        if entry.session and not is_dead(entry.value)
    }
    for record in records:
        verb = "destroy" if record.wanted == "gone" else "deploy"
        if record.slug not in held and record.state in ("deploying", "destroying"):
            name = record.slug if verb == "destroy" else record.branch
            message = f"the {verb} of {record.branch} ({record.slug}) was interrupted"
            wrong.append(Finding("records", False, message, f"reviewapps {verb} {name}"))
    yield from wrong
    if not wrong:
        yield Finding("records", True, f"{len(records)} apps")


MENDS = {
    "consul": "reviewapps local up starts a local one; else look at its server's log",
    "nomad": "reviewapps local up starts a local one; else look at its server's log",
    "nodes": "reviewapps local up",
    "docker": "apt-get install docker.io; systemctl start docker",
}

CHECKS: tuple[tuple[str, str, Callable[[Clients], Iterator[Finding]]], ...] = (
    ("settings", "", _settings),
    ("consul", "", _consul),
    ("nomad", "", _nomad),
    ("nodes", "nomad", _nodes),
    ("docker", "", _docker),
    ("databases", "", _databases),
    ("routers", "consul", _routers),
    ("clock", "consul", _clock),
    ("records", "consul", _records),
)
