"""Closes a cluster's control ports to containers: Nomad and Consul obey whoever reaches them.

What comes neither from this machine itself nor over the cluster's own network, and that is what
containers send, reaches the ports of apps, databases and the router on the nodes, and nothing
else. The rules stand in `mangle`, before Docker's own, so that a restart of Docker changes nothing.
"""

from collections.abc import Sequence

from reviewapps.local.cluster import Cluster
from reviewapps.local.commands import attempt, run

OPEN_PORTS = "3306,5432,8080,20000:32000"


def is_up(cluster: Cluster, within: Sequence[str] = ()) -> bool:
    """Say whether the rules are in place; the jump to them is made last."""
    return attempt(*within, *command("-C", *jump(cluster))).returncode == 0


def put_up(cluster: Cluster, cable: str, within: Sequence[str] = ()) -> None:
    """Put the rules in place; `cable` is the interface to the cluster's network."""
    take_down(cluster, within)
    run(*within, *command("-N", chain(cluster)))
    for rule in rules(cable):
        run(*within, *command("-A", chain(cluster), *rule.split()))
    run(*within, *command("-I", *jump(cluster)))


def take_down(cluster: Cluster, within: Sequence[str] = ()) -> None:
    """Remove the rules and only them; succeeds when they are gone."""
    while attempt(*within, *command("-D", *jump(cluster))).returncode == 0:
        pass
    attempt(*within, *command("-F", chain(cluster)))
    attempt(*within, *command("-X", chain(cluster)))


def rules(cable: str) -> list[str]:
    """Return what may reach the nodes' addresses, and the end of everything else."""
    return [
        "-i lo -j RETURN",
        f"-i {cable} -j RETURN",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        f"-p tcp -m multiport --dports {OPEN_PORTS} -j RETURN",
        "-p icmp -j RETURN",
        "-j DROP",
    ]


def jump(cluster: Cluster) -> list[str]:
    """Return the rule that leads packets for the nodes through ours."""
    return ["PREROUTING", "-d", cluster.network, "-j", chain(cluster)]


def chain(cluster: Cluster) -> str:
    """Return the name of our chain."""
    return f"REVIEWAPPS-{cluster.number}"


def command(*arguments: str) -> list[str]:
    """Return an iptables command for our table."""
    return ["iptables", "-w", "-t", "mangle", *arguments]
