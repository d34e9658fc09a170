"""Our terminal in the hands of another program: raw mode, its size, and its keys as bytes."""

import contextlib
import os
import select
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Protocol

CHUNK = 65536


class Taker(Protocol):
    """Whoever takes the keys."""

    def send(self, data: bytes) -> None:
        """Take bytes."""

    def close_input(self) -> None:
        """Take the end."""

    def resize(self, rows: int, columns: int) -> None:
        """Take a new size."""


@contextlib.contextmanager
def raw(file: int) -> Iterator[None]:
    """Hand every key on as it is, Ctrl-C too, and put the terminal right at the end."""
    before = termios.tcgetattr(file)
    try:
        tty.setraw(file, termios.TCSADRAIN)  # what was typed ahead is not lost
        yield
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


class Pump:
    """Copies a file's bytes and the terminal's size to a taker, in a thread, until it is left."""

    def __init__(self, taker: Taker, file: int) -> None:
        self.taker = taker
        self.file = file
        self._read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)

    def __enter__(self) -> "Pump":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        os.write(self._write_end, b"q")
        self._thread.join(timeout=1)

    def resize(self) -> None:
        """Tell the size anew; safe in a signal handler, since the thread does the sending."""
        os.write(self._write_end, b"w")

    def _run(self) -> None:
        sources = [self._read_end, self.file]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._read_end in ready:
                orders = os.read(self._read_end, 64)
                if b"q" in orders:
                    return
                size = os.get_terminal_size(self.file)
                self.taker.resize(size.lines, size.columns)
            if self.file in ready:
                data = self._read()
                if data:
                    self.taker.send(data)
                else:
                    self.taker.close_input()
                    sources.remove(self.file)

    def _read(self) -> bytes:
        try:
            return os.read(self.file, CHUNK)
        except OSError:  # a terminal that went away
            return b""
