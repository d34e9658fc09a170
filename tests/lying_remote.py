"""A git server that answers badly: through a port that cuts a real server's answer short."""

import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def advertisement(repository: Path) -> bytes:
    """Return what a smart server says first of a repository: its refs, by protocol version 0."""
    done = subprocess.run(
        ["git", "upload-pack", "--http-backend-info-refs", str(repository)],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "GIT_PROTOCOL": "version=0"},
    )
    return b"001e# service=git-upload-pack\n0000" + done.stdout


def listing(repository: Path) -> bytes:
    """Return the refs as a dumb server's file has them."""
    show = ["git", "-C", str(repository), "for-each-ref", "--format=%(objectname)%09%(refname)"]
    return subprocess.run(show, check=True, capture_output=True).stdout


@contextmanager
def answering(
    body: bytes, *, kind: str = "", length: int | None = None, status: int = 200
) -> Iterator[str]:
    """Serve one answer to everything; a `length` beyond the body's is a connection cut off."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind or "text/plain")
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/shop.git"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/shop.git"
