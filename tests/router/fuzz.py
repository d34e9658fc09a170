# ruff: noqa: E501
"""A fuzzer of the router: hostile Hosts, request lines, headers and SNI, and what must never be.

`python -m tests.router.fuzz --requests 1000000` runs a million; the seed is printed, and may be given.
"""

import argparse
import collections
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.router.apps import place
from tests.router.conftest import World
from tests.router.processes import ADDRESS, NGINX, Consul, eventually, free_port
from tests.router.raw import connect, connect_tls, read_all

SLUGS = ["first", "second", "third", "locked", "tenants"]
PIPELINE = 12
END = b"END\r\n\r\n"  # no request line: nginx answers 400 and closes, so nobody waits for a timeout
ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")
SAID = re.compile(rb"app=(\w+) host=([^\n]*)\n")
ALLOWED_5XX = {501, 505}  # nginx's words for transfer codings and versions it does not know

APPS_CONF = """
daemon off;
pid {run}/apps.pid;
error_log {run}/apps.log crit;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {run}/b1; proxy_temp_path {run}/b2; fastcgi_temp_path {run}/b3;
    scgi_temp_path {run}/b4; uwsgi_temp_path {run}/b5;
    {servers}
}}
"""

HOSTS = [
    "first.localhost", "second.localhost", "third.localhost", "locked.localhost",
    "tenants.localhost", "x.tenants.localhost", "x.first.localhost", "nobody.localhost",
    "localhost", "example.org", "127.0.0.1", "[::1]", "", "_", ".", "..", "FIRST.localhost",
    "first.localhost.", "first.localhost:80", "first.localhost:", "first.localhost:x",
    "first.localhost@second.localhost", "second.localhost#first.localhost", "first%2elocalhost",
    "first.localhost, second.localhost", "first.localhost second.localhost", "gate.sock",
    "unix:/gate.sock", "first.localhost\\second.localhost", "first.localhost/second.localhost",
    "0", "-", "x" * 300, "a." * 120 + "localhost", "__proto__", "nil", "%00", "*",
]  # fmt: skip
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get",
           "PROPFIND", "X" * 40, "G\tET", ""]  # fmt: skip
TARGETS = ["/", "/x?y=z", "*", "//", "/../..", "/.reviewapps/", "/.reviewapps/status",
           "/.reviewapps/share/x", "/.reviewapps/password", "/.reviewapps/internal/sign-in",
           "/.reviewapps/status?after=%zz", "/robots.txt", "/%00", "/%2e%2e/", "/oauth2/start", "x",
           "/" + "a" * 3000, "/\x7f", "/;", "/?" + "&" * 200, "/[[ 7*7 ]]", "/${host}"]  # fmt: skip
VERSIONS = ["HTTP/1.1"] * 12 + ["HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "http/1.1", "", "HTTP/1.1 x"]
NAMES = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded",
         "X-Reviewapps-Asked", "X-Reviewapps-Broken", "X-Reviewapps-Bypass", "X-Reviewapps-Allowed",
         "X-Original-URL", "X-Rewrite-URL", "Upgrade", "Connection", "Cookie", "Authorization",
         "Accept", "User-Agent", "Content-Length", "Transfer-Encoding", "Expect", "Range", "TE",
         "Host", "Sec-Fetch-Mode", "X-Auth-Request-User", "X-Accel-Redirect", "Proxy", "Via",
         "Accept-Encoding", "If-Modified-Since", "Content-Type", "X-" + "y" * 200]  # fmt: skip
VALUES = ["", "1", "0", "-1", "websocket", "upgrade", "close", "keep-alive", "chunked", "gzip, chunked",
          "502", "text/html", "text/event-stream", "application/json", "100-continue", "bytes=0-",
          "reviewapps=x", "__Host-reviewapps=x; a=b", "_oauth2_proxy=x", "; ; =;=x", "Basic eDp4",
          "Basic !!!", "Bearer x", "first.localhost", "127.0.0.1, 127.0.0.1", "kube-probe/1",
          "Slackbot", "a" * 4000, "\x01\x02", "é€", "%s%n%p", "'\"><script>", "{{7*7}}"]  # fmt: skip


def mangled(text: str, dice: random.Random) -> str:
    """Return the text with a few characters changed, doubled, cut or put in."""
    letters = list(text)
    for _ in range(dice.choice((0, 0, 0, 0, 1, 1, 2, 4))):
        position = dice.randrange(len(letters) + 1)
        kind = dice.randrange(3)
        if kind == 0:
            letters.insert(position, chr(dice.choice((9, 32, 37, 46, 58, 64, 92, 127, 160, 255,
                                                      dice.randrange(1, 256)))))  # fmt: skip
        elif letters and kind == 1:
            letters.pop(position % len(letters))
        elif letters:
            letters[position % len(letters)] = chr(dice.randrange(33, 127))
    return "".join(letters).replace("\n", "").replace("\r", "")


def request(dice: random.Random) -> bytes:
    """Return one hostile request; about half of them are valid."""
    host, target = dice.choice(HOSTS), dice.choice(TARGETS)
    method = dice.choice(METHODS[:7]) if dice.random() < 0.9 else dice.choice(METHODS)
    if dice.random() < 0.5:
        host, target = mangled(host, dice), mangled(target, dice)
    if dice.random() < 0.2:
        target = f"http://{mangled(dice.choice(HOSTS), dice)}{target}"
    lines = [f"{method} {target} {dice.choice(VERSIONS)}"]
    if dice.random() < 0.97:
        lines.append(f"Host: {host}")
    for _ in range(dice.choice((0, 0, 1, 2, 5))):
        name, value = dice.choice(NAMES), dice.choice(VALUES)
        lines.append(f"{mangled(name, dice)}: {mangled(value, dice)}")
    text = "\r\n".join([*lines, "", ""])
    return text.encode("latin-1", "replace")


class Fuzz:
    """What was sent and what came back."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.dice = random.Random(seed)
        self.statuses: collections.Counter[int] = collections.Counter()
        self.answers = 0
        self.faults: list[str] = []

    def judge(self, sent: bytes, data: bytes) -> int:
        """Count the answers of one connection and note what must not be."""
        statuses = [int(found) for found in ANSWER.findall(data)]
        self.statuses.update(statuses)
        for status in statuses:
            if status >= 500 and status not in ALLOWED_5XX:
                self.faults.append(f"{status} after {sent!r}")
        for app, host in SAID.findall(data):
            name = host.decode("latin-1")
            if name != f"{app.decode()}.localhost" and not name.endswith(
                f".{app.decode()}.localhost"
            ):
                self.faults.append(f"{app!r} answered for {host!r} after {sent!r}")
        self.answers += len(statuses)
        return len(statuses)

    def plain(self, number: int) -> None:
        """Send requests in small pipelines until `number` answers have come."""
        until = self.answers + number
        port = self.world.router.port
        while self.answers < until:
            sent = b"".join(request(self.dice) for _ in range(self.dice.randrange(1, PIPELINE)))
            with connect(port, 3) as sock:
                with suppress(OSError):
                    sock.sendall(sent + END)
                self.judge(sent, read_all(sock))

    def tls(self, port: int, number: int) -> None:
        """The same through TLS, with an SNI that may be another app's."""
        for _ in range(number):
            name = mangled(self.dice.choice(HOSTS[:8]), self.dice) or None
            sent = request(self.dice)
            try:
                with connect_tls(port, name) as sock:
                    sock.settimeout(0.3)
                    sock.sendall(sent + END)
                    self.judge(sent, read_all(sock))
            except (ssl.SSLError, OSError, UnicodeError, ValueError):
                continue  # refused before HTTP, which is an answer too


def build(world: World, certificate: tuple[str, str] | None = None) -> int:
    """Start apps and a router; return the TLS port, 0 without a certificate."""
    ports = {slug: place() for slug in SLUGS}
    servers = "".join(
        f"server {{ listen 127.0.9.1:{port}; location / "
        f'{{ default_type text/plain; return 200 "app={slug} host=$host\\n"; }} }}\n'
        for slug, port in ports.items()
    )
    world.folder.mkdir(parents=True, exist_ok=True)
    conf = world.folder / "apps.conf"
    conf.write_text(APPS_CONF.format(run=world.folder, servers=servers))
    world.helper = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(conf)])
    tls = free_port() if certificate else 0
    listen = {"listen_tls": (f"{ADDRESS}:{tls}",)} if certificate else {}
    if certificate:
        listen |= {"tls_certificate": certificate[0], "tls_key": certificate[1]}  # type: ignore[dict-item]
    world.start_router(**listen)
    for slug, port in ports.items():
        kind = {"kind": "closed"} if slug == "locked" else {"kind": "public"}
        world.record(slug, access=kind, subdomains=slug == "tenants")
        world.route(slug, f"127.0.9.1:{port}")
    eventually(lambda: world.router.health()["routes"] == len(SLUGS))
    eventually(lambda: world.get("first").status_code == 200)
    world.router.expected_app_errors = True
    return tls


def verdict(world: World, fuzz: Fuzz, workers: list[int]) -> list[str]:
    """Return everything that must not have happened."""
    faults = fuzz.faults[:20]
    if world.router.workers() != workers:
        faults.append("a worker has ended")
    log = world.router.error_log()
    faults += [line for line in log.splitlines() if re.search(r"lua|\[(alert|crit|emerg)\]", line)][
        :5
    ]
    allowed = re.compile(
        rf"(127\.0\.9\.1:2\d{{4}}|unix:{re.escape(str(world.router.folder))}/gate\.sock)"
    )
    for line in (world.router.folder / "access.log").open(errors="replace"):
        found = re.search(r'"upstream":"([^"]*)"', line)
        for peer in re.split(r"[ ,]+|: ", found[1] if found else ""):
            if peer.strip(" :") and not allowed.fullmatch(peer.strip(" :")):
                faults.append(f"dialled {peer!r}")
    if world.router.metrics().get("holding"):
        faults.append("requests are still held")
    return faults


def main() -> None:
    """Run the fuzzer from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-router-"))
    consul = Consul(folder / "consul")
    consul.start()
    world = World(folder, consul)
    build(world)
    workers = world.router.workers()
    fuzz = Fuzz(world, chosen.seed)
    started = time.monotonic()
    while fuzz.answers < chosen.requests and not fuzz.faults:
        fuzz.plain(min(50_000, chosen.requests - fuzz.answers))
        print(f"{fuzz.answers} answers, {time.monotonic() - started:.0f} s", file=sys.stderr)
    faults = verdict(world, fuzz, workers)
    world.helper.terminate()
    world.close()
    consul.stop()
    print(f"seed {chosen.seed}: {fuzz.answers} answers of {NGINX.name}, by status:")
    print(", ".join(f"{status}: {number}" for status, number in sorted(fuzz.statuses.items())))
    print("\n".join(faults) or "0 faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
