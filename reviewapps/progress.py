"""What a deploy tells while it works, as values that the terminal, record and pages draw."""

from collections.abc import Callable
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

State = Literal["waiting", "started", "done", "failed"]


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class Event:
    """Something that happened to a step of an app.

    `at` is an ISO time in UTC, `detail` says what is done or waited for, `seconds` how long the
    step has taken so far.
    """

    at: str
    step: str
    state: State
    detail: str = ""
    seconds: float = 0.0


Report = Callable[[Event], None]


def sentence(event: Event) -> str:
    """Return an event as a line for people."""
    took = f"{event.seconds:.1f} s"
    endings = {
        "started": f"{event.detail or 'started'}",
        "waiting": event.detail,
        "done": f"done in {took}" + (f", {event.detail}" if event.detail else ""),
        "failed": f"failed after {took}: {event.detail}",
    }
    return f"{event.step}: {endings[event.state]}"
