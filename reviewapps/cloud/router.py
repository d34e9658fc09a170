"""The router on every node of the team's cluster: a Nomad system job behind the balancer."""

import time
from collections.abc import Callable
from dataclasses import asdict

from reviewapps import jobspec
from reviewapps import router as nginx
from reviewapps.clients.nomad import Nomad
from reviewapps.errors import Failed
from reviewapps.settings import Settings

JOB = "router"
VARIABLE = "nomad/jobs/router"
PORT = 8080
METRICS_PORT = 9145
DRAIN_SECONDS = 60
READY_SECONDS = 180
RESOURCES = {"cpu": 300, "memory": 512}


def ensure(
    nomad: Nomad,
    settings: Settings,
    image: str,
    say: Callable[[str], None],
    *,
    ready_seconds: float = READY_SECONDS,
) -> bool:
    """Bring configuration and job up to date; say whether anything had to change.

    A change of the configuration alone is a reload; the job changes with the image.
    """
    known = nomad.variable(VARIABLE)
    items = {"consul_token": ""} | known | {"nginx_conf": config(settings)}
    text = jobspec.render(JOB, {"image": image, "drain_seconds": DRAIN_SECONDS} | RESOURCES)
    mark = jobspec.fingerprint(text)
    found = nomad.job(JOB) or {}
    is_right = not found.get("Stop") and (found.get("Meta") or {}).get(jobspec.SPEC) == mark
    if items != known:
        say("writing the router's configuration")
        nomad.put_variable(VARIABLE, items)
    if not is_right:
        say(f"starting the router {image}")
        index = int(found.get("JobModifyIndex", 0))
        nomad.register(jobspec.marked(nomad.parse(text), mark), index)
    wait(nomad, ready_seconds)
    return items != known or not is_right


def config(settings: Settings) -> str:
    """Return nginx.conf for the routers; the balancer ends TLS and is the one trusted proxy."""
    sign_in = asdict(settings.sign_in) if settings.sign_in else {}
    return nginx.render(
        nginx.Router(
            listen=(f"@NODE_IP@:{PORT}",),
            listen_metrics=(f"@NODE_IP@:{METRICS_PORT}",),
            public_port=settings.url_port,
            domains=(settings.domain,),
            node_networks=(settings.node_network,),
            trusted_proxies=settings.trusted_proxies,
            consul_address="127.0.0.1:8500",
            consul_token_file="/secrets/consul_token",  # noqa: S106 - a path
            run_dir="/run/reviewapps",
            snapshot_path="/alloc/data/routes.jsonl",
            user="www-data",
            **{f"sign_in_{key}": value for key, value in sign_in.items()},
            drain_seconds=DRAIN_SECONDS,
        )
    )


def wait(nomad: Nomad, ready_seconds: float) -> None:
    """Return when a router of this version runs on each ready node; with no node there is none."""
    deadline = time.monotonic() + ready_seconds
    while True:
        problem = lacks(nomad)
        if not problem:
            return
        if time.monotonic() > deadline:
            raise Failed(f"the router: {problem}", hint=f"nomad job status {JOB}")
        time.sleep(0.5)


def lacks(nomad: Nomad) -> str:
    """Say which nodes have no router of the newest version, "" when all have."""
    job = nomad.job(JOB)
    _, allocations = nomad.allocations(JOB)
    version = job["Version"] if job else -1
    served = {
        each["NodeID"]
        for each in allocations
        if each["ClientStatus"] == "running" and each["JobVersion"] == version
    }
    without = [
        each["Name"]
        for each in nomad.nodes()
        if each["Status"] == "ready"
        and each["SchedulingEligibility"] == "eligible"
        and each["ID"] not in served
    ]
    return f"it does not run on {', '.join(without)}" if without else ""
