"""The router, a Nomad system job as in the cloud: it runs on every node of the cluster."""

import time
from urllib.error import HTTPError
from urllib.request import Request

from reviewapps import jobspec, settings
from reviewapps import router as nginx
from reviewapps.clients.nomad import Json, Nomad
from reviewapps.errors import Failed, ServiceError
from reviewapps.local import images, ports
from reviewapps.local.agents.http import OPENER
from reviewapps.local.cluster import Cluster

JOB = "router"
VARIABLE = "nomad/jobs/router"
PORT = 8080
METRICS_PORT = 9145
READY_SECONDS = 60
DRAIN_SECONDS = 10


def state(cluster: Cluster) -> str:
    """Say what is missing, "" when nothing is."""
    try:
        return lacks(cluster, client(cluster))
    except ServiceError as error:  # Nomad is down, or has no leader yet
        return error.message


def lacks(cluster: Cluster, nomad: Nomad) -> str:
    """Say what Nomad and the router tell of what is missing."""
    job = nomad.job(JOB)
    if not job or job.get("Stop"):
        return "its job does not run"
    if (job.get("Meta") or {}).get(jobspec.SPEC) != mark():
        return "its job or image is of another version"
    if nomad.variable(VARIABLE).get("nginx_conf") != config(cluster):
        return "its configuration is of another version"
    if not is_current(nomad, job):
        return "some of its nodes run another version"
    return "" if answers(cluster) else "it does not answer"


def start(cluster: Cluster) -> None:
    """Register the job, or what changed of it, and wait until the router answers."""
    nomad = client(cluster)
    nomad.put_variable(VARIABLE, {"nginx_conf": config(cluster), "consul_token": ""})
    found = nomad.job(JOB)
    if not found or found.get("Stop") or found["Meta"].get(jobspec.SPEC) != mark():
        if not found:
            ports.require_free(cluster.loopback, [PORT, METRICS_PORT], "the router")
        index = int(found["JobModifyIndex"]) if found else 0
        nomad.register(jobspec.marked(nomad.parse(job_text()), mark()), index)
    deadline = time.monotonic() + READY_SECONDS
    while state(cluster):
        if time.monotonic() > deadline or has_failed(nomad):
            hint = f"NOMAD_ADDR=http://{cluster.loopback}:4646 nomad job status {JOB}"
            raise Failed("the router does not start", details=words(nomad), hint=hint)
        time.sleep(0.1)


def stop(_cluster: Cluster) -> None:
    """Do nothing: the router's containers go with their nodes."""


def job_text() -> str:
    """Return the job as Nomad reads it."""
    values = {
        "image": images.RECIPES["router"].tag,
        "drain_seconds": DRAIN_SECONDS,
        "cpu": 200,
        "memory": 256,
    }
    return jobspec.render(JOB, values)


def config(cluster: Cluster, sign_in_address: str = "") -> str:
    """Return nginx.conf for the routers of this cluster."""
    return nginx.render(
        nginx.Router(
            listen=(f"{cluster.loopback}:{PORT}", f"@NODE_IP@:{PORT}"),
            listen_metrics=(f"{cluster.loopback}:{METRICS_PORT}",),
            public_port=PORT,
            domains=("localhost",),
            node_networks=(cluster.network,),
            consul_address="@NODE_IP@:8500",
            consul_token_file="/secrets/consul_token",  # noqa: S106 - a path
            run_dir="/run/reviewapps",
            snapshot_path="/alloc/data/routes.jsonl",
            user="www-data",
            sign_in_address=sign_in_address,
            workers=1,
            drain_seconds=DRAIN_SECONDS,
            routes_megabytes=16,
            hosts_megabytes=64,
        )
    )


def mark() -> str:
    """Return what changes with the job or the image, so that another image replaces the job."""
    return jobspec.fingerprint(job_text() + images.RECIPES["router"].fingerprint())


def answers(cluster: Cluster) -> bool:
    """Say whether the router answers, whatever it says to a host that is no app's."""
    request = Request(f"http://{cluster.loopback}:{PORT}/", headers={"Host": "x.localhost"})
    try:
        with OPENER.open(request, timeout=2):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def is_current(nomad: Nomad, job: Json) -> bool:
    """Say whether a router of the job's version runs, and none of another."""
    _, found = nomad.allocations(JOB)
    running = [row["JobVersion"] for row in found if row["ClientStatus"] == "running"]
    return bool(running) and all(version == job["Version"] for version in running)


def has_failed(nomad: Nomad) -> bool:
    """Say whether Nomad gave up on the newest allocation."""
    _, found = nomad.allocations(JOB)
    return any(row["ClientStatus"] == "failed" for row in found[:1])


def words(nomad: Nomad) -> str:
    """Return the last events of the router's tasks and their last lines."""
    _, found = nomad.allocations(JOB)
    return "\n".join(line for allocation in found[:1] for line in told(nomad, allocation))


def told(nomad: Nomad, allocation: Json) -> list[str]:
    """Return what an allocation of the router tells of itself."""
    states = (allocation.get("TaskStates") or {}).values()
    events = [event["DisplayMessage"] for state in states for event in state["Events"] or []]
    return [*events, nomad.logs(allocation["ID"], "nginx", "stderr", 2048)]


def client(cluster: Cluster) -> Nomad:
    """Return the client of this cluster's Nomad."""
    return Nomad(settings.Nomad(address=f"http://{cluster.loopback}:4646"))
