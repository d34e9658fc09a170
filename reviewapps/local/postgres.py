"""The shared PostgreSQL server in a container, where a team's cloud has RDS."""

import secrets
import time
from pathlib import Path

from reviewapps.clients.docker import Docker
from reviewapps.errors import Failed
from reviewapps.local import images, ports
from reviewapps.local.cluster import Cluster, replace

PORT = 5432
USER = "reviewapps"
READY_SECONDS = 90


def container(cluster: Cluster) -> str:
    """Return the container's name."""
    return f"reviewapps-{cluster.name}-postgres"


def state(cluster: Cluster) -> str:
    """Say what is missing, "" when nothing is."""
    told = Docker().run("inspect", "--format", "{{.State.Status}}", container(cluster))
    if told.returncode:
        return "there is no container"
    if told.stdout.strip() != "running":
        return f"its container is {told.stdout.strip()}"
    return "" if answers(cluster) else "it runs but does not answer"


def start(cluster: Cluster) -> None:
    """Start the container, with its data in the cluster's folder, and wait until it answers."""
    docker = Docker()
    if not password_file(cluster).exists():
        replace(password_file(cluster), secrets.token_urlsafe(24), mode=0o600)
    told = docker.run("inspect", "--format", "{{.State.Status}}", container(cluster))
    if told.stdout.strip() not in ("running", "exited"):
        docker.run("rm", "--force", container(cluster))
        ports.require_free(cluster.address, [PORT], "PostgreSQL")
        create(cluster, docker)
    elif told.stdout.strip() == "exited":
        ports.require_free(cluster.address, [PORT], "PostgreSQL")
    docker.check("start", container(cluster))
    wait(cluster, docker)


def create(cluster: Cluster, docker: Docker) -> None:
    """Make the container."""
    data = cluster.folder / "postgres"
    data.mkdir(exist_ok=True)
    docker.check(
        "create",
        f"--name={container(cluster)}",
        f"--label=reviewapps.cluster={cluster.name}",
        f"--publish={cluster.address}:{PORT}:{PORT}",
        f"--volume={data}:/var/lib/postgresql",
        f"--volume={password_file(cluster)}:/run/password:ro",
        "--env=POSTGRES_PASSWORD_FILE=/run/password",
        "--shm-size=256m",
        "--log-opt=max-size=20m",
        images.RECIPES["postgres"].tag,
    )


def wait(cluster: Cluster, docker: Docker) -> None:
    """Wait until the server answers; say why when it ends or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not answers(cluster):
        told = docker.run("inspect", "--format", "{{.State.Status}}", container(cluster))
        if told.stdout.strip() != "running" or time.monotonic() > deadline:
            logs = docker.run("logs", "--tail", "15", container(cluster))
            raise Failed(
                "PostgreSQL did not start",
                details=logs.stdout + logs.stderr,
                hint=f"docker logs {container(cluster)}",
            )
        time.sleep(0.1)


def stop(cluster: Cluster) -> None:
    """Stop and remove the container; the data stays in the cluster's folder."""
    docker = Docker()
    if docker.run("inspect", container(cluster)).returncode == 0:
        docker.run("stop", "--time", "10", container(cluster))
        docker.check("rm", "--force", "--volumes", container(cluster))


def answers(cluster: Cluster) -> bool:
    """Say whether the server takes connections."""
    command = ["pg_isready", "--quiet", "--host=127.0.0.1", f"--port={PORT}"]
    return Docker().run("exec", container(cluster), *command).returncode == 0


def password_file(cluster: Cluster) -> Path:
    """Return the file with the administrator's password."""
    return cluster.folder / "postgres-password"
