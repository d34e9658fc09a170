"""Removes what a cluster's agents leave behind: containers, mounts and files."""

import os
import shutil
from pathlib import Path

from reviewapps.clients.docker import Docker
from reviewapps.local.cluster import Cluster
from reviewapps.local.commands import run

LAST = "cluster.json"
NODE_LABEL = "com.hashicorp.nomad.node_name"


def remove_containers(cluster: Cluster) -> None:
    """Remove the containers of this cluster's tasks from the machine's Docker."""
    docker = Docker()
    label = f"{NODE_LABEL}={cluster.node(1).name}"
    found = docker.check("ps", "--all", "--quiet", "--filter", f"label={label}").split()
    if found:
        docker.check("rm", "--force", "--volumes", *found)


def remove_all_containers(docker: Docker) -> None:
    """Remove every container of a node's own Docker."""
    found = docker.run("ps", "--all", "--quiet").stdout.split()
    if found:
        docker.run("rm", "--force", "--volumes", *found)


def remove_folder(folder: Path) -> None:
    """Unmount what is mounted below the folder, such as tasks' secrets, and remove it."""
    for mount in mounts_below(folder):
        run("umount", "--lazy", mount)
    # What names the cluster goes last, so that a `down` that is killed here can be run again.
    for inner in [each for each in list_folder(folder) if each.name != LAST]:
        shutil.rmtree(inner) if inner.is_dir() and not inner.is_symlink() else inner.unlink()
    if folder.exists():
        shutil.rmtree(folder)


def list_folder(folder: Path) -> list[Path]:
    """Return what is in the folder, nothing when it is gone."""
    return sorted(folder.iterdir()) if folder.exists() else []


def mounts_below(folder: Path) -> list[str]:
    """Return the mount points below the folder, the deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    inner = [point for point in points if point.startswith(f"{folder}{os.sep}")]
    return sorted(inner, key=len, reverse=True)
