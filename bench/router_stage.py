"""The stage of the router's benchmark: Consul, the app, and each contender pinned to one core."""

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from reviewapps.local.binaries import PROGRAMS
from reviewapps.router import Router, render

HERE = Path(__file__).parent
NGINX = HERE.parent / "nginx"
# Two benchmarks run side by side when each has a number of its own (10 to 250).
NUMBER = int(os.environ.get("ROUTER_BENCH_NUMBER", "19"))
ADDRESS = f"127.0.0.{NUMBER}"
APP_ADDRESS = f"127.0.{NUMBER}.1"
CONSUL_PORT = 18500
PROXY_CORE, LOAD_CORE = "0", "1"
APPS = 200


def consul_binary() -> str:
    """Return the Consul of this machine."""
    cached = PROGRAMS["consul"].cached
    return str(cached) if cached.exists() else shutil.which("consul") or "consul"


def host(number: int, alike: bool = False) -> str:
    """Return the host of an app: first letters are spread, or all begin alike."""
    start = "feature-" if alike else f"{chr(97 + number % 26)}pp"
    return f"{start}{number:05d}-abc234.localhost"


def place(number: int) -> str:
    return f"{APP_ADDRESS}:{20001 + number % APPS}"


class Stage:
    """Everything that runs beside the proxy under test."""

    def __init__(self, run: Path, stack: ExitStack, routes: int, alike: bool = False) -> None:
        self.run = run
        self.alike = alike
        self.stack = stack
        self.routes = routes
        self.consul_pid = 0
        self.consul = httpx.Client(base_url=f"http://{ADDRESS}:{CONSUL_PORT}", timeout=60)

    def spawn(self, *command: str, core: str) -> subprocess.Popen[bytes]:
        """Start a process on one core; it is killed when the stage is left."""
        log = (self.run / f"{Path(command[0]).name}-{time.time_ns()}.out").open("wb")
        process = subprocess.Popen(
            ["taskset", "-c", core, *command], stdout=log, stderr=log, cwd=self.run
        )
        self.stack.callback(stop, process)
        return process

    def put_routes(self, hosts: range) -> None:
        """Write routes and host records, 60 operations a transaction."""
        pairs = []
        for number in hosts:
            name = host(number, self.alike)
            pairs.append((f"reviewapps/hosts/{name}", record(number)))
            pairs.append((f"reviewapps/routes/{name}", place(number)))
        for start in range(0, len(pairs), 60):
            operations = [
                {"KV": {"Verb": "set", "Key": key, "Value": base64_text(value)}}
                for key, value in pairs[start : start + 60]
            ]
            self.consul.put("/v1/txn", json=operations).raise_for_status()

    def file(self, name: str, text: str) -> Path:
        path = self.run / name
        path.write_text(text)
        return path

    def template(self, name: str, **values: object) -> Path:
        text = (HERE / "router_contenders" / name).read_text()
        return self.file(name, text.format(run=self.run, **values))


def record(number: int) -> str:
    slug = host(number).partition(".")[0]
    access = '{"kind":"public"}'
    return f'{{"schema":1,"slug":"{slug}","state":"running","access":{access}}}'


def base64_text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for_port(address: str, port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def open_stage(routes: int, alike: bool = False) -> Iterator[Stage]:
    """Start Consul with `routes` routes and the app."""
    run = Path(tempfile.mkdtemp(prefix="bench-router-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, run, True)
        stage = Stage(run, stack, routes, alike)
        ports = [f"-{name}-port=-1" for name in ("dns", "grpc", "grpc-tls")]
        agent = stage.spawn(
            consul_binary(), "agent", "-dev", f"-client={ADDRESS}", f"-bind={ADDRESS}",
            f"-http-port={CONSUL_PORT}", "-server-port=18300", "-serf-lan-port=18301",
            "-serf-wan-port=18302", "-log-level=err", *ports, core=LOAD_CORE,
        )  # fmt: skip
        stage.consul_pid = agent.pid
        wait_for_port(ADDRESS, CONSUL_PORT)
        while stage.consul.get("/v1/status/leader").text in ('""', ""):
            time.sleep(0.1)
        listens = "".join(f"listen {APP_ADDRESS}:{20001 + n};\n" for n in range(APPS))
        conf = stage.template("upstream.conf", listens=listens)
        stage.spawn("nginx", "-e", "stderr", "-c", str(conf), core=LOAD_CORE)
        wait_for_port(APP_ADDRESS, 20001)
        stage.put_routes(range(routes))
        yield stage


def worker_of(master: int, seconds: float = 20) -> int:
    """Return the process id of nginx's worker."""
    children = Path(f"/proc/{master}/task/{master}/children")
    deadline = time.monotonic() + seconds
    while not (found := children.read_text().split()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nginx {master} has no worker")
        time.sleep(0.02)
    return int(found[0])


def routes_of(health: str) -> int:
    try:
        return int(httpx.get(health).json()["routes"])
    except httpx.HTTPError:
        return -1  # it has only just begun to listen


def write_router(stage: Stage, port: int, **changes: object) -> Path:
    """Write the configuration of a router with everything on but the access log."""
    run = stage.run / f"router-{port}"
    run.mkdir()
    settings: dict[str, object] = {
        "listen": (f"{ADDRESS}:{port}",),
        "shard_size": 2000,
        "listen_metrics": (f"{ADDRESS}:{port + 1000}",),
        "domains": ("localhost",),
        "node_networks": (f"{APP_ADDRESS}/24",),
        "consul_address": f"{ADDRESS}:{CONSUL_PORT}",
        "run_dir": str(run),
        "router_id": f"bench-{port}",
        "workers": 1,
        "user": "root",
        "nginx_dir": str(NGINX),
        "access_log": "off",
        "error_log": str(run / "error.log"),
    }
    return stage.file(f"router-{port}.conf", render(Router(**{**settings, **changes}), NGINX))  # type: ignore[arg-type]


def wait_for_routes(stage: Stage, port: int) -> None:
    """Wait until a router knows every route."""
    health = f"http://{ADDRESS}:{port + 1000}/health"
    wait_for_port(ADDRESS, port, 120)
    deadline = time.monotonic() + 120
    while routes_of(health) < stage.routes:
        if time.monotonic() > deadline:
            raise TimeoutError((stage.run / f"router-{port}" / "error.log").read_text())
        time.sleep(0.1)


def start_router(stage: Stage, port: int, **changes: object) -> int:
    """Start the router with everything on; return the worker's process id."""
    conf = write_router(stage, port, **changes)
    process = stage.spawn("nginx", "-e", "stderr", "-c", str(conf), core=PROXY_CORE)
    wait_for_routes(stage, port)
    return worker_of(process.pid)


def start_pooled(stage: Stage, port: int) -> int:
    """Start the router with its idle connections in 16 lists instead of one."""
    return start_router(stage, port, keepalive_pools=16)


def start_logged(stage: Stage, port: int) -> int:
    """Start the router with its access log in a file."""
    return start_router(stage, port, access_log=str(stage.run / f"router-{port}.log"))


def write_plain(stage: Stage, port: int, log: str = "off") -> Path:
    return stage.template(
        "plain.conf", listen=f"{ADDRESS}:{port}", port=port, app=place(0), log=log
    )


def start_plain(stage: Stage, port: int, log: str = "off") -> int:
    conf = write_plain(stage, port, log)
    process = stage.spawn("nginx", "-e", "stderr", "-c", str(conf), core=PROXY_CORE)
    wait_for_port(ADDRESS, port)
    return worker_of(process.pid)


def start_plain_logged(stage: Stage, port: int) -> int:
    """Start plain nginx with its usual access log."""
    return start_plain(stage, port, str(stage.run / f"plain-{port}.log"))


def start_plain_many(stage: Stage, port: int) -> int:
    """Start plain nginx with one static upstream for each app, chosen by a map."""
    numbers = range(APPS)
    upstreams = "".join(
        f"upstream {n}_app {{ server {place(n)}; keepalive 64; keepalive_requests 100000000; }}\n"
        for n in numbers
    )
    hosts = "".join(f"{host(n)} {n}_app;\n" for n in numbers)
    conf = stage.template(
        "plain_many.conf", listen=f"{ADDRESS}:{port}", upstreams=upstreams, hosts=hosts
    )
    process = stage.spawn("nginx", "-e", "stderr", "-c", str(conf), core=PROXY_CORE)
    wait_for_port(ADDRESS, port)
    return worker_of(process.pid)


def start_blocking(stage: Stage, port: int) -> int:
    conf = stage.template(
        "blocking.conf", listen=f"{ADDRESS}:{port}", consul=f"{ADDRESS}:{CONSUL_PORT}"
    )
    process = stage.spawn("nginx", "-e", "stderr", "-c", str(conf), core=PROXY_CORE)
    wait_for_port(ADDRESS, port)
    return worker_of(process.pid)


def start_haproxy(stage: Stage, port: int) -> int:
    stage.file("haproxy.map", "".join(f"{host(n)} {place(n)}\n" for n in range(stage.routes)))
    conf = stage.template("haproxy.cfg", listen=f"{ADDRESS}:{port}")
    process = stage.spawn("haproxy", "-q", "-db", "-f", str(conf), core=PROXY_CORE)
    wait_for_port(ADDRESS, port)
    return process.pid


def start_caddy(stage: Stage, port: int) -> int:
    places = "".join(f"\t\t{host(n)} {place(n)}\n" for n in range(stage.routes))
    conf = stage.template("Caddyfile", listen=f"{ADDRESS}:{port}", places=places)
    process = stage.spawn(
        "env", "GOMAXPROCS=1", f"HOME={stage.run}", "caddy", "run", "--adapter", "caddyfile",
        "--config", str(conf), core=PROXY_CORE,
    )  # fmt: skip
    wait_for_port(ADDRESS, port)
    return process.pid


CONTENDERS: dict[str, Callable[[Stage, int], int]] = {
    "plain": start_plain,
    "plain with 200 upstreams": start_plain_many,
    "plain, logging": start_plain_logged,
    "router": start_router,
    "router, 16 pools": start_pooled,
    "router, logging": start_logged,
    "haproxy": start_haproxy,
    "caddy": start_caddy,
    "blocking": start_blocking,
}


def cpu_nanoseconds(pid: int) -> int:
    """Return the time on a processor of all threads of a process."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def resident_kilobytes(pid: int) -> int:
    """Return the memory of a process, each shared page counted by its share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def processors() -> int:
    return os.cpu_count() or 1
