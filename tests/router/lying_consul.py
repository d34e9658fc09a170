"""A Consul that tells the truth until told to lie: 500s, cut chunks, silence, false indexes."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.router.processes import ADDRESS, free_port

Lie = Callable[["Handler", str], bool]
"""What happens instead of an answer to a watch; gives False to let the truth through."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    consul: "LyingConsul"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def send(self, status: int, body: bytes, **headers: str) -> None:
        consul = self.server.consul
        self.send_response(status)
        named = {"X_Consul_Index": str(consul.index), "X_Consul_KnownLeader": "true"} | headers
        for name, value in named.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        consul = self.server.consul
        key = urlsplit(self.path).path.removeprefix("/v1/kv/")
        if not consul.refuse_writes:
            consul.written[key] = body.decode()
            self.send(200, b"true")
        else:
            self.send(500, b"No cluster leader")

    def do_GET(self) -> None:
        consul = self.server.consul
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True)
        prefix = url.path.removeprefix("/v1/kv/")
        asked = int(query.get("index", ["0"])[0])
        consul.asked.append((prefix, asked, "consistent" in query))
        if "recurse" in query:
            wait = float(query.get("wait", ["0s"])[0].rstrip("s"))
            consul.wait_past(asked, wait)
            for lie in list(consul.lies):
                if lie(self, prefix):
                    return
        rows = consul.rows(prefix)
        if "keys" in query:
            consul.wait_past(asked, float(query.get("wait", ["0s"])[0].rstrip("s")))
            rows = consul.rows(prefix)
            self.send(200 if rows else 404, json.dumps([row["Key"] for row in rows]).encode())
        else:
            self.send(200 if rows else 404, json.dumps(rows).encode() if rows else b"")


class LyingConsul:
    """Holds keys, answers watches, and lies when a lie is in `lies`."""

    def __init__(self) -> None:
        self.address = f"{ADDRESS}:{free_port()}"
        self.keys: dict[str, tuple[str, int]] = {}
        self.written: dict[str, str] = {}
        self.index = 10
        self.lies: list[Lie] = []
        self.asked: list[tuple[str, int, bool]] = []
        self.refuse_writes = False
        self.changed = threading.Condition()
        self.server: Server | None = None

    def start(self) -> "LyingConsul":
        host, _, port = self.address.partition(":")
        self.server = Server((host, int(port)), Handler)
        self.server.consul = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def put(self, key: str, value: Any) -> None:
        with self.changed:
            self.index += 1
            text = value if isinstance(value, str) else json.dumps(value)
            self.keys[key] = (text, self.index)
            self.changed.notify_all()

    def delete(self, key: str) -> None:
        with self.changed:
            self.index += 1
            self.keys.pop(key, None)
            self.changed.notify_all()

    def wake(self) -> None:
        """Let all pending watches return, as after a change."""
        with self.changed:
            self.index += 1
            self.changed.notify_all()

    def wait_past(self, asked: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self.changed:
            while asked and self.index <= asked and time.monotonic() < deadline:
                self.changed.wait(deadline - time.monotonic())

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        return [
            {"Key": key, "Value": base64.b64encode(value.encode()).decode(), "ModifyIndex": index}
            for key, (value, index) in sorted(self.keys.items())
            if key.startswith(prefix)
        ]


def raw(data: bytes, then_hang: bool = False) -> Lie:
    """Answer with these bytes and close, or keep silent with the connection open."""

    def lie(handler: Handler, prefix: str) -> bool:
        handler.close_connection = True
        handler.wfile.write(data)
        handler.wfile.flush()
        if then_hang:
            time.sleep(30)
        return True

    return lie


def status(code: int, **headers: str) -> Lie:
    def lie(handler: Handler, prefix: str) -> bool:
        handler.send(code, b"No cluster leader", **headers)
        return True

    return lie


def truth_with(**headers: str) -> Lie:
    """The right body under wrong headers."""

    def lie(handler: Handler, prefix: str) -> bool:
        rows = handler.server.consul.rows(prefix)
        handler.send(200 if rows else 404, json.dumps(rows).encode(), **headers)
        return True

    return lie


def body(text: bytes) -> Lie:
    def lie(handler: Handler, prefix: str) -> bool:
        handler.send(200, text)
        return True

    return lie


def reset_connection(handler: Handler, prefix: str) -> bool:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()
    return True


HEAD = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 99999\r\nX-Consul-KnownLeader: true\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NO_KEYS = HEAD.replace(b"200 OK", b"404 Not Found") + b"Content-Length: 0\r\n\r\n"
EMPTY_LIST = HEAD + b"Content-Length: 2\r\n\r\n[]"

LIES: dict[str, Lie] = {
    "status 500": status(500),
    "status 503": status(503),
    "status 403": status(403),
    "status 429": status(429),
    "redirect": status(301, Location="/elsewhere"),
    "404 without a leader": status(404, X_Consul_KnownLeader="false"),
    "wrong known leader": truth_with(X_Consul_KnownLeader="false"),
    "no known leader": truth_with(X_Consul_KnownLeader=""),
    "no index": truth_with(X_Consul_Index=""),
    "index zero": truth_with(X_Consul_Index="0"),
    "index negative": truth_with(X_Consul_Index="-5"),
    "index no number": truth_with(X_Consul_Index="many"),
    "index fraction": truth_with(X_Consul_Index="1.5"),
    "cut in a chunk": raw(CHUNKED + b"ff\r\n[{"),
    "cut between chunks": raw(CHUNKED + b"2\r\n[{\r\n"),
    "chunk without end": raw(CHUNKED + b"2\r\n[]xx\r\n0\r\n\r\n"),
    "chunk size garbage": raw(CHUNKED + b"zz\r\n[]\r\n0\r\n\r\n"),
    "endless chunk size": raw(CHUNKED + b"ffffffffff\r\n[]"),
    "cut in the body": raw(HEAD + b"Content-Length: 500\r\n\r\n[{"),
    "neither length nor chunks": raw(HEAD + b"\r\n[]"),
    "cut in the headers": raw(b"HTTP/1.1 200 OK\r\nX-Consul-In"),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9\r\n"),
    "nothing": raw(b""),
    "hang at once": raw(b"", then_hang=True),
    "hang in the headers": raw(b"HTTP/1.1 200 OK\r\nX-Cons", then_hang=True),
    "hang in a chunk": raw(CHUNKED + b"ff\r\n[{", then_hang=True),
    "hang in the body": raw(HEAD + b"Content-Length: 500\r\n\r\n[{", then_hang=True),
    "reset": reset_connection,
    "an empty list": raw(EMPTY_LIST),
    "no JSON": body(b"<html>proxy error</html>"),
    "JSON of another form": body(b'{"a": 1}'),
    "JSON null": body(b"null"),
    "rows of another form": body(b'[{"Kei": "x"}, 7]'),
    "row without index": body(b'[{"Key": "x", "Value": "eA=="}]'),
    "cut JSON": body(b'[{"Key": "x", "Value"'),
    "many headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n"),
}
