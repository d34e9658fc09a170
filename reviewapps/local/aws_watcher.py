"""The frame of the processes that make real things of what the local AWS says: look, act, again."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from reviewapps.errors import Failed
from reviewapps.local.cluster import Cluster, load


class Watcher(Protocol):
    """Compares and acts; the work that takes long is done in its pool."""

    @property
    def pool(self) -> Executor:
        """Where that work is done."""

    def step(self) -> None:
        """Look once, and begin what is needed."""


def follow(make: Callable[[Cluster], Watcher], look_seconds: float) -> None:
    """Follow the cluster that the command line names until told to stop."""
    cluster = load(sys.argv[1])
    if cluster is None:
        raise Failed(f"there is no cluster {sys.argv[1]}")
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    watcher = make(cluster)
    while not over.wait(look_seconds):
        watcher.step()
    watcher.pool.shutdown(wait=True, cancel_futures=True)


def say(line: str) -> None:
    """Write a line to the log."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
