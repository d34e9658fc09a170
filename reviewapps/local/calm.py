"""Thins out what builders print: our own lines as they come, theirs now and then."""

import time
from collections.abc import Callable

EVERY_SECONDS = 5.0
OWN = ("building ", "asking ", "no registry ", "handing ", "installing ", "waiting ")
OWN_ENDINGS = (" built", " made", " pulled")
WIDTH = 90


def calm(
    say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[str], None]:
    """Return a `say` that shows that a long build goes on, without its whole output."""
    said_at = clock()

    def thinned(line: str) -> None:
        nonlocal said_at
        is_own = line.startswith(OWN) or line.endswith(OWN_ENDINGS)
        if is_own or clock() - said_at >= EVERY_SECONDS:
            said_at = clock()
            say(line if is_own else f"  … {line.strip()[:WIDTH]}")

    return thinned
