"""One local cluster as pure values: name, number, and every address and path that follow."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reviewapps.errors import UserError

HOME = Path("~/.reviewapps")
DEFAULT = "local"
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}\Z")
LAST_NUMBER = 250
FIRST_EXTRA_HOST = 9  # node 2 has 10.86.N.11
FIRST_GROUP_NODE = 50  # from here on nodes are instances of the local AWS group


@dataclass(frozen=True)
class Cluster:
    """A cluster on this machine: number N has bridge rvN, 10.86.N.0/24 and 127.0.0.(N+1).

    `group_maximum` is how many nodes the local AWS may launch beside the `nodes`; 0: there is none.
    """

    name: str = DEFAULT
    number: int = 0
    nodes: int = 1
    node_memory_mb: int = 4096
    group_maximum: int = 0

    @property
    def folder(self) -> Path:
        """Everything that this cluster keeps on disk."""
        return HOME.expanduser() / self.name

    @property
    def bridge(self) -> str:
        """The bridge that is the cluster's network."""
        return f"rv{self.number}"

    @property
    def network(self) -> str:
        """The network of the nodes; no route points outside it."""
        return f"10.86.{self.number}.0/24"

    @property
    def address(self) -> str:
        """The address of the servers and of node 1."""
        return f"10.86.{self.number}.1"

    @property
    def loopback(self) -> str:
        """The loopback address where people find Consul, Nomad and the router."""
        return f"127.0.0.{self.number + 1}"

    @property
    def server_folder(self) -> Path:
        """What the servers of Consul and Nomad keep on disk."""
        return self.folder / "server"

    @property
    def settings_file(self) -> Path:
        """What REVIEWAPPS_SETTINGS should name for this cluster."""
        return self.folder / "settings.yml"

    def node(self, k: int) -> "Node":
        """Return node `k`, counted from 1."""
        return Node(self, k)

    def save(self) -> None:
        """Keep the cluster's values for `status` and `down`."""
        replace(self.folder / "cluster.json", json.dumps(asdict(self), indent=2) + "\n")


@dataclass(frozen=True)
class Node:
    """A node: 1 is the machine itself, every other one a network namespace with its own Docker."""

    cluster: Cluster
    k: int

    @property
    def name(self) -> str:
        """The name in Nomad and Consul."""
        return f"{self.cluster.name}-{self.k}"

    @property
    def address(self) -> str:
        """The address where its tasks' ports are published."""
        if self.k == 1:
            return self.cluster.address
        return f"10.86.{self.cluster.number}.{FIRST_EXTRA_HOST + self.k}"

    @property
    def folder(self) -> Path:
        """What the node keeps on disk."""
        return self.cluster.folder / "nodes" / str(self.k)

    @property
    def namespace(self) -> str:
        """The network namespace, "" for the machine's own."""
        return "" if self.k == 1 else f"{self.cluster.bridge}-{self.k}"

    @property
    def instance(self) -> str:
        """The instance of the local AWS group that this node is, "" for none."""
        try:
            return (self.folder / "instance").read_text()
        except FileNotFoundError:
            return ""

    @property
    def runtime(self) -> Path:
        """Short-lived files of its dockerd; sockets need a short path."""
        return Path("/run/reviewapps") / self.name

    @property
    def docker_host(self) -> str:
        """Where its Docker listens, "" for the machine's own."""
        return "" if self.k == 1 else f"unix://{self.runtime}/docker.sock"


def load(name: str) -> Cluster | None:
    """Return the cluster as it was started, or None when there is none of that name."""
    check_name(name)
    file = HOME.expanduser() / name / "cluster.json"
    try:
        return Cluster(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} is damaged: {error}", hint=f"remove {file.parent}") from error


def known() -> list[Cluster]:
    """Return every cluster that has a folder here."""
    files = sorted(HOME.expanduser().glob("*/cluster.json"))
    return [found for file in files if (found := load(file.parent.name))]


def choose_number(name: str, wanted: int | None, others: list[Cluster]) -> int:
    """Return the number for a new cluster: the wanted one, 0 for `local`, else the first free."""
    taken = {other.number: other.name for other in others if other.name != name}
    if wanted is None:
        free = (n for n in range(0 if name == DEFAULT else 1, LAST_NUMBER) if n not in taken)
        return next(free)
    if wanted in taken:
        raise UserError(
            f"number {wanted} belongs to the cluster {taken[wanted]}",
            hint="leave out --number to get a free one",
        )
    return wanted


def check_name(name: str) -> None:
    """Refuse a name that can't be part of paths and host names."""
    if not NAME.match(name):
        raise UserError(
            f"{name!r} can't be a cluster's name", hint="use up to 20 of a-z, 0-9 and hyphens"
        )


def replace(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all."""
    scratch = file.with_name(f".{file.name}.new")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=mode)
    scratch.write_text(text)
    scratch.replace(file)


def as_json(value: Any) -> str:
    """Return a value as HCL and YAML both read it."""
    return json.dumps(value)
