"""The administrator's password at a database server, which AWS may renew at any moment."""

import time
from collections.abc import Callable
from typing import TypeVar

ROTATION_SECONDS = 5.0  # from the server's change until the secret follows
ASK_AGAIN_SECONDS = 0.2
T = TypeVar("T")


class MasterPassword:
    """Asked for when it is first needed, and again when the server refuses it.

    With `rotates` a refusal may mean that AWS has changed the server and not yet the secret, so
    that it is asked for again and again for some seconds; else once.
    """

    def __init__(self, ask: Callable[[], str], *, rotates: bool) -> None:
        self._ask = ask
        self._patience_seconds = ROTATION_SECONDS if rotates else 0.0
        self._known: str | None = None

    def log_in(self, login: Callable[[str], T], is_refusal: Callable[[Exception], bool]) -> T:
        """Return what `login` returns for the password; raise its error when none is taken."""
        deadline = time.monotonic() + self._patience_seconds
        is_second = False
        if self._known is None:
            self._known = self._ask()
        while True:
            try:
                return login(self._known)
            except Exception as error:
                is_late = time.monotonic() >= deadline
                if not is_refusal(error) or (is_second and is_late):
                    raise
                fresh = self._ask()
                is_same = fresh == self._known
                if is_same and is_late:
                    raise
                if is_same or is_second:
                    time.sleep(ASK_AGAIN_SECONDS)
                self._known, is_second = fresh, True
