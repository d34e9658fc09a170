"""What a step is, and what it is given to work with.

A step is a module in `reviewapps.steps` with

    NEEDS: tuple[str, ...]                       the steps that come before it
    wanted(app) -> bool                          whether the app has such a thing; pure
    missing(app, context) -> str                 what differs from the app, "" when nothing does
    apply(app, context) -> None                  make it so; may raise Waiting, Failed
    undo(app, context) -> None                   remove it; succeeds when it is gone

The engine knows no step by name. All three functions may be killed anywhere and run again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reviewapps.clients import Clients
from reviewapps.clients.nomad import Nomad
from reviewapps.review_app import ReviewApp
from reviewapps.store.held import HeldRecord


@dataclass(frozen=True)
class Context:
    """What a step works with, beside the app.

    `say` tells what is done or waited for; `check` raises when the work should stop; `source` is
    the git repository that images are built from, where there is one.
    """

    clients: Clients
    record: HeldRecord
    say: Callable[[str], None]
    check: Callable[[], None]
    source: Path | None = None

    @property
    def nomad(self) -> Nomad:
        """Return Nomad's client, which most steps work on."""
        return self.clients.nomad


class Step(Protocol):
    """The form of a step's module."""

    NEEDS: tuple[str, ...]

    def wanted(self, app: ReviewApp) -> bool:
        """Say whether the app has such a thing."""

    def missing(self, app: ReviewApp, context: Context) -> str:
        """Say what differs, "" when nothing does."""

    def apply(self, app: ReviewApp, context: Context) -> None:
        """Make it so."""

    def undo(self, app: ReviewApp, context: Context) -> None:
        """Remove it."""
