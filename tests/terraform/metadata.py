"""EC2's metadata service, version 2 only, for several machines told apart by their address."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Metadata:
    """What the service says to each address; without an entry it answers 404, as AWS does."""

    url: str = ""
    tokens: set[str] = field(default_factory=set)
    said: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def spot_notice(self, address: str) -> None:
        """Tell a machine that it ends in two minutes."""
        notice = {"action": "terminate", "time": "2026-11-21T12:00:00Z"}
        self.said[address]["spot/instance-action"] = json.dumps(notice)


class Handler(BaseHTTPRequestHandler):
    """Answers as IMDSv2 does: no token, no answer."""

    metadata: Metadata

    def do_PUT(self) -> None:
        """Give a session token."""
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
            self.answer(400, "")
            return
        token = secrets.token_hex(8)
        self.metadata.tokens.add(token)
        self.answer(200, token)

    def do_GET(self) -> None:
        """Answer a question about the machine that asks."""
        if self.headers.get("X-aws-ec2-metadata-token") not in self.metadata.tokens:
            self.metadata.refused.append(self.path)
            self.answer(401, "")
            return
        path = self.path.removeprefix("/latest/meta-data/")
        text = self.metadata.said.get(self.client_address[0], {}).get(path)
        self.answer(404 if text is None else 200, text or "")

    def answer(self, code: int, text: str) -> None:
        """Send plain text."""
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def metadata_service(address: str) -> Iterator[Metadata]:
    """Run the service at an address that the machines reach."""
    state = Metadata()
    handler = type("Bound", (Handler,), {"metadata": state})
    server = ThreadingHTTPServer((address, 0), handler)
    state.url = f"http://{address}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
