"""A port of a machine's loopback, brought here: what Session Manager does for CI."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

PIPE = """
import os, socket, sys, threading
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def back():
    while data := there.recv(65536):
        os.write(1, data)
    os.close(1)
threading.Thread(target=back).start()
while data := os.read(0, 65536):
    there.sendall(data)
there.shutdown(socket.SHUT_WR)
"""


@contextmanager
def tunnel(container: str, port: int) -> Iterator[str]:
    """Yield the address here that leads to `port` on a container's loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener, container, port), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def accept(listener: socket.socket, container: str, port: int) -> None:
    """Take connections until the listener is closed."""
    with suppress(OSError):
        while True:
            here, _ = listener.accept()
            threading.Thread(target=carry, args=(here, container, port), daemon=True).start()


def carry(here: socket.socket, container: str, port: int) -> None:
    """Carry one connection both ways."""
    command = ["docker", "exec", "-i", container, "python3", "-c", PIPE, str(port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as pipe:
        assert pipe.stdin
        assert pipe.stdout
        back = threading.Thread(target=copy_back, args=(pipe.stdout, here), daemon=True)
        back.start()
        with suppress(OSError):
            while data := here.recv(65536):
                pipe.stdin.write(data)
        pipe.stdin.close()
        back.join()
    here.close()


def copy_back(source: IO[bytes], here: socket.socket) -> None:
    """Carry what comes back."""
    with suppress(OSError):
        while data := source.read(65536):
            here.sendall(data)
        here.shutdown(socket.SHUT_WR)
