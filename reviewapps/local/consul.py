"""The Consul agents: the server, which is node 1's agent too, and one for every other node."""

from pathlib import Path

from reviewapps.local import agents, binaries, ports
from reviewapps.local.agents.http import ask
from reviewapps.local.cluster import Cluster, Node, replace
from reviewapps.local.processes import Process

PORTS = (8300, 8301, 8302, 8500)
READY_SECONDS = 60


def state(cluster: Cluster) -> str:
    """Say what is missing, "" when nothing is."""
    return node_state(cluster.node(1))


def start(cluster: Cluster) -> None:
    """Start the server and wait until it leads."""
    start_on(cluster.node(1))


def stop(cluster: Cluster) -> None:
    """Stop the server."""
    process(cluster.node(1)).stop()


def process(node: Node) -> Process:
    """Return the agent's process."""
    return Process("consul", folder(node), node.namespace)


def folder(node: Node) -> Path:
    """Return where the agent keeps its files."""
    return node.cluster.server_folder if node.k == 1 else node.folder


def node_state(node: Node) -> str:
    """Say what the agent of a node lacks, "" when nothing."""
    if not process(node).pid():
        return "it does not run"
    return "" if answers(node) else "it runs but does not answer"


def start_on(node: Node) -> None:
    """Start the agent of a node and wait until it answers."""
    agent = process(node)
    if not agent.pid():
        if not node.namespace:
            ports.require_free(node.address, PORTS, "Consul")
            ports.require_free(node.cluster.loopback, [8500], "Consul")
        file = agent.folder / "consul.hcl"
        replace(file, config(node))
        agent.start([str(binaries.ensure("consul")), "agent", f"-config-file={file}"])
    agent.wait(lambda: answers(node), READY_SECONDS)


def config(node: Node) -> str:
    """Return the agent's configuration."""
    people = node.cluster.loopback if node.k == 1 else "127.0.0.1"
    return agents.render(
        "consul",
        name=node.name,
        data=str(folder(node) / "consul"),
        is_server=node.k == 1,
        server=node.cluster.address,
        address=node.address,
        http=f"{people} {node.address}",
    )


def answers(node: Node) -> bool:
    """Say whether the agent answers and knows a leader."""
    return bool(ask(f"http://{node.address}:8500/v1/status/leader"))
