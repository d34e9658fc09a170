"""Small real HTTP apps that say their name and what they were sent; some misbehave on purpose."""

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.router.processes import eventually

NODE = "127.0.9.1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_lock = threading.Lock()
_next_port = 20000


def place(address: str = NODE) -> int:
    """Return a port in the range of the nodes that nobody listens on."""
    global _next_port  # noqa: PLW0603 - one counter for all tests of this process
    with _lock:
        while True:
            _next_port = 20001 + (_next_port - 20000) % 11900
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind((address, _next_port))
                except OSError:
                    continue
            return _next_port


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True
    app: "App"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    served = False

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def answer(self) -> None:
        app = self.server.app
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        app.requests.append((self.command, self.path, dict(self.headers.items()), body))
        if self.headers.get("Upgrade") == "websocket":
            self.echo_socket()
            return
        if app.one_per_connection and self.served:
            self.close_connection = True  # as an app that closes just when the next request comes
            return
        self.served = True
        special = app.paths.get(self.path.split("?")[0])
        if special:
            special(self)
            return
        self.send(
            200,
            json.dumps(
                {
                    "app": app.name,
                    "method": self.command,
                    "path": self.path,
                    "headers": dict(self.headers.items()),
                    "length": len(body),
                    "digest": hashlib.sha256(body).hexdigest(),
                }
            ).encode(),
            {"Content-Type": "application/json", **app.headers},
        )

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            for line in value.split("\n"):
                self.send_header(name, line)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def echo_socket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        self.wfile.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self.close_connection = True
        self.server.app.sockets += 1
        try:
            while True:
                head = self.rfile.read(2)
                if len(head) < 2 or head[0] & 15 == 8:
                    return
                size = head[1] & 127
                mask = self.rfile.read(4)
                data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))
                self.wfile.write(bytes([head[0], size]) + data)
        finally:
            self.server.app.sockets -= 1


class App:
    """One app on one port."""

    def __init__(self, name: str, port: int | None = None, address: str = NODE) -> None:
        self.name = name
        self.address = address
        self.port = port or place(address)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.headers: dict[str, str] = {}
        self.paths: dict[str, Callable[[Handler], None]] = {}
        self.sockets = 0
        self.one_per_connection = False
        self.server: Server | None = None

    @property
    def place(self) -> str:
        return f"{self.address}:{self.port}"

    def start(self) -> "App":
        self.server = Server((self.address, self.port), Handler)
        self.server.app = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def wait_for_requests(self, number: int) -> None:
        eventually(lambda: len(self.requests) >= number)


def reset(handler: Handler) -> None:
    """Close the connection hard before any answer, as a crashing app does."""
    handler.connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )
    handler.close_connection = True
    handler.connection.close()


def slow(seconds: float) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        time.sleep(seconds)
        handler.send(200, b"late but here")

    return answer
