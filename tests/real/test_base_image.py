"""The base image is made where no registry answers, also after a run that was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps.clients.docker import Docker
from reviewapps.local import base_image

IMAGE = "reviewapps-test/base:bookworm"  # no registry has it, so it is always made
pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap needs root"),
]
RUN = f"""
from reviewapps.clients.docker import Docker
from reviewapps.local import base_image
print(base_image.ensure(Docker(), lambda line: print(line, flush=True), {IMAGE!r}))
"""


@pytest.fixture
def docker() -> Iterator[Docker]:
    docker = Docker()
    docker.remove(IMAGE)
    yield docker
    docker.remove(IMAGE)


def start() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)


def mounts() -> list[str]:
    place = str(base_image.WORK)
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if place in line]


def processes() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [command] if f"{base_image.WORK}/root" in command else []
    return found


def test_a_killed_run_leaves_nothing_in_the_way_of_the_next(docker: Docker) -> None:
    with start() as killed:
        assert killed.stdout
        for line in killed.stdout:
            if "Unpacking" in line or "Extracting" in line:
                break
        killed.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes() == []
    assert mounts() == []
    assert not docker.image_exists(IMAGE)

    said: list[str] = []
    assert base_image.ensure(docker, said.append, IMAGE)

    assert said[0].startswith("asking the registry")
    assert said[-1] == f"{IMAGE} made"
    assert not base_image.WORK.exists()
    assert not base_image.ensure(docker, said.append, IMAGE), "the second run does nothing"
    look = "cat /etc/os-release; ls /usr/share/man /var/log /var/lib/apt/lists; cat /etc/apt/*.list"
    command = ["docker", "run", "--rm", "--network=none", IMAGE, "sh", "-c", look]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "VERSION_CODENAME=bookworm" in shown
    assert "bookworm-security main" in shown


def test_an_image_that_is_there_costs_one_question() -> None:
    said: list[str] = []
    assert not base_image.ensure(Docker(), said.append)
    assert said == []
