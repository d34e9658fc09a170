"""Writes what processes wrote: whole lines, each to the stream it came from, tame on a terminal."""

import json
import sys
import threading
from typing import Any, BinaryIO

import click

from reviewapps.cli.screen import plain, tame


class Output:
    """Our two streams. Piped, a process's bytes go through as they are."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._source = ""
        self._writing = threading.Lock()

    def write(self, kind: str, text: str) -> None:
        """Write text that came from a process's `kind`, stdout or stderr."""
        stream: Any = sys.stderr if kind == "stderr" else sys.stdout
        if stream.isatty():
            stream.write(tame(text))
        else:
            binary: BinaryIO = stream.buffer
            stream.flush()
            binary.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()

    def line(self, source: str, kind: str, line: bytes) -> None:
        """Write one line of a process; with a heading when it is another one than the last's."""
        text = line.decode("utf-8", "replace" if self._decodes(kind) else "surrogateescape")
        with self._writing:
            if self.as_json:
                body = {"allocation": source, "stream": kind, "line": text.rstrip("\r\n")}
                click.echo(json.dumps(body))
                return
            if self._source and source != self._source:
                self.heading(source[:8])
            self._source = source
            self.write(kind, text)

    def heading(self, text: str) -> None:
        """Say on the standard error whose lines follow."""
        self.note(f"==> {text} <==")

    def note(self, text: str) -> None:
        """Say something of our own on the standard error."""
        click.echo(click.style(plain(text), dim=True), err=True)

    def _decodes(self, kind: str) -> bool:
        return self.as_json or (sys.stderr if kind == "stderr" else sys.stdout).isatty()


def tail(text: str, lines: int) -> str:
    """Return the last lines of a text, the last one ended."""
    return (
        "".join(_ended(line) for line in text.splitlines(keepends=True)[-lines:]) if lines else ""
    )


def _ended(line: str) -> str:
    return line if line.endswith("\n") else line + "\n"
