"""The live board: a line a step, cut to the terminal's width, a failure whole and red."""

import io
from typing import Literal

from rich.console import Console

from reviewapps.cli.live import Board
from reviewapps.progress import Event, State

AT = "2026-11-21T09:16:32.224Z"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(width: int, *events: Event, later: float = 0.0, colour: bool = False) -> str:
    """Return the board after these events, as it stands on a terminal of this width."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    system: Literal["standard"] | None = "standard" if colour else None
    console = Console(file=out, width=width, force_terminal=colour, color_system=system)
    clock = Clock()
    board = Board(console, clock)
    for event in events:
        board.draw(event)
    clock.now += later
    console.print(board.table())
    out.seek(0)
    return out.read()


def event(step: str, state: State, detail: str = "", seconds: float = 1.0) -> Event:
    return Event(AT, step, state, detail, seconds)


def test_each_step_is_one_line_in_the_order_in_which_they_began() -> None:
    text = drawn(
        60,
        event("redis", "started", "the job is not there", 0.0),
        event("image", "waiting", "building"),
        event("redis", "done", "", 2.72),
    )
    assert [line.rstrip() for line in text.splitlines()] == [
        "✓  redis     2.7 s",
        "…  image     1.0 s  building",
    ]


def test_the_time_of_what_is_not_over_runs_on() -> None:
    events = (event("image", "waiting", "building"), event("redis", "done"))
    text = drawn(60, *events, later=9.5)
    assert "10.5 s" in text.splitlines()[0]
    assert "1.0 s" in text.splitlines()[1]


def test_a_long_detail_is_cut_to_the_width() -> None:
    text = drawn(40, event("unicorn", "waiting", "waiting for its health check: " + "x" * 99))
    (line,) = text.splitlines()
    assert len(line.rstrip()) == 40
    assert line.rstrip().endswith("…")


def test_a_failure_is_red_and_told_whole() -> None:
    cause = "it crashed with exit code 1; its last words: no such setting"
    text = drawn(40, event("unicorn", "failed", cause), colour=True)
    assert "\x1b[31m✗" in text
    words = " ".join(drawn(40, event("unicorn", "failed", cause)).split())
    assert words == "✗ unicorn 1.0 s " + cause


def test_nothing_of_an_app_moves_the_cursor_or_is_taken_for_markup() -> None:
    text = drawn(80, event("migrate", "waiting", "\x1b[2J[red]100%[/red]"))
    assert "\\x1b[2J[red]100%[/red]" in text


def test_a_terminal_too_narrow_for_anything_still_draws() -> None:
    assert drawn(8, event("unicorn", "waiting", "waiting for it to be healthy"))
