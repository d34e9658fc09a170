"""A way to the local AWS on which some calls are refused a number of times, as AWS refuses them."""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
    "<RequestId>1</RequestId></ErrorResponse>"
)
OWN = ("connection", "content-length", "date", "server", "transfer-encoding")


@dataclass
class Trouble:
    """What is refused: for each action its code, its text, and how often (-1: always)."""

    upstream: str
    url: str = ""
    refusals: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, action: str, code: str, text: str, times: int = -1) -> None:
        """Refuse an action from now on."""
        with self.lock:
            self.refusals[action] = (code, text, times)

    def answer_to(self, action: str) -> str:
        """Return the error to answer with, "" when the call goes through."""
        with self.lock:
            code, text, times = self.refusals.get(action, ("", "", 0))
            if not code or times == self.refused[action]:
                return ""
            self.refused[action] += 1
            return ERROR.format(code=code, text=text)


class Handler(BaseHTTPRequestHandler):
    """Hands requests on, or refuses them."""

    trouble: Trouble

    def do_POST(self) -> None:
        """Hand on a call; the query protocol has its action in the body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
        error = self.trouble.answer_to(action)
        if error:
            self.answer(400, {"Content-Type": "text/xml"}, error.encode())
            return
        to = urlsplit(self.trouble.upstream)
        upstream = http.client.HTTPConnection(to.hostname or "", to.port, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            found = upstream.getresponse()
            self.answer(found.status, dict(found.getheaders()), found.read())
        finally:
            upstream.close()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

    def answer(self, code: int, headers: dict[str, str], body: bytes) -> None:
        """Send an answer."""
        self.send_response(code)
        for name, value in headers.items():
            if name.lower() not in OWN:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def troubled(upstream: str) -> Iterator[Trouble]:
    """Lend such a way to AWS; a command takes it by AWS_ENDPOINT_URL."""
    trouble = Trouble(upstream)
    handler = type("Here", (Handler,), {"trouble": trouble})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    trouble.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield trouble
    finally:
        server.shutdown()
        server.server_close()
