"""What runs on the fresh machines: a probe of the network, and an application that says hello."""

import base64
from pathlib import Path
from typing import Any

import httpx

from tests import repositories
from tests.real.machines import IMAGE, Cloud, server
from tests.terraform.machine import docker

HELLO = "reviewapps-test/hello:1"
PORT = 8080
SERVER = (
    "use IO::Socket::INET;\n"
    f"$s = IO::Socket::INET->new(LocalPort => {PORT}, Listen => 9, ReuseAddr => 1);\n"
    "while ($c = $s->accept) {\n"
    "  while (<$c>) { last if /^\\r?$/ }\n"
    '  print $c "HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\nhello";\n'
    "  close $c;\n"
    "}\n"
)
PROJECT = f"""\
project: hello
unicorn:
  command: perl /hello
  port: {PORT}
  health_path: /
  memory_mb: 64
  boot_seconds: 20
  stop_seconds: 1
"""


def build_hello() -> str:
    """Return the image of the application, built when it is missing."""
    text = base64.b64encode(SERVER.encode()).decode()
    docker(
        "build",
        "--quiet",
        f"--tag={HELLO}",
        "-",
        text=f"FROM {IMAGE}\nRUN echo {text} | base64 -d > /hello\n",
    )
    return HELLO


def make_project(folder: Path) -> str:
    """Make the application's repository with a branch; return the branch's name."""
    repositories.make(folder, {"reviewapps.yml": PROJECT})
    repositories.git(folder, "branch", "deploy-blue")
    return "deploy-blue"


def app(reach: list[tuple[str, int]]) -> dict[str, Any]:
    """Return a job that tells which of the addresses its container can reach."""
    tries = "; ".join(
        f"(timeout 2 bash -c '</dev/tcp/{host}/{port}' 2>/dev/null && echo open {host} {port}"
        f" || echo closed {host} {port})"
        for host, port in reach
    )
    return {
        "Job": {
            "ID": "probe",
            "Type": "service",
            "Datacenters": ["dc1"],
            "TaskGroups": [
                {
                    "Name": "probe",
                    "Count": 1,
                    "Tasks": [
                        {
                            "Name": "probe",
                            "Driver": "docker",
                            "Config": {
                                "image": IMAGE,
                                "force_pull": False,
                                "command": "bash",
                                "args": ["-c", f"{tries}; echo told; sleep 3600"],
                            },
                            "Resources": {"CPU": 50, "MemoryMB": 64},
                        }
                    ],
                }
            ],
        }
    }


def running(cloud: Cloud, job: str = "probe") -> dict[str, Any] | None:
    """Return the running allocation of a job."""
    token = cloud.secret("deploy")["nomad_token"]
    found = server(cloud).nomad(f"/job/{job}/allocations", token)
    for item in found:
        if item["ClientStatus"] == "running" and item["DesiredStatus"] == "run":
            return dict(item)
    return None


def says_hello(address: str) -> bool:
    """Say whether a node's router leads to the app."""
    return visit(address, "hello.previews.test") == (200, "hello")


def hello() -> dict[str, Any]:
    """Return a job that answers `hello` over HTTP on a dynamic port."""
    job = app([])
    job["Job"] |= {"ID": "hello"}
    group = job["Job"]["TaskGroups"][0]
    group["Networks"] = [{"DynamicPorts": [{"Label": "web", "To": PORT}]}]
    group["Tasks"][0]["Config"] = {
        "image": HELLO,
        "force_pull": False,
        "ports": ["web"],
        "command": "perl",
        "args": ["/hello"],
    }
    return job


def visit(address: str, host: str, path: str = "/") -> tuple[int, str]:
    """Ask a node's router as the balancer does; 0 when nobody answers."""
    place = address if ":" in address else f"{address}:8080"
    headers = {"Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    try:
        answer = httpx.get(f"http://{place}{path}", headers=headers, timeout=5)
    except httpx.HTTPError:
        return 0, ""
    return answer.status_code, answer.text
