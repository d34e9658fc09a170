"""Makes real servers of the instances of the local RDS: asked for ones start, deleted ones go.

It compares the files that the API writes (aws_servers.py) with Docker's containers and acts, again
and again; it keeps nothing itself, so it may be killed anywhere. Each server has an address of its
own on the cluster's bridge and the port that RDS was asked for. A snapshot is a copy of the data
while all processes of the server are frozen, as a disk's snapshot is: what a crash would leave.
"""

import shutil
import subprocess
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reviewapps.clients.docker import Docker
from reviewapps.errors import Failed, ReviewAppsError
from reviewapps.local import aws_servers, images
from reviewapps.local.aws_engines import ENGINES, SUPERUSER, Engine, first_password
from reviewapps.local.aws_servers import Server, Snapshot
from reviewapps.local.aws_watcher import follow, say
from reviewapps.local.cluster import Cluster
from reviewapps.local.commands import attempt, run

LABEL = "reviewapps.rds"  # the cluster; beside it, the instance's name
LOOK_SECONDS = 0.5
WORKERS = 2
READY_SECONDS = 90
HOSTS = range(210, 255)  # beyond the last node of the group


class Watcher:
    """Follows the instances of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.pool = ThreadPoolExecutor(max_workers=WORKERS)
        self.at_work: dict[str, Future[None]] = {}

    def step(self) -> None:
        """Look once, and begin what is needed where nothing is being done."""
        cluster = self.cluster
        found, remains = aws_servers.servers(cluster), aws_servers.remains(cluster)
        if not found and not remains:
            return
        try:
            running = containers(cluster)
        except ReviewAppsError as error:
            say(f"Docker does not answer: {error}")
            return
        copied = {each.of.id for each in wanted_snapshots(cluster)}
        for server in found:
            self.assign(server)
            if server.deleting or server.id in copied or not is_right(cluster, server, running):
                self.begin(server.id)
        for instance_id in remains:
            self.begin(instance_id)

    def begin(self, instance_id: str) -> None:
        """Let a worker put an instance right, unless one does."""
        working = self.at_work.get(instance_id)
        if not working or working.done():
            self.at_work[instance_id] = self.pool.submit(self.mend, instance_id)

    def assign(self, server: Server) -> None:
        """Give an instance an address, the first that is free."""
        if aws_servers.address(self.cluster, server.id):
            return
        known = aws_servers.servers(self.cluster)
        taken = {aws_servers.address(self.cluster, each.id) for each in known}
        taken |= {
            aws_servers.address(self.cluster, each) for each in aws_servers.remains(self.cluster)
        }
        every = [f"10.86.{self.cluster.number}.{host}" for host in HOSTS]
        free = [each for each in every if each not in taken]
        if free:
            aws_servers.note(self.cluster, server.id, "address", free[0])
        else:
            text = f"all {len(every)} addresses are in use"
            aws_servers.note(self.cluster, server.id, "trouble", text)

    def mend(self, instance_id: str) -> None:
        """Start, copy or remove one instance as it is wanted now; what fails is tried again."""
        began, cluster = time.monotonic(), self.cluster
        server = aws_servers.find(cluster, instance_id)
        name = server.name if server else instance_id
        try:
            for snapshot in wanted_snapshots(cluster):
                if snapshot.of.id == instance_id:
                    take(cluster, snapshot)
                    say(f"{name}: snapshot {snapshot.name} taken")
            if server is None or server.deleting:
                remove(cluster, instance_id)
                say(f"{name} removed in {time.monotonic() - began:.1f} s")
                return
            start(cluster, server)
            aws_servers.note(cluster, instance_id, "trouble", "")
            say(f"{name} is as wanted after {time.monotonic() - began:.1f} s")
        except Exception as error:
            say(traceback.format_exc())
            text = error.message if isinstance(error, ReviewAppsError) else str(error)
            aws_servers.note(cluster, instance_id, "trouble", text)
            time.sleep(LOOK_SECONDS)


@dataclass(frozen=True)
class Known:
    """An instance, where it is, and what it lacks."""

    name: str
    place: str
    lacks: str


def known(cluster: Cluster) -> list[Known]:
    """Return all instances as they are now."""
    servers = aws_servers.servers(cluster)
    running = containers(cluster) if servers else set()
    found = []
    for each in servers:
        lacks = "" if is_right(cluster, each, running) else "creating"
        if each.deleting:
            lacks = "deleting"
        place = f"{aws_servers.address(cluster, each.id)}:{each.port}"
        found.append(Known(each.name, place, aws_servers.trouble(cluster, each.id) or lacks))
    return found


def containers(cluster: Cluster) -> set[str]:
    """Return the names of the containers that run and are not frozen."""
    form = ["--filter", f"label={LABEL}={cluster.name}", "--format", "{{.Names}} {{.Status}}"]
    rows = [row.split(" ", 1) for row in Docker().check("ps", *form).splitlines()]
    return {name for name, status in rows if "(Paused)" not in status}


def container(cluster: Cluster, instance_id: str) -> str:
    """Return the name of an instance's container."""
    return f"reviewapps-{cluster.name}-{instance_id}"


def wanted_snapshots(cluster: Cluster) -> list[Snapshot]:
    """Return the snapshots whose data are still to be copied."""
    every = aws_servers.snapshots(cluster)
    return [each for each in every if not aws_servers.is_complete(cluster, each.name)]


def is_right(cluster: Cluster, server: Server, running: set[str]) -> bool:
    """Say whether an instance runs and has the password that is wanted."""
    has = aws_servers.applied(cluster, server.id)
    return container(cluster, server.id) in running and has == server.password


def start(cluster: Cluster, server: Server) -> None:
    """Start an instance's server, with the data of its snapshot, and set its master user."""
    docker, engine = Docker(), ENGINES[server.engine]
    address = aws_servers.address(cluster, server.id)
    if not address:
        raise Failed(aws_servers.trouble(cluster, server.id) or "it has no address yet")
    images.ensure(docker, engine.image, say)
    run("ip", "address", "replace", f"{address}/32", "dev", cluster.bridge)
    name, data = container(cluster, server.id), bring_data(cluster, server)
    state = docker.run("inspect", "--format", "{{.State.Status}}", name).stdout.strip()
    if state == "paused":  # by a copy that was killed
        docker.check("unpause", name)
    elif state not in ("running", "exited", "created"):
        docker.run("rm", "--force", name)
        create(cluster, server, data)
    if state != "running":
        docker.run("start", name)
    wait(engine, name)
    sql(engine, name, engine.set_master(server.user, server.password))
    aws_servers.note_applied(cluster, server)


def create(cluster: Cluster, server: Server, data: Path) -> None:
    """Make the container."""
    engine = ENGINES[server.engine]
    password = first_password(data.parent)
    address = aws_servers.address(cluster, server.id)
    Docker().check(
        "create",
        f"--name={container(cluster, server.id)}",
        f"--label={LABEL}={cluster.name}",
        f"--label={LABEL}.instance={server.name}",
        f"--publish={address}:{server.port}:{engine.port}",
        f"--volume={data}:{engine.data}",
        f"--volume={password}:/run/password:ro",
        f"--env={engine.password_variable}=/run/password",
        f"--env=POSTGRES_SUPERUSER={SUPERUSER}",
        "--shm-size=128m",
        "--log-opt=max-size=20m",
        engine.tag,
    )


def bring_data(cluster: Cluster, server: Server) -> Path:
    """Return the folder with the server's data: its own, or those of its snapshot, or empty."""
    folder = aws_servers.instance_folder(cluster, server.id)
    data = folder / "data"
    if not data.exists() and server.snapshot:
        copy(aws_servers.snapshot_folder(cluster, server.snapshot) / "data", data)
    data.mkdir(exist_ok=True)
    return data


def take(cluster: Cluster, snapshot: Snapshot) -> None:
    """Copy a server's data while it is frozen; one that is stopped is copied as it lies."""
    docker, name = Docker(), container(cluster, snapshot.of.id)
    folder = aws_servers.snapshot_folder(cluster, snapshot.name)
    source = aws_servers.instance_folder(cluster, snapshot.of.id) / "data"
    docker.run("unpause", name)  # by an earlier copy that was killed
    frozen = docker.run("pause", name).returncode == 0
    try:
        copy(source, folder / "data")
    finally:
        if frozen:
            docker.check("unpause", name)


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its owners, whole or not at all."""
    scratch = target.with_name(f".{target.name}")
    if scratch.exists():
        shutil.rmtree(scratch)
    run("cp", "--archive", "--reflink=auto", str(source), str(scratch))
    scratch.rename(target)


def remove(cluster: Cluster, instance_id: str) -> None:
    """Remove an instance's container, its address and its data; the folder goes last."""
    Docker().run("rm", "--force", "--volumes", container(cluster, instance_id))
    if address := aws_servers.address(cluster, instance_id):
        attempt("ip", "address", "delete", f"{address}/32", "dev", cluster.bridge)
    folder = aws_servers.instance_folder(cluster, instance_id)
    for each in (folder / "data", folder):
        if each.exists():
            shutil.rmtree(each)


def wait(engine: Engine, name: str) -> None:
    """Wait until the server answers; say why when it ends or takes too long."""
    docker, deadline = Docker(), time.monotonic() + READY_SECONDS
    while ask(engine, name, "SELECT 1").returncode:
        told = docker.run("inspect", "--format", "{{.State.Status}}", name)
        if told.stdout.strip() != "running" or time.monotonic() > deadline:
            logs = docker.run("logs", "--tail", "15", name)
            say(logs.stdout + logs.stderr)
            last = (logs.stdout + logs.stderr).strip().splitlines()[-1:] or ["no word"]
            raise Failed(f"its server did not start: {last[0]}")
        time.sleep(0.1)


def sql(engine: Engine, name: str, statements: str) -> None:
    """Run statements as the server's owner."""
    done = ask(engine, name, statements)
    if done.returncode:
        raise Failed(f"its master user can not be set: {done.stderr.strip()}")


def ask(engine: Engine, name: str, statements: str) -> subprocess.CompletedProcess[str]:
    """Give statements to the server's own client, by its standard input: they hold passwords."""
    command = ["docker", "exec", "--interactive", f"--user={engine.owner}", name, *engine.client]
    return subprocess.run(command, input=statements, capture_output=True, text=True, check=False)


def remove_all(cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Remove every container of the cluster's instances; the files go with the cluster's folder."""
    docker = Docker()
    form = f'{{{{.ID}}}} {{{{.Label "{LABEL}.instance"}}}}'
    found = docker.check(
        "ps", "--all", "--filter", f"label={LABEL}={cluster.name}", "--format", form
    )
    for container_id, name in (row.split(" ", 1) for row in found.splitlines()):
        docker.run("rm", "--force", "--volumes", container_id)
        tell(f"RDS instance {name} removed")


if __name__ == "__main__":
    follow(Watcher, LOOK_SECONDS)
