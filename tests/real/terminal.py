"""A command on a real terminal of its own (a pty), as a person uses it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from typing import Any

from tests.real.apps import PATIENCE_SECONDS, Place


class Terminal:
    """One command whose screen is read and whose keys are typed; a context manager."""

    def __init__(self, place: Place, arguments: Sequence[str], *, columns: int = 100) -> None:
        self.screen = ""
        self._read_to = 0
        self._master, self._slave = pty.openpty()
        self.resize(30, columns)
        self.before = self.attributes()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reviewapps.cli", *arguments],
            cwd=place.folder,
            env=place.environment() | {"TERM": "xterm-256color"},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)
        os.close(self._slave)

    def attributes(self) -> list[Any]:
        """Return how the terminal is set: echo, line mode, signals."""
        return termios.tcgetattr(self._slave)

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size; the kernel tells the command."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def type(self, keys: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until the screen has shown the text since the last wait; return what it showed."""
        start = self._read_to
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.screen[start:]:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.screen[start:]}"
            self._read(0.2)
        self._read_to = self.screen.index(text, start) + len(text)
        return self.screen[start : self._read_to]

    def end(self) -> int:
        """Wait for the command's end and return its exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"it did not end:\n{self.screen}"
            self._read(0.2)
        self._read(0)
        return self._process.returncode

    def _read(self, seconds: float) -> None:
        while select.select([self._master], [], [], seconds)[0]:
            self.screen += os.read(self._master, 65536).decode("utf-8", "replace")
            seconds = 0
