"""`reviewapps local`: killed it goes on, run twice it changes nothing, `down` leaves nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps.clients.docker import Docker
from reviewapps.local import consul, leftovers, nodes, nomad, shield
from reviewapps.local.agents.http import ask
from reviewapps.local.cluster import Cluster, load
from reviewapps.local.down import down
from reviewapps.local.status import status
from reviewapps.local.up import up

pytestmark = pytest.mark.real
NAME = "trial"
NUMBER = 8
COMMAND = [sys.executable, "-c", "from reviewapps.cli import main; main()", "local"]
JOB = """
job "pair" {
  group "pair" {
    count = 2
    constraint {
      distinct_hosts = true
    }
    network {
      port "redis" {
        to = 6379
      }
    }
    service {
      name     = "pair"
      port     = "redis"
      provider = "nomad"
    }
    task "redis" {
      driver = "docker"
      config {
        image   = "reviewapps/redis:7"
        ports   = ["redis"]
        command = "redis-server"
        args    = ["--bind", "0.0.0.0", "--protected-mode", "no", "--requirepass", "x"]
      }
      template {
        data        = "secret=1"
        destination = "secrets/env"
        env         = true
      }
      resources {
        memory = 64
      }
    }
  }
}
"""


def say(line: str) -> None:
    print(line)


@pytest.fixture(scope="module")
def trial() -> Iterator[Cluster]:
    """A cluster of this module's own, which its tests may hurt."""
    left = load(NAME)
    if left:
        down(say, left)
    cluster = up(say, NAME, NUMBER)
    yield cluster
    down(say, cluster)


def pids(cluster: Cluster) -> dict[str, int]:
    first = cluster.node(1)
    return {
        "consul": consul.process(first).pid(),
        "nomad": nomad.server(cluster).pid(),
        "node 1": nomad.client(first).pid(),
    }


def running(cluster: Cluster) -> dict[str, str]:
    """Return what each part lacks; all "" when everything runs."""
    return {line.part: line.lacks for line in status(cluster)}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_second_up_changes_nothing(trial: Cluster) -> None:
    before = pids(trial)
    assert all(before.values())
    said: list[str] = []
    up(said.append, NAME)
    assert said == []
    assert pids(trial) == before
    assert set(running(trial).values()) == {""}


def test_status_tells_each_part_to_people_and_programs(trial: Cluster) -> None:
    told = run("status", "--name", NAME)
    assert [line.split()[0] for line in told.stdout.splitlines()] == [
        *("network", "consul", "nomad", "node", "postgresql", "router")
    ]
    report = json.loads(run("status", "--name", NAME, "--json").stdout)
    assert report["running"] is True
    assert report["settings"] == str(trial.settings_file)
    assert {part["part"]: part["place"] for part in report["parts"]} == {
        "network": "10.86.8.0/24",
        "consul": "http://127.0.0.9:8500",
        "nomad": "http://127.0.0.9:4646",
        "node 1": "10.86.8.1",
        "postgresql": "10.86.8.1:5432",
        "router": "http://127.0.0.9:8080",
    }


def test_agents_listen_on_the_clusters_addresses_only(trial: Cluster) -> None:
    own = {str(pid) for pid in pids(trial).values()}
    told = subprocess.run(["ss", "-Hltnup"], capture_output=True, text=True, check=True).stdout
    rows = [line for line in told.splitlines() if any(f"pid={pid}," in line for pid in own)]
    assert rows
    assert {row.split()[4].rpartition(":")[0] for row in rows} == {"127.0.0.9", "10.86.8.1"}


def test_containers_reach_no_control_port(trial: Cluster) -> None:
    """From a container: PostgreSQL answers, and Nomad, Consul and the router's metrics do not."""
    ports = [4646, 4647, 4648, 4656, 8300, 8301, 8302, 8500, 8501, 8502, 8503, 8600, 9145, 5432]
    for port in (4646, 8500, 5432):  # they answer this machine, so a closed port is closed by us
        socket.create_connection((trial.address, port), timeout=5).close()
    places = [f"{address}:{port}" for address in (trial.address, "172.17.0.1") for port in ports]
    assert opened(Docker(), places) == [f"{trial.address}:5432"]


def opened(docker: Docker, places: list[str]) -> list[str]:
    """Return which address:port answer a container of this Docker."""
    script = (
        'for to; do (timeout 2 bash -c "</dev/tcp/${to/:/\\/}" 2>/dev/null && echo $to) & done;'
        " wait"
    )
    start = ["run", "--rm", "--entrypoint=bash", "reviewapps/redis:7", "-c", script, "bash"]
    return sorted(docker.check(*start, *places).split())


def test_the_administrators_password_is_for_root_only(trial: Cluster) -> None:
    file = trial.folder / "postgres-password"
    assert file.stat().st_mode & 0o777 == 0o600
    assert trial.folder.stat().st_mode & 0o777 == 0o700
    secret = file.read_text()
    assert secret not in Docker().check("inspect", "reviewapps-trial-postgres")


@pytest.mark.parametrize("part", ["consul", "nomad", "node 1"])
def test_up_starts_again_what_was_killed_and_only_that(trial: Cluster, part: str) -> None:
    before = pids(trial)
    os.kill(before[part], signal.SIGKILL)
    wait_until_gone(before[part])
    assert running(trial)[part] == (
        "Nomad: it does not run" if part == "node 1" else "it does not run"
    )
    up(say, NAME)
    after = pids(trial)
    assert {name for name in after if after[name] != before[name]} == {part}
    assert set(running(trial).values()) == {""}


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_after_a_reboot_up_brings_the_cluster_back_with_its_data(trial: Cluster) -> None:
    """A reboot takes processes, bridge, rules and mounts; pid files and data stay."""
    key = f"http://{trial.loopback}:8500/v1/kv/kept"
    subprocess.run(["curl", "-sf", "-X", "PUT", "-d", "yes", key], check=True)
    for pid in pids(trial).values():
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)
    Docker().check("kill", "reviewapps-trial-postgres")
    leftovers.remove_containers(trial)
    shield.take_down(trial)
    subprocess.run(["ip", "link", "delete", trial.bridge], check=True)
    assert all(running(trial).values())
    up(say, NAME)
    assert set(running(trial).values()) == {""}
    assert subprocess.run(
        ["curl", "-sf", f"{key}?raw"], capture_output=True, check=True
    ).stdout == (b"yes")


def test_a_foreign_process_on_a_port_is_named(trial: Cluster) -> None:
    consul.process(trial.node(1)).stop()
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind((trial.loopback, 8500))
        foreign.listen()
        told = run("up", "--name", NAME)
    assert told.returncode == 2
    assert f"Consul needs port 8500 on 127.0.0.9, which {comm()} (pid {os.getpid()}) has" in (
        told.stderr
    )
    up(say, NAME)
    assert set(running(trial).values()) == {""}


def test_a_foreign_web_server_on_the_routers_port_is_named_and_not_taken_for_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.10", "8080"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as foreign:
        try:
            told = run("up", "--name", "killed", "--number", "9")
        finally:
            foreign.kill()
    assert "the router needs port 8080 on 127.0.0.10, which python" in told.stderr
    assert f"(pid {foreign.pid})" in told.stderr
    cluster = up(say, "killed", 9)
    assert set(running(cluster).values()) == {""}
    down(say, cluster)


def comm() -> str:
    return Path("/proc/self/comm").read_text().strip()


def test_a_second_node_joins_takes_work_and_dies_without_notice(trial: Cluster) -> None:
    nodes.start(trial, 2)
    node = trial.node(2)
    docker = Docker(node.docker_host)
    try:
        assert nodes.state(node) == ""
        pid = nomad.client(node).pid()
        nodes.start(trial, 2)
        assert nomad.client(node).pid() == pid

        environment = {**os.environ, "NOMAD_ADDR": f"http://{trial.loopback}:4646"}
        program = str(nomad.binaries.ensure("nomad"))
        subprocess.run(
            [program, "job", "run", "-"], input=JOB.encode(), env=environment, check=True
        )
        services = ask(f"http://{trial.loopback}:4646/v1/service/pair") or []
        places = sorted(f"{service['Address']}:{service['Port']}" for service in services)
        assert {place.partition(":")[0] for place in places} == {"10.86.8.1", "10.86.8.11"}
        for own in (Docker(), docker):
            reached = [*places, "10.86.8.1:4646", "10.86.8.1:8500", "10.86.8.1:4656"]
            reached += ["10.86.8.11:4646", "10.86.8.11:8500", "10.86.8.11:8301"]
            assert opened(own, reached) == places

        nodes.cut_off(trial, 2)
        deadline = time.monotonic() + 120
        while states(trial) != {"trial-1": "ready", "trial-2": "down"}:
            assert time.monotonic() < deadline, states(trial)
            time.sleep(0.5)
    finally:
        nodes.stop(trial, 2)
    assert leftover(trial, 2) == []
    nodes.stop(trial, 2)  # a second time is no error


def states(cluster: Cluster) -> dict[str, str]:
    return {row["Name"]: row["Status"] for row in nomad.nodes(cluster)}


def leftover(cluster: Cluster, k: int) -> list[str]:
    """Return every trace of a node on this machine."""
    node = cluster.node(k)
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mountinfo").read_text()
    commands = [
        entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and entry.joinpath("cmdline").exists()
    ]
    found = [f"link {node.namespace}"] if k > 1 and node.namespace in links else []
    found += [f"folder {place}" for place in (node.folder, node.runtime) if place.exists()]
    found += ["mounts"] if f"{node.folder}/" in mounts else []
    return found + [line for line in commands if f"{node.folder}/" in line]


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5, 5.0])
def test_up_killed_at_any_moment_goes_on_and_down_leaves_nothing(seconds: float) -> None:
    name, number = "killed", 9
    with subprocess.Popen(
        [*COMMAND, "up", "--name", name, "--number", str(number)], stdout=subprocess.DEVNULL
    ) as killed:
        time.sleep(seconds)
        killed.kill()
    cluster = up(say, name, number)
    assert set(running(cluster).values()) == {""}
    down(say, cluster)
    assert traces(cluster) == []


def test_down_killed_at_any_moment_goes_on() -> None:
    name, number = "killed", 9
    cluster = up(say, name, number)
    for seconds in (0.2, 0.6, 1.0, 1.6):
        with subprocess.Popen(
            [*COMMAND, "down", "--name", name, "--yes"], stdout=subprocess.DEVNULL
        ) as killed:
            time.sleep(seconds)
            killed.kill()
    told = run("down", "--name", name, "--yes")
    assert told.returncode == 0, told.stderr
    assert traces(cluster) == []


def test_down_removes_apps_and_leaves_strangers(trial: Cluster) -> None:
    """Another cluster and a container of somebody else go on as they were."""
    before = pids(trial)
    cluster = up(say, "killed", 9)
    environment = {**os.environ, "NOMAD_ADDR": f"http://{cluster.loopback}:4646"}
    program = str(nomad.binaries.ensure("nomad"))
    job = JOB.replace("count = 2", "count = 1").encode()
    subprocess.run([program, "job", "run", "-"], input=job, env=environment, check=True)
    stranger = ["--name=reviewapps-test-stranger", "--entrypoint=sleep", "reviewapps/redis:7"]
    Docker().check("run", "--detach", "--rm", *stranger, "600")
    try:
        told = run("down", "--name", "killed", "--yes")
        assert told.returncode == 0, told.stderr
        assert str(cluster.folder) in told.stdout.splitlines()[0]
        state = ["inspect", "--format={{.State.Running}}", "reviewapps-test-stranger"]
        assert Docker().check(*state) == "true\n"
    finally:
        Docker().run("rm", "--force", "reviewapps-test-stranger")
    assert traces(cluster) == []
    assert pids(trial) == before
    assert run("down", "--name", "killed", "--yes").stdout == (
        "There is no local cluster killed: nothing to stop.\n"
    )


def test_down_asks_first_and_says_what_it_destroys(trial: Cluster) -> None:
    told = subprocess.run(
        [*COMMAND, "down", "--name", NAME], input="n\n", capture_output=True, text=True, check=False
    )
    assert told.returncode != 0
    assert "PostgreSQL" in told.stdout
    assert str(trial.folder) in told.stdout
    assert all(pids(trial).values())


def traces(cluster: Cluster) -> list[str]:
    """Return every trace of a cluster on this machine."""
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    docker = Docker()
    label = f"label={leftovers.NODE_LABEL}={cluster.node(1).name}"
    containers = docker.check("ps", "--all", "--format={{.Names}}", f"--filter={label}").split()
    containers += docker.check(
        "ps", "--all", "--format={{.Names}}", f"--filter=label=reviewapps.cluster={cluster.name}"
    ).split()
    marks = (f"10.86.{cluster.number}.", f"REVIEWAPPS-{cluster.number}", f"rv{cluster.number} ")
    found = [line for line in rules.splitlines() if any(mark in f"{line} " for mark in marks)]
    found += [cluster.bridge] if Path("/sys/class/net", cluster.bridge).exists() else []
    found += [str(cluster.folder)] if cluster.folder.exists() else []
    return found + containers + leftover(cluster, 1)
