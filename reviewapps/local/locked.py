"""Lets one `up` or `down` of a cluster work at a time; a killed one frees the lock by dying."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reviewapps.errors import Conflict

LOCKS = Path("/run/lock")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cluster's lock."""
    with (LOCKS / f"reviewapps-{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another `local up` or `local down` of {name} is at work",
                hint=f"reviewapps local status --name {name}",
            ) from error
        yield
