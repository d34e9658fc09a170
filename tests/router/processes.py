"""Real Consul and real nginx for the tests, each on its own address, ports and folder."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from reviewapps.local.binaries import PROGRAMS
from reviewapps.router import Router, render

ADDRESS = "127.0.0.9"
NETWORK = "127.0.9.0/24"
NGINX = Path(os.environ.get("ROUTER_UNDER_TEST", Path(__file__).parents[2] / "nginx"))


def free_port(address: str = ADDRESS) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


def eventually(check: Callable[[], Any], seconds: float = 10, pause: float = 0.02) -> Any:
    """Return what `check` gives as soon as it is true; fail with its last value."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found!r} after {seconds} s")
        time.sleep(pause)


def consul_binary() -> str | None:
    cached = PROGRAMS["consul"].cached
    return str(cached) if cached.exists() else shutil.which("consul")


def takes_connections(worker: int) -> bool:
    """Return whether a worker of nginx is there and has not been told to go."""
    try:
        title = Path(f"/proc/{worker}/cmdline").read_text()
    except OSError:
        return False  # gone
    return bool(title) and "shutting down" not in title


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class Consul:
    """One Consul server; its data may be kept over a restart or thrown away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(4)]
        self.address = f"{ADDRESS}:{self.ports[0]}"
        self.http = httpx.Client(base_url=f"http://{self.address}", timeout=10)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            str(consul_binary()), "agent", "-server", "-bootstrap", f"-client={ADDRESS}",
            f"-bind={ADDRESS}", f"-data-dir={self.folder}/data", f"-http-port={self.ports[0]}",
            f"-server-port={self.ports[1]}", f"-serf-lan-port={self.ports[2]}",
            f"-serf-wan-port={self.ports[3]}", "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1",
            "-log-level=err", "-hcl=performance { raft_multiplier = 1 }",
            "-hcl=limits { http_max_conns_per_client = 2000 }",
        ]  # fmt: skip
        log = (self.folder / "consul.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self.has_leader, 40)

    def has_leader(self) -> bool:
        try:
            return bool(self.http.get("/v1/status/leader").json())
        except (httpx.HTTPError, ValueError):
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def lose_everything(self) -> None:
        self.stop()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def put(self, key: str, value: str | dict[str, Any]) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.http.put(f"/v1/kv/{key}", content=text).raise_for_status()

    def put_all(self, pairs: dict[str, str]) -> None:
        """Write many keys, 60 in a transaction."""
        items = list(pairs.items())
        for start in range(0, len(items), 60):
            operations = [
                {
                    "KV": {
                        "Verb": "set",
                        "Key": key,
                        "Value": base64.b64encode(value.encode()).decode(),
                    }
                }
                for key, value in items[start : start + 60]
            ]
            self.http.put("/v1/txn", json=operations).raise_for_status()

    def delete(self, key: str, recurse: bool = False) -> None:
        self.http.delete(f"/v1/kv/{key}" + ("?recurse" if recurse else "")).raise_for_status()

    def get(self, key: str) -> str | None:
        answer = self.http.get(f"/v1/kv/{key}", params={"raw": ""})
        return answer.text if answer.status_code == 200 else None

    def index(self, prefix: str) -> int:
        return int(self.http.get(f"/v1/kv/{prefix}?keys").headers["X-Consul-Index"])


# What may stand in an error log after a test: nginx says these about clients and apps, not us.
HARMLESS = re.compile(
    r"\[notice\]|\[info\]|could not set .* nofile|refused: (not|outside)"
    r"|a client request body is buffered|an upstream response is buffered"
)
ABOUT_APPS = re.compile(
    r"(connect\(\) failed|upstream prematurely closed|upstream timed out|recv\(\) failed"
    r"|no live upstreams|upstream sent|connect\(\) to .* failed|SSL_do_handshake|SSL_read"
    r"|client sent|client intended|peer closed|auth request unexpected status"
    r"|writev\(\) failed|temporarily disabled)"
)


class RunningRouter:
    """One nginx with the router's configuration, in a folder of its own."""

    def __init__(self, folder: Path, consul_address: str, prefix: str, **changes: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.metrics_port = free_port()
        self.prefix = prefix
        self.settings: dict[str, Any] = {
            "listen": (f"{ADDRESS}:{self.port}",),
            "listen_metrics": (f"{ADDRESS}:{self.metrics_port}",),
            "domains": ("localhost",),
            "node_networks": (NETWORK,),
            "consul_address": consul_address,
            "prefix": prefix,
            "run_dir": str(folder),
            "router_id": "tested",
            "workers": 2,
            "worker_connections": 4096,
            "user": "root",
            "nginx_dir": str(NGINX),
            "access_log": str(folder / "access.log"),
            "error_log": str(folder / "error.log"),
            "routes_megabytes": 16,
            "hosts_megabytes": 32,
            "drain_seconds": 5,
            "hold_seconds": 8,
            "wait_seconds": 5,
            "seen_seconds": 1,
            **changes,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.expected_app_errors = False
        self.expected_worker_deaths = False
        self.http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), verify=False)

    def write(self, **changes: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings |= changes
        (self.folder / "nginx.conf").write_text(render(Router(**self.settings), NGINX))

    def start(self, wait: bool = True) -> "RunningRouter":
        self.write()
        self.process = subprocess.Popen(
            ["nginx", "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")],
            stdout=subprocess.DEVNULL,
        )
        eventually(self.listens)
        if wait:
            eventually(lambda: self.health()["ready"])
        return self

    def listens(self) -> bool:
        try:
            self.health()
        except httpx.HTTPError:
            assert self.process
            assert self.process.poll() is None, self.error_log()
            return False
        return True

    def reload(self, **changes: Any) -> None:
        self.write(**changes)
        assert self.process
        before = set(self.workers())
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: set(self.workers()) - before)
        # An old worker takes connections until it has read that it must go.
        eventually(lambda: not [pid for pid in before if takes_connections(pid)])

    def workers(self) -> list[int]:
        assert self.process
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self) -> None:
        if not self.process:
            return
        # Old workers must go by themselves; a TERM in the middle of their exit is not their fault.
        eventually(lambda: len(self.workers()) <= self.settings["workers"], 15)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("nginx did not end") from None
        finally:
            self.process = None

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"http://{ADDRESS}:{self.metrics_port}/health").json()
        return found

    def metrics(self) -> dict[str, float]:
        text = self.http.get(f"http://{ADDRESS}:{self.metrics_port}/metrics").text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name.removeprefix("reviewapps_router_"): float(value) for name, value in lines}

    def error_log(self) -> str:
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def complaints(self) -> list[str]:
        """Return the lines of the error log that the router itself is to blame for."""
        found = []
        for line in self.error_log().splitlines():
            if not line or HARMLESS.search(line):
                continue
            if self.expected_app_errors and ABOUT_APPS.search(line):
                continue
            if self.expected_worker_deaths and "exited on signal 9" in line:
                continue
            found.append(line)
        return found

    def access_log(self) -> list[dict[str, Any]]:
        path = self.folder / "access.log"
        return [json.loads(line) for line in path.read_text().splitlines()]
