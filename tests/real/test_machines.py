"""Fresh machines become a cluster by the scripts that Terraform gives them, with nobody's help.

Three servers and two nodes boot at the same moment: Debian with systemd, real Consul, Nomad and
Docker in each, against an AWS made of moto and a metadata service. All calls between machines are
TLS, all access rules are on.
"""

import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from reviewapps import settings as settings_of
from reviewapps.clients.docker import Docker
from reviewapps.clients.nomad import Nomad
from reviewapps.cloud import router
from reviewapps.local import images
from reviewapps.settings import Settings
from tests.real import machines
from tests.real.machine_apps import (
    HELLO,
    app,
    build_hello,
    hello,
    make_project,
    running,
    says_hello,
    visit,
)
from tests.real.machines import (
    GATEWAY,
    IMAGE,
    ONE,
    RANGE,
    SERVER,
    SERVERS,
    TWO,
    Cloud,
    server,
    start_server,
    until,
)
from tests.terraform.machine import docker
from tests.terraform.tunnel import tunnel

cloud = machines.cloud
pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_the_nodes_join_and_answer_the_group(cloud: Cloud) -> None:
    token = cloud.secret("deploy")["nomad_token"]
    ready = [(ONE, "ready"), (TWO, "ready")]

    def seen() -> list[tuple[str, str]]:
        nodes = server(cloud).nomad("/nodes", token)
        return sorted((node["Address"], node["Status"]) for node in nodes)

    until(lambda: seen() == ready, 30)
    keys = cloud.secret("servers")
    members = server(cloud).consul("/catalog/nodes", keys["consul_management"])
    assert {member["Address"] for member in members} == {*SERVERS, ONE, TWO}
    until(lambda: peers(cloud) == (set(SERVERS), set(SERVERS)))
    ids = [cloud.metadata.said[address]["instance-id"] for address in (ONE, TWO)]
    assert sorted(cloud.hooks) == sorted((each, "reviewapps-joined: CONTINUE") for each in ids)


def test_a_second_run_makes_no_new_keys_and_no_new_tokens(cloud: Cloud) -> None:
    before = {name: cloud.secret(name) for name in ("servers", "node", "deploy")}
    management = before["servers"]["nomad_management"]
    tokens = len(server(cloud).nomad("/acl/tokens", management))
    started = server(cloud).sh("systemctl show --property=ActiveEnterTimestamp consul nomad")
    said = server(cloud).boot()
    again = server(cloud).sh("systemctl show --property=ActiveEnterTimestamp consul nomad")
    assert again == started, "agents that were right were restarted"
    assert "made the cluster's keys" in cloud.told[server(cloud).name]
    assert "made the cluster's keys" not in said
    assert {name: cloud.secret(name) for name in before} == before
    assert len(server(cloud).nomad("/acl/tokens", management)) == tokens


def serves(cloud: Cloud) -> bool:
    """Say whether Consul takes a write and Nomad knows both nodes ready, seen from a node."""
    deploy = cloud.secret("deploy")
    key = cloud.nodes[0].consul("/kv/reviewapps/back", deploy["consul_token"], "PUT", "x")
    nodes = cloud.nodes[0].nomad("/nodes", deploy["nomad_token"])
    return key is True and {node["Status"] for node in nodes} == {"ready"}


def peers(cloud: Cloud) -> tuple[set[str], set[str]]:
    """Return the addresses of Consul's and Nomad's servers that vote, as a node's agent says."""
    keys = cloud.secret("servers")
    consul = cloud.nodes[0].consul("/operator/raft/configuration", keys["consul_management"])
    nomad = cloud.nodes[0].nomad("/operator/raft/configuration", keys["nomad_management"])
    if not isinstance(consul, dict) or not isinstance(nomad, dict):
        return set(), set()
    return (
        {each["Address"].partition(":")[0] for each in consul["Servers"] if each["Voter"]},
        {each["Address"].partition(":")[0] for each in nomad["Servers"] if each["Voter"]},
    )


def test_a_server_is_replaced_by_a_fresh_one_at_its_address(cloud: Cloud) -> None:
    """As `terraform apply -replace` does: the machine is stopped, and a new one made."""
    until(lambda: peers(cloud) == (set(SERVERS), set(SERVERS)))
    keys = cloud.secret("servers")
    cloud.servers[0].sh("systemctl stop nomad consul")
    docker("rm", "--force", "--volumes", cloud.servers[0].name)
    until(lambda: serves(cloud), 60)
    cloud.servers[0] = start_server(cloud, 0)
    told = cloud.servers[0].boot()
    assert "made the cluster's keys" not in told
    assert cloud.secret("servers") == keys
    until(lambda: peers(cloud) == (set(SERVERS), set(SERVERS)), 90)
    until(lambda: serves(cloud), 60)


def test_a_server_that_dies_without_a_word_is_replaced_too(cloud: Cloud) -> None:
    docker("rm", "--force", "--volumes", cloud.servers[1].name)
    until(lambda: serves(cloud), 60)
    cloud.servers[1] = start_server(cloud, 1)
    cloud.servers[1].boot()
    until(lambda: peers(cloud) == (set(SERVERS), set(SERVERS)), 120)


def test_each_secret_holds_only_what_its_reader_needs(cloud: Cloud) -> None:
    assert set(cloud.secret("deploy")) == {"consul_token", "nomad_token"}
    node = cloud.secret("node")
    assert not [key for key in node if "management" in key or "ca_key" in key or "deploy" in key]
    assert node["nomad_key.pem"] != cloud.secret("servers")["nomad_key.pem"]


def test_who_has_no_token_learns_nothing(cloud: Cloud) -> None:
    for machine in (server(cloud), cloud.nodes[0]):
        assert machine.nomad("/jobs") == 403
        assert machine.nomad("/nodes") == 403
        assert machine.nomad("/agent/self") == 403
        assert machine.consul("/agent/self") == 403
        assert machine.consul("/kv/reviewapps/routes/x", method="PUT", body="x") == 403
        assert machine.consul("/catalog/nodes") == []


def test_no_interface_is_open_to_the_network(cloud: Cloud) -> None:
    for address in (SERVER, ONE):
        for port in (4646, 8500, 8501, 8600):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, port), 3)
    with socket.create_connection((SERVER, 4647), 3) as call:
        call.sendall(b"\x01")  # Nomad's plain protocol, without TLS
        call.settimeout(5)
        assert call.recv(1) == b"", "a call without a certificate was taken"


def test_the_router_s_token_reads_routes_and_nothing_else(cloud: Cloud) -> None:
    deploy = cloud.secret("deploy")["consul_token"]
    kv = "/kv/reviewapps"
    node = cloud.nodes[0]
    for key in ("routes/a.test", "apps/a"):
        assert node.consul(f"{kv}/{key}", deploy, "PUT", "x") is True
    router = cloud.secret("servers")["consul_router"]
    assert node.consul(f"{kv}/routes/?keys", router) == ["reviewapps/routes/a.test"]
    assert node.consul(f"{kv}/apps/a", router) in (403, 404)
    assert node.consul(f"{kv}/routes/a.test", router, "PUT", "evil") == 403
    assert node.consul(f"{kv}/wishes/a", router, "PUT", "wake") is True
    assert node.consul("/session/create", router, "PUT", {}) == 403
    assert node.consul(f"{kv}/?recurse", deploy, "DELETE") is True


def test_ci_s_token_deploys_and_does_not_administrate(cloud: Cloud) -> None:
    token = cloud.secret("deploy")
    assert server(cloud).nomad("/acl/tokens", token["nomad_token"]) == 403
    assert server(cloud).nomad("/operator/scheduler/configuration", token["nomad_token"]) == 403
    assert server(cloud).consul("/acl/tokens", token["consul_token"]) == 403
    assert server(cloud).consul("/kv/other", token["consul_token"], "PUT", "x") == 403
    session = server(cloud).consul("/session/create", token["consul_token"], "PUT", {})
    assert session["ID"]


def test_a_container_reaches_neither_the_agents_nor_the_machine_s_credentials(
    cloud: Cloud, tmp_path: Path
) -> None:
    for node in cloud.nodes:
        node.load_image(IMAGE, tmp_path)
    metadata = ("169.254.169.254", 80)
    closed = [(SERVER, 4647), (SERVER, 8300), (SERVER, 8301), (ONE, 8301), (TWO, 8301)]
    # A stand-in for the metadata service on the way out, so that closed means refused, not absent.
    server(cloud).sh("ip addr replace 169.254.169.254/32 dev lo")
    server(cloud).sh("systemd-run --quiet python3 -m http.server 80 --bind 169.254.169.254")
    for node in cloud.nodes:
        node.sh(f"ip route replace 169.254.169.254 via {SERVER}")
        node.sh("timeout 20 bash -c 'until </dev/tcp/169.254.169.254/80; do sleep 0.2; done' 2>&1")
    gateway = int(cloud.url.rpartition(":")[2])
    token = cloud.secret("deploy")["nomad_token"]
    job = app([(GATEWAY, gateway), metadata, *closed])
    server(cloud).nomad("/jobs", token, "PUT", job)
    allocation = until(lambda: running(cloud), 120)
    assert cloud.nodes[0].code(f"</dev/tcp/{SERVER}/4647") == 0, "the machine itself reaches it"
    (node,) = [n for n in cloud.nodes if n.name == allocation["NodeName"]]
    container = node.sh("docker ps --quiet --filter name=probe").strip()
    told = until(lambda: "told" in (log := node.sh(f"docker logs {container}")) and log, 60)
    assert f"open {GATEWAY} {gateway}" in told, "the probe could reach nothing at all"
    for host, port in [metadata, *closed]:
        assert f"closed {host} {port}" in told


def test_the_router_runs_on_every_node_and_leads_to_an_app(cloud: Cloud, tmp_path: Path) -> None:
    """`reviewapps cluster up` through the tunnel, then a route: any node answers for any app."""
    image = images.ensure(Docker(), "router", print)
    for node in cloud.nodes:
        node.load_image(image, tmp_path)
        node.load_image(build_hello(), tmp_path)
    deploy = cloud.secret("deploy")
    with tunnel(server(cloud).name, 4646) as address:
        where = Settings(
            nomad=settings_of.Nomad(address=address, token=deploy["nomad_token"]),
            domain="previews.test",
            url_scheme="https",
            url_port=443,
            node_network=f"{RANGE}.0/24",
            trusted_proxies=(f"{GATEWAY}/32",),
        )
        said: list[str] = []
        assert router.ensure(Nomad(where.nomad), where, image, said.append)
        assert said == ["writing the router's configuration", f"starting the router {image}"]
        assert not router.ensure(Nomad(where.nomad), where, image, said.append)
        assert len(said) == 2
    server(cloud).nomad("/jobs", deploy["nomad_token"], "PUT", hello())
    allocation = until(lambda: running(cloud, "hello"), 60)
    found = server(cloud).nomad(f"/allocation/{allocation['ID']}", deploy["nomad_token"])
    (port,) = found["AllocatedResources"]["Shared"]["Ports"]
    place = f"{port['HostIP']}:{port['Value']}"
    key = "reviewapps/routes/hello.previews.test"
    cloud.nodes[0].sh(f"CONSUL_HTTP_TOKEN={deploy['consul_token']} consul kv put {key} {place}")
    for address in (ONE, TWO):
        until(partial(says_hello, address), 20)
        assert visit(address, "unknown.previews.test")[0] == 404
        assert visit(f"{address}:9145", "x", "/health")[0] == 200
    keys = server(cloud).consul("/kv/reviewapps/routers/?keys", deploy["consul_token"])
    assert len(keys) == 2, "each router tells which routes it serves"
    assert server(cloud).consul(f"/kv/{key}", deploy["consul_token"], "DELETE") is True


def test_ci_deploys_and_destroys_with_its_own_tokens(cloud: Cloud, tmp_path: Path) -> None:
    """The commands as CircleCI runs them: through the tunnels, with the deploy secret's tokens."""
    folder = tmp_path / "project"
    branch = make_project(folder)
    tokens = cloud.secret("deploy")
    with (
        tunnel(server(cloud).name, 4646) as nomad,
        tunnel(server(cloud).name, 8500) as consul,
    ):
        values = {
            "nomad": {"address": nomad},
            "consul": {"address": consul},
            "domain": "previews.test",
            "url_scheme": "https",
            "url_port": 443,
            "node_network": f"{RANGE}.0/24",
            "state_dir": str(tmp_path),
        }
        (tmp_path / "settings.yml").write_text(yaml.safe_dump(values))

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, "-c", "from reviewapps.cli import main; main()", *arguments],
                cwd=folder,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(tmp_path),
                    "PYTHONPATH": str(Path.cwd()),
                    "LANG": "C.UTF-8",
                    "REVIEWAPPS_SETTINGS": str(tmp_path / "settings.yml"),
                    "NOMAD_TOKEN": tokens["nomad_token"],
                    "CONSUL_HTTP_TOKEN": tokens["consul_token"],
                },
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
            return done.stdout

        run("deploy", f"--image={HELLO}", branch)
        (shown,) = json.loads(run("list", "--json"))
        assert shown["state"] == "running"
        for address in (ONE, TWO):
            assert visit(address, shown["host"]) == (200, "hello")
        assert "nothing to do" in run("deploy", f"--image={HELLO}", branch)
        assert shown["url"] in run("status", branch)
        run("logs", branch)
        run("doctor")
        run("destroy", branch)
        assert json.loads(run("list", "--json")) == []
        assert visit(ONE, shown["host"])[0] == 404
        assert shown["slug"] not in json.dumps(server(cloud).nomad("/jobs", tokens["nomad_token"]))


def test_a_job_with_another_driver_or_with_privileges_is_not_run(cloud: Cloud) -> None:
    token = cloud.secret("deploy")["nomad_token"]
    job = app([])
    job["Job"]["ID"] = "evil"
    task = job["Job"]["TaskGroups"][0]["Tasks"][0]
    job["Job"]["TaskGroups"][0]["RestartPolicy"] = {"Attempts": 0, "Mode": "fail"}
    job["Job"]["TaskGroups"][0]["ReschedulePolicy"] = {"Attempts": 0, "Unlimited": False}
    task["Config"]["privileged"] = True
    server(cloud).nomad("/jobs", token, "PUT", job)

    def failed() -> str:
        found = server(cloud).nomad("/job/evil/allocations", token)
        return next(
            (json.dumps(item["TaskStates"]) for item in found if item["ClientStatus"] == "failed"),
            "",
        )

    assert "privileged" in until(failed)
    server(cloud).nomad("/job/evil?purge=true", token, "DELETE")
    task["Driver"] = "raw_exec"
    task["Config"] = {"command": "true"}
    plan = server(cloud).nomad("/job/evil/plan", token, "PUT", job)
    filtered = plan["FailedTGAllocs"]["probe"]["ConstraintFiltered"]
    assert filtered == {"missing drivers": 2}


def test_a_spot_notice_moves_the_apps_before_the_machine_goes(cloud: Cloud) -> None:
    """The notice comes; the machine leaves the balancer, drains, and tells the group."""
    before = running(cloud)
    assert before
    (leaving,) = [node for node in cloud.nodes if node.name == before["NodeName"]]
    (staying,) = [node for node in cloud.nodes if node.name != before["NodeName"]]
    instance = cloud.metadata.said[leaving.address]["instance-id"]
    assert instance in cloud.targets()
    cloud.metadata.spot_notice(leaving.address)
    after = until(lambda: (now := running(cloud)) and now["ID"] != before["ID"] and now, 100)
    assert after["NodeName"] == staying.name
    assert instance not in cloud.targets()
    until(lambda: (instance, "reviewapps-drained: CONTINUE") in cloud.hooks, 110)
    token = cloud.secret("deploy")["nomad_token"]
    found = {node["Name"]: node for node in server(cloud).nomad("/nodes", token)}
    assert found[leaving.name]["SchedulingEligibility"] == "ineligible"
    assert found[leaving.name]["LastDrain"]["Status"] == "complete"
    assert found[staying.name]["SchedulingEligibility"] == "eligible"
    assert cloud.metadata.refused == [], "a question without a token"


def test_nothing_secret_is_in_a_log_or_an_argument(cloud: Cloud) -> None:
    values = [
        value
        for name in ("servers", "deploy")
        for key, value in cloud.secret(name).items()
        if "pem" not in key
    ]
    assert len(values) >= 8
    for machine in (*cloud.servers, *cloud.nodes):
        seen = machine.sh("journalctl --no-pager; cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '")
        seen += cloud.told[machine.name]
        assert not [value for value in values if value in seen], machine.name
        loose = machine.sh("find /etc/nomad.d /etc/consul.d -type f -perm /077")
        assert loose == "", "files that others may read"
