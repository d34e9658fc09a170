"""Containers for tests, on the machine's own network, removed at the end of the block."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from reviewapps.clients.docker import Docker
from reviewapps.local import images

SECONDS = 60
T = TypeVar("T")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


@contextmanager
def running(name: str, *arguments: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Run one of the local images, or any tag, and give the container."""
    tag = images.ensure(Docker(), name, print) if name in images.RECIPES else name
    command = ["run", "--detach", "--network=host", "--label=reviewapps-test", *options, tag]
    container = docker(*command, *arguments).strip()
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def eventually(look: Callable[[], T], container: str) -> T:
    """Return what `look` returns as soon as it does not raise."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return look()
        except Exception:
            if time.monotonic() > deadline:
                print(docker("logs", container))
                raise
            time.sleep(0.1)
