"""The cluster's network: a bridge with the servers' address, open to its nodes and shielded."""

from reviewapps.local import shield
from reviewapps.local.cluster import Cluster
from reviewapps.local.commands import attempt, run

ANSWERS = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]


def state(cluster: Cluster) -> str:
    """Say what is missing, "" when nothing is."""
    shown = attempt("ip", "-brief", "address", "show", "dev", cluster.bridge, "up")
    if shown.returncode or not shown.stdout:
        return f"there is no bridge {cluster.bridge}"
    if f"{cluster.address}/24" not in shown.stdout:
        return f"{cluster.bridge} has no address"
    if not shield.is_up(cluster):
        return "no rules shield the agents"
    if any(attempt(*iptables("-C", rule)).returncode for rule in rules(cluster)):
        return "no rules let the nodes through"
    return ""


def start(cluster: Cluster) -> None:
    """Make the bridge and the rules."""
    if attempt("ip", "link", "show", cluster.bridge).returncode:
        run("ip", "link", "add", cluster.bridge, "type", "bridge")
    run("ip", "address", "replace", f"{cluster.address}/24", "dev", cluster.bridge)
    run("ip", "link", "set", cluster.bridge, "up")
    shield.put_up(cluster, cluster.bridge)
    for rule in rules(cluster):
        if attempt(*iptables("-C", rule)).returncode:
            run(*iptables("-I", rule))


def stop(cluster: Cluster) -> None:
    """Remove the rules and the bridge."""
    shield.take_down(cluster)
    for rule in rules(cluster):
        while attempt(*iptables("-D", rule)).returncode == 0:
            pass
    attempt("ip", "link", "delete", cluster.bridge)


def rules(cluster: Cluster) -> list[list[str]]:
    """Return the rules that let nodes reach each other and the world, where Docker drops.

    Each is a table, a chain and what stands in it.
    """
    bridge = cluster.bridge
    world = ["-s", cluster.network, "!", "-o", bridge]
    return [
        ["filter", "FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-i", bridge, "!", "-o", "docker0", "-j", "ACCEPT"],
        ["filter", "FORWARD", "-o", bridge, *ANSWERS, "-j", "ACCEPT"],
        ["nat", "POSTROUTING", *world, "-j", "MASQUERADE"],
    ]


def iptables(action: str, rule: list[str]) -> list[str]:
    """Return the command that does something with one of the rules."""
    return ["iptables", "-w", "-t", rule[0], action, *rule[1:]]
