"""Requests as bytes, for what no HTTP client would send."""

import base64
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from tests.router.processes import ADDRESS


@dataclass
class Answer:
    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = self.headers.get(name.lower())
        return values[0] if values else None


def connect(port: int, timeout: float = 20) -> socket.socket:
    return socket.create_connection((ADDRESS, port), timeout)


def connect_tls(port: int, name: str | None, protocols: list[str] | None = None) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context.wrap_socket(connect(port), server_hostname=name)


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    parts = lines[0].split(" ")
    return Answer(int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0, headers, body)


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes, or nothing comes for the socket's timeout."""
    parts = []
    try:
        while True:
            data = sock.recv(65536)
            if not data:
                break
            parts.append(data)
    except (TimeoutError, ConnectionResetError):
        pass
    return b"".join(parts)


def ask(port: int, request: bytes, timeout: float = 20) -> Answer:
    """Send bytes, read to the end; the request should say Connection: close."""
    with connect(port, timeout) as sock:
        sock.sendall(request)
        return parse(read_all(sock))


def get(port: int, host: str, *headers: str, target: str = "/", method: str = "GET") -> Answer:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return ask(port, "\r\n".join([*lines, "", ""]).encode("latin-1"))


class WebSocket:
    """A client that speaks just enough of RFC 6455 for an echo."""

    def __init__(self, port: int, host: str, *headers: str, path: str = "/socket") -> None:
        self.sock = connect(port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers, "", "",
        ]  # fmt: skip
        self.sock.sendall("\r\n".join(lines).encode())
        self.file = self.sock.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            if not line:
                break
            head += line
        self.answer = parse(head)

    def echo(self, text: str) -> str:
        data, mask = text.encode(), os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.sock.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)
        head = self.file.read(2)
        return self.file.read(head[1] & 127).decode()

    def close(self) -> None:
        with suppress(OSError):
            self.sock.sendall(bytes([0x88, 0x80, 0, 0, 0, 0]))
        self.file.close()
        self.sock.close()
