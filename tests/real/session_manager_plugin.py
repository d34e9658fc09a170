#!/usr/bin/env python3
"""Stands for Session Manager's plugin: `aws ssm start-session` runs it with AWS's answer.

It listens where the real one would, and leads to the address that the answer names.
"""

import json
import os
import socket
import sys
import threading
from contextlib import suppress


def main() -> None:
    """Listen on the local port for as long as the session lasts."""
    if sys.argv[1] == "--version":
        print("1.2.764.0")
        return
    answer = json.loads(os.environ.get(sys.argv[1], sys.argv[1]))
    parameters = json.loads(sys.argv[5])["Parameters"]
    host, _, port = answer["StreamUrl"].removeprefix("tcp://").rpartition(":")
    listener = socket.create_server(("127.0.0.1", int(parameters["localPortNumber"][0])))
    serve(listener, (host, int(port)))


def serve(listener: socket.socket, target: tuple[str, int]) -> None:
    """Join each connection with one to the target, until the listener is closed."""
    with suppress(OSError):
        while True:
            here, _ = listener.accept()
            threading.Thread(target=join, args=(here, target), daemon=True).start()


def join(here: socket.socket, target: tuple[str, int]) -> None:
    """Carry one connection both ways until both sides have ended."""
    with here:
        try:
            there = socket.create_connection(target)
        except OSError:
            return
        with there:
            back = threading.Thread(target=carry, args=(there, here), daemon=True)
            back.start()
            carry(here, there)
            back.join()


def carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry what comes one way, and its end."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
