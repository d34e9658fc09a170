"""Starts a local cluster: each part that is missing, in order; a second run changes nothing."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from reviewapps.clients.docker import Docker
from reviewapps.errors import UserError
from reviewapps.local import aws, binaries, images, nodes, parts, postgres, registry
from reviewapps.local.calm import calm
from reviewapps.local.cluster import (
    Cluster,
    choose_number,
    known,
    load,
    replace,
)
from reviewapps.local.commands import require_docker, require_machine
from reviewapps.local.locked import locked

Say = Callable[[str], None]
SMALLEST_NODE_MB = 1024
IMAGES = ("postgres", "redis", "router")


def up(  # noqa: PLR0913 - what a cluster may be asked to be
    say: Say,
    name: str,
    number: int | None = None,
    count: int | None = None,
    *,
    group_maximum: int | None = None,
    node_memory_mb: int | None = None,
) -> Cluster:
    """Start the cluster `name` with `count` nodes and return it."""
    require_machine()
    require_docker()
    with locked(name):
        cluster = choose(name, number, count, group_maximum, node_memory_mb)
        if cluster.group_maximum:
            aws.require_moto()
        cluster.save()
        for program in binaries.PROGRAMS:
            binaries.ensure(program, say)
        build_images(say)
        for part in parts.of(cluster):
            if part.state(cluster):
                timed(say, part.name, parts.place(part, cluster), partial(part.start, cluster))
        for k in range(2, cluster.nodes + 1):
            if nodes.state(cluster.node(k)):
                place = cluster.node(k).address
                timed(say, f"node {k}", place, partial(nodes.start, cluster, k))
        write_settings(cluster)
    return cluster


def choose(
    name: str,
    number: int | None,
    count: int | None,
    group_maximum: int | None = None,
    node_memory_mb: int | None = None,
) -> Cluster:
    """Return the cluster as it exists or as it shall be; an existing one keeps what it is."""
    found = load(name)
    if found and number not in (None, found.number):
        raise UserError(
            f"the cluster {name} has the number {found.number}, which can't change",
            hint=f"reviewapps local down --name {name}",
        )
    number = found.number if found else choose_number(name, number, known())
    wanted = count or (found.nodes if found else 1)
    group = group_maximum if group_maximum is not None else found.group_maximum if found else 0
    memory = found.node_memory_mb if found else memory_for_each(wanted + group)
    return Cluster(name, number, wanted, node_memory_mb or memory, group)


def memory_for_each(count: int) -> int:
    """Return each node's share of half of this machine's memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    total_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
    return max(SMALLEST_NODE_MB, total_kb // 1024 // 2 // count)


def build_images(say: Say) -> None:
    """Build the images that the cluster runs and that this machine lacks."""
    docker = Docker()
    for name in IMAGES:
        images.ensure(docker, name, calm(say))


def timed(say: Say, name: str, place: str, start: Callable[[], object]) -> None:
    """Start something and say how long it took."""
    began = time.monotonic()
    start()
    say(f"{name:<12} {place:<28} started in {time.monotonic() - began:.1f} s")


def write_settings(cluster: Cluster) -> None:
    """Write the settings file that every command reads."""
    settings = {
        "nomad": {"address": f"http://{cluster.loopback}:4646"},
        "consul": {"address": f"http://{cluster.loopback}:8500"},
        "postgresql": {
            "host": cluster.address,
            "port": postgres.PORT,
            "user": postgres.USER,
            "password_file": str(postgres.password_file(cluster)),
        },
        "docker": {
            "build_network": "host",
            **(registry.settings(cluster) if cluster.group_maximum else {}),
        },
        **(aws.settings(cluster) if cluster.group_maximum else {}),
        "domain": "localhost",
        "node_network": cluster.network,
        "state_dir": str(cluster.folder),
    }
    text = "# Written by `reviewapps local up`; changes are overwritten.\n"
    text += yaml.safe_dump(settings, sort_keys=False)
    if not cluster.settings_file.exists() or cluster.settings_file.read_text() != text:
        replace(cluster.settings_file, text)
