"""The nodes: 1 is the machine itself; the others are network namespaces, each with its own Docker.

`start` and `stop` work on a running cluster, so that whatever launches instances can call them.
Nothing here uses `ip netns exec`: it remounts /sys and hides the cgroups that Docker needs.
"""

from reviewapps.clients.docker import Docker
from reviewapps.local import consul, images, leftovers, nomad, shield
from reviewapps.local.cluster import Cluster, Node
from reviewapps.local.commands import attempt, run
from reviewapps.local.processes import Process, end_marked

READY_SECONDS = 60


def start(cluster: Cluster, k: int) -> Node:
    """Start node `k` and wait until Nomad calls it ready; a started node stays as it is."""
    node = cluster.node(k)
    if node.namespace:
        connect(node)
        start_docker(node)
        shield.put_up(cluster, "eth0", within(node))
        consul.start_on(node)
        copy_images(node)
    nomad.start_client(node)
    return node


def stop(cluster: Cluster, k: int) -> None:
    """Stop node `k` and remove all of it: containers, agents, namespace and files."""
    node = cluster.node(k)
    nomad.client(node).stop()
    end_marked(node.folder / "nomad")  # now nothing starts a removed container again
    if node.namespace:
        stop_namespace(node)
    else:
        leftovers.remove_containers(cluster)
    leftovers.remove_folder(node.folder)


def first_state(cluster: Cluster) -> str:
    """Say what node 1 lacks, "" when nothing."""
    return state(cluster.node(1))


def start_first(cluster: Cluster) -> None:
    """Start node 1."""
    start(cluster, 1)


def stop_first(cluster: Cluster) -> None:
    """Stop node 1."""
    stop(cluster, 1)


def stop_namespace(node: Node) -> None:
    """Stop what a further node has of its own."""
    consul.process(node).stop()
    if docker(node).pid():
        leftovers.remove_all_containers(Docker(node.docker_host))
    docker(node).stop(seconds=30)
    end_marked(node.folder)
    attempt("ip", "netns", "delete", node.namespace)
    attempt("ip", "link", "delete", node.namespace)
    leftovers.remove_folder(node.runtime)


def cut_off(cluster: Cluster, k: int) -> None:
    """Let node `k` vanish from the network without notice, as a machine that dies does."""
    run("ip", "link", "set", cluster.node(k).namespace, "down")


def started(cluster: Cluster) -> list[Node]:
    """Return the nodes beyond the first that have files here, running or not."""
    folders = (cluster.folder / "nodes").glob("*")
    found = sorted(int(folder.name) for folder in folders if folder.name.isdigit())
    return [cluster.node(k) for k in found if k > 1]


def state(node: Node) -> str:
    """Say what the node lacks, "" when nothing."""
    if node.namespace and not docker(node).pid():
        return "its Docker does not run"
    if node.namespace and (lacks := consul.node_state(node)):
        return f"Consul: {lacks}"
    return f"Nomad: {lacks}" if (lacks := nomad.client_state(node)) else ""


def connect(node: Node) -> None:
    """Make the namespace and the cable from it to the cluster's bridge."""
    inside = within(node)
    if attempt(*inside, "true").returncode:
        attempt("ip", "netns", "delete", node.namespace)  # half made, by a run that was killed
        run("ip", "netns", "add", node.namespace)
    if attempt(*inside, "ip", "link", "show", "eth0").returncode:
        attempt("ip", "link", "delete", node.namespace)
        ends = ["type", "veth", "peer", "name", "eth0", "netns", node.namespace]
        run("ip", "link", "add", node.namespace, *ends)
    run("ip", "link", "set", node.namespace, "master", node.cluster.bridge, "up")
    run(*inside, "ip", "link", "set", "lo", "up")
    run(*inside, "ip", "address", "replace", f"{node.address}/24", "dev", "eth0")
    run(*inside, "ip", "link", "set", "eth0", "up")
    run(*inside, "ip", "route", "replace", "default", "via", node.cluster.address)


def start_docker(node: Node) -> None:
    """Start the node's own Docker daemon and wait until it answers."""
    daemon = docker(node)
    if not daemon.pid():
        node.runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        (node.runtime / "docker.pid").unlink(missing_ok=True)
        daemon.start(
            [
                "dockerd",
                f"--host={node.docker_host}",
                f"--data-root={node.folder / 'docker-data'}",
                f"--exec-root={node.runtime / 'exec'}",
                f"--pidfile={node.runtime / 'docker.pid'}",
                "--icc=false",
                "--log-level=warn",
            ]
        )
    daemon.wait(lambda: Docker(node.docker_host).run("info").returncode == 0, READY_SECONDS)


def copy_images(node: Node) -> None:
    """Give the node's Docker the platform's images, which no registry has."""
    own = Docker(node.docker_host)
    for name in ("redis", "router"):
        tag = images.RECIPES[name].tag
        if own.image(tag) != Docker().image(tag):
            Docker().copy(tag, own)


def docker(node: Node) -> Process:
    """Return the node's Docker daemon."""
    return Process("docker", node.folder, node.namespace)


def within(node: Node) -> list[str]:
    """Return the words that run a command in the node's network."""
    return ["nsenter", f"--net=/run/netns/{node.namespace}"]
