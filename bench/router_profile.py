"""Instructions for each request, counted by callgrind: exact where a busy machine's clock is not.

One nginx process runs under valgrind, and each part of the router is left out once. The kernel's
share, about two thirds of a request's time, is not counted: differences here are what to look at.
"""

import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import router_stage
from router_stage import ADDRESS, Stage, host

WARM, ROUNDS, CONNECTIONS = 40, 100, 32
REQUEST = (
    "GET / HTTP/1.1\r\nHost: {host}\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Cookie: _session=c2Vzc2lvbi1vZi1hLXJldmlldy1hcHA; theme=dark\r\n\r\n"
)
BARE_HEADERS = """
proxy_set_header Connection "";
proxy_set_header X-Reviewapps-Asked "";
"""

Edit = Callable[[str], str]


def cut(pattern: str, put: str = "") -> Edit:
    """Return an edit of a configuration that must find something to change."""

    def edit(text: str) -> str:
        changed, count = re.subn(pattern, put, text, flags=re.DOTALL)
        assert count, f"nothing to leave out: {pattern}"
        return changed

    return edit


LEFT_OUT: dict[str, Edit] = {
    "the lane's questions": cut(
        r"        if \(\$(?:http_\w+|request_method|lane) .*?\n        }\n"
    ),
    "the look at Set-Cookie": cut(r"header_filter_by_lua_block {.*?\n            }\n"),
    "forwarding and emptied headers": cut(r"include \S+/edge_headers\.conf;", BARE_HEADERS),
    "the balancer's Lua": cut(
        r"server 0\.0\.0\.1;\s+server 0\.0\.0\.2;\s+balancer_by_lua_block [^\n]*",
        f"server {router_stage.place(0)};",
    ),
}


def send(port: int, apps: int, rounds: int) -> int:
    """Ask for the apps in turn on 32 connections at a time; return how many requests were sent."""
    sockets = [socket.create_connection((ADDRESS, port)) for _ in range(CONNECTIONS)]
    number = 0
    for _ in range(rounds):
        for sock in sockets:
            # 61 shares no factor with 200: every app has its turn, far from its neighbour's.
            sock.sendall(REQUEST.format(host=host(number * 61 % apps)).encode())
            number += 1
        for sock in sockets:
            answer = b""
            while not answer.endswith(b"ok\n"):
                part = sock.recv(65536)
                assert part, f"port {port} hung up after {answer!r}"
                answer += part
            assert answer.startswith(b"HTTP/1.1 200"), answer
    for sock in sockets:
        sock.close()
    return number


def control(flag: str, pid: int) -> None:
    subprocess.run(["callgrind_control", flag, str(pid)], check=True, capture_output=True)


def count(stage: Stage, conf: Path, port: int, apps: int, ready: Callable[[], None]) -> float:
    """Return the instructions for each request of one nginx process with this configuration."""
    out = stage.run / f"callgrind-{port}"
    process = stage.spawn(
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
        "nginx", "-g", "master_process off;", "-e", "stderr", "-c", str(conf),
        core=router_stage.PROXY_CORE,
    )  # fmt: skip
    ready()
    send(port, apps, WARM)
    control("-z", process.pid)
    began = time.monotonic()
    sent = send(port, apps, ROUNDS)
    control("-d", process.pid)
    control("-z", process.pid)
    time.sleep(time.monotonic() - began)  # what timers alone do in that time is no request's
    control("-d", process.pid)
    router_stage.stop(process)
    return (total(Path(f"{out}.1")) - total(Path(f"{out}.2"))) / sent


def total(dump: Path) -> int:
    """Return the instructions of one dump."""
    found = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
    assert found, f"no total in {dump}"
    return int(found[1])


def as_root(conf: Path) -> Path:
    conf.write_text("user root;\n" + conf.read_text())
    return conf


def plain(stage: Stage, port: int) -> float:
    conf = as_root(router_stage.write_plain(stage, port))
    return count(stage, conf, port, 1, lambda: router_stage.wait_for_port(ADDRESS, port, 120))


def router(stage: Stage, port: int, apps: int, edit: Edit | None = None, **more: object) -> float:
    conf = router_stage.write_router(stage, port, **more)
    if edit:
        conf.write_text(edit(conf.read_text()))
    return count(stage, conf, port, apps, lambda: router_stage.wait_for_routes(stage, port))


def table(stage: Stage, first_port: int) -> None:
    """Print one line for each variant as soon as it is counted."""
    ports = iter(range(first_port, first_port + 100))
    base = plain(stage, next(ports))
    print("| | instructions for each request | against plain |\n|---|---|---|")
    print(f"| plain nginx, one app | {base:,.0f} | 1.00 |", flush=True)
    whole = router(stage, next(ports), 1)
    print(f"| router, one app | {whole:,.0f} | {whole / base:.2f} |", flush=True)
    for name, edit in LEFT_OUT.items():
        taken = router(stage, next(ports), 1, edit)
        print(f"| without {name} | {taken:,.0f} | {taken - whole:+,.0f} |", flush=True)
    for pools in (1, 16):
        for apps in (1, 200):
            taken = router(stage, next(ports), apps, keepalive_pools=pools)
            name = f"{pools} keep-alive pool{'s' * (pools > 1)}, {apps} app{'s' * (apps > 1)}"
            print(f"| router, {name} | {taken:,.0f} | {taken / base:.2f} |", flush=True)
