"""The Nomad server, and the Nomad client of each node.

They are separate processes, as in the cloud. A client that starts before the server has its keys
is refused and tries again only after half a minute, so the server's keys are waited for.
"""

from typing import Any

from reviewapps.local import agents, binaries, ports
from reviewapps.local.agents.http import ask
from reviewapps.local.cluster import Cluster, Node, replace
from reviewapps.local.processes import Process

PORTS = (4646, 4647, 4648)
FIRST_CLIENT_PORT = 4656  # node 1 shares its address with the server
READY_SECONDS = 60


def state(cluster: Cluster) -> str:
    """Say what the server lacks, "" when nothing."""
    if not server(cluster).pid():
        return "it does not run"
    return "" if has_keys(cluster) else "it runs but does not answer"


def start(cluster: Cluster) -> None:
    """Start the server and wait until it leads and has its keys."""
    agent = server(cluster)
    if not agent.pid():
        ports.require_free(cluster.address, PORTS, "Nomad")
        ports.require_free(cluster.loopback, [4646], "Nomad")
        file = agent.folder / "nomad-server.hcl"
        replace(file, server_config(cluster))
        agent.start([str(binaries.ensure("nomad")), "agent", f"-config={file}"])
    agent.wait(lambda: has_keys(cluster), READY_SECONDS)


def stop(cluster: Cluster) -> None:
    """Stop the server."""
    server(cluster).stop()


def server(cluster: Cluster) -> Process:
    """Return the server's process."""
    return Process("nomad-server", cluster.server_folder)


def server_config(cluster: Cluster) -> str:
    """Return the server's configuration."""
    return agents.render(
        "nomad-server",
        name=f"{cluster.name}-server",
        data=str(cluster.server_folder / "nomad"),
        address=cluster.address,
        http=f"{cluster.loopback} {cluster.address}",
    )


def has_keys(cluster: Cluster) -> bool:
    """Say whether the server leads and can sign what a client needs."""
    return bool(ask(f"http://{cluster.address}:4646/v1/operator/keyring/keys"))


def client(node: Node) -> Process:
    """Return the process of a node's client."""
    return Process("nomad", node.folder, node.namespace)


def client_state(node: Node) -> str:
    """Say what the client of a node lacks, "" when nothing."""
    if not client(node).pid():
        return "it does not run"
    return "" if is_ready(node) else "it runs but is not ready"


def start_client(node: Node) -> None:
    """Start the client of a node and wait until the server calls the node ready."""
    agent = client(node)
    if not agent.pid():
        if not node.namespace:
            ports.require_free(node.address, [client_port(node)], "Nomad")
        file = agent.folder / "nomad.hcl"
        replace(file, client_config(node))
        agent.start([str(binaries.ensure("nomad")), "agent", f"-config={file}"])
    agent.wait(lambda: is_ready(node), READY_SECONDS)


def client_config(node: Node) -> str:
    """Return the configuration of a node's client."""
    return agents.render(
        "nomad-client",
        name=node.name,
        data=str(node.folder / "nomad"),
        mounts=str(node.folder / "alloc_mounts"),
        address=node.address,
        port=client_port(node),
        server=node.cluster.address,
        interface=node.cluster.bridge if node.k == 1 else "eth0",
        memory_mb=node.cluster.node_memory_mb,
        docker_host=node.docker_host,
        instance=node.instance,
    )


def client_port(node: Node) -> int:
    """Return the port of the client's own HTTP API."""
    return FIRST_CLIENT_PORT if node.k == 1 else PORTS[0]


def is_ready(node: Node) -> bool:
    """Say whether the node is ready for jobs and has a healthy Docker driver."""
    return any(
        row["Name"] == node.name
        and row["Status"] == "ready"
        and row["Drivers"].get("docker", {}).get("Healthy")
        for row in nodes(node.cluster)
    )


def nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """Return Nomad's list of nodes, empty when the server does not answer."""
    return ask(f"http://{cluster.address}:4646/v1/nodes") or []
