"""Draws progress: each step live on a terminal, plain lines elsewhere, JSON lines on request."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reviewapps.cli.screen import plain
from reviewapps.progress import Event, Report, sentence

SIGNS = {"started": "…", "waiting": "…", "done": "✓", "failed": "✗"}
ASCII_SIGNS = {"started": "-", "waiting": "-", "done": "+", "failed": "x"}
COLOURS = {"started": "cyan", "waiting": "cyan", "done": "green", "failed": "red"}
DRAWINGS_PER_SECOND = 8


@contextlib.contextmanager
def drawing(as_json: bool) -> Iterator[Report]:
    """Lend a function that shows events while the block runs."""
    try:
        with _way(as_json) as draw:
            yield draw
    except KeyboardInterrupt:
        click.echo("Stopped. The same command goes on from here.", err=True)
        raise


@contextlib.contextmanager
def _way(as_json: bool) -> Iterator[Report]:
    if as_json:
        yield lambda event: click.echo(json.dumps({"event": asdict(event)}))
    elif is_terminal():
        with Board(Console(), time.monotonic) as board:
            yield board.draw
    else:
        yield lambda event: click.echo(plain(sentence(event)))


def is_terminal() -> bool:
    """Say whether somebody watches who can see lines change."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Board:
    """The steps of a run, one line each, with the time that runs on."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.events: dict[str, tuple[Event, float]] = {}
        self.lock = threading.Lock()
        self.signs = SIGNS if console.encoding.lower().startswith("utf") else ASCII_SIGNS
        self.live = Live(
            console=console,
            get_renderable=self.table,
            refresh_per_second=DRAWINGS_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> "Board":
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.refresh()
        self.live.__exit__(None, None, None)

    def draw(self, event: Event) -> None:
        """Show what is new of a step."""
        with self.lock:
            self.events[event.step] = (event, self.clock())

    def table(self) -> Table:
        """Return the board as it is now: a line a step, cut to the width; a failure whole."""
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(no_wrap=True, width=1)
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right", width=8)
        table.add_column(overflow="ellipsis", ratio=1)
        with self.lock:
            rows = list(self.events.values())
        for event, at in rows:
            over = event.state in ("done", "failed")
            seconds = event.seconds if over else event.seconds + self.clock() - at
            colour = COLOURS[event.state]
            failed = event.state == "failed"
            detail = "" if event.state == "done" else plain(event.detail)
            table.add_row(
                Text(self.signs[event.state], style=colour),
                Text(event.step),
                Text(f"{seconds:.1f} s"),
                Text(
                    detail,
                    style="red" if failed else "dim",
                    no_wrap=not failed,
                    overflow="fold" if failed else "ellipsis",
                ),
            )
        return table
