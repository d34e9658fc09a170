"""Makes the image that all others start from, `debian:bookworm-slim`, where a machine lacks it.

A registry is asked first. Where none answers, debootstrap makes the same from the machine's own
Debian mirror. Docker takes the image in one piece at the end, and what debootstrap mounts dies
with it, so this may be killed at any point and run again.
"""

import contextlib
import fcntl
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reviewapps.clients.docker import Docker
from reviewapps.errors import Failed, UserError
from reviewapps.local import debian

IMAGE = "debian:bookworm-slim"
ANSWER_SECONDS = 10
PULL_SECONDS = 300
WORK = Path("~/.cache/reviewapps/base-image").expanduser()


def ensure(docker: Docker, say: Callable[[str], None], image: str = IMAGE) -> bool:
    """Make the image unless the daemon has it; return whether anything had to be done."""
    if docker.image_exists(image):
        return False
    with alone(say):
        if docker.image_exists(image):  # made by whoever we waited for
            return False
        say(f"asking the registry for {image}")
        if pull(docker, image):
            say(f"{image} pulled")
            return True
        say(f"no registry answers: making {image} with debootstrap (about a minute)")
        make(docker, image, say)
        say(f"{image} made")
        return True


def pull(docker: Docker, image: str) -> bool:
    """Pull the image; False soon when no registry answers, or when it refuses."""
    process = subprocess.Popen(
        docker.command("pull", "--", image),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None  # noqa: S101 - said for the type checker
    try:
        # Docker prints its first line when the registry has answered.
        if not select.select([process.stdout], [], [], ANSWER_SECONDS)[0]:
            return False
        process.communicate(timeout=PULL_SECONDS)
        return process.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.communicate()


def make(docker: Docker, image: str, say: Callable[[str], None]) -> None:
    """Make the image with debootstrap from the machine's own Debian mirror."""
    if os.geteuid():
        raise UserError(
            f"{image} can be neither pulled nor made: making it needs root",
            hint="run this once as root, or log Docker in to a registry",
        )
    debian.install("debootstrap", "debian-archive-keyring", say=say)
    shutil.rmtree(WORK, ignore_errors=True)  # what a killed run left; its mounts went with it
    WORK.mkdir(parents=True, mode=0o700)
    root = WORK / "root"
    try:
        bootstrap(root, say)
        debian.slim(root)
        say("handing it to Docker")
        load(docker, root, image)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


def bootstrap(root: Path, say: Callable[[str], None]) -> None:
    """Fill `root` with the smallest bookworm that has apt, with today's security updates."""
    mirror = debian.mirror()
    include = ["--include=ca-certificates"] if mirror.startswith("https:") else []
    alongside = ["--variant=minbase", f"--keyring={debian.KEYRING}", *include]
    place = [str(root), mirror] if mirror else [str(root)]
    isolated(["debootstrap", *alongside, debian.RELEASE, *place], say)
    debian.configure(root)
    chroot = ["chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    isolated([*chroot, "update"], say)
    isolated([*chroot, "upgrade"], say)


def isolated(command: list[str], say: Callable[[str], None]) -> None:
    """Run in own mount and process namespaces, which end with us even when we are killed."""
    fence = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    fence += ["--kill-child", "--mount-proc"]
    last = ""
    told = time.monotonic()
    environment = {**os.environ, **debian.proxies(), "LC_ALL": "C"}
    with subprocess.Popen(
        [*fence, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                last = line.strip() or last
                if time.monotonic() - told >= 1:
                    told = time.monotonic()
                    say(last)
        except BaseException:
            process.kill()  # Ctrl-C does not reach the first process of a namespace
            raise
    if process.returncode:
        raise Failed(f"{command[0]} failed: {last}", hint="see that `apt-get update` works here")


def load(docker: Docker, root: Path, image: str) -> None:
    """Give the folder to Docker as an image; it appears whole or not at all."""
    changes = ['--change=CMD ["bash"]', "--change=LABEL reviewapps.base=debootstrap"]
    tar = ["tar", "--create", "--numeric-owner", "--one-file-system", "--directory", str(root), "."]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(tar, stdout=subprocess.PIPE, stderr=errors) as packed,
    ):
        done = docker.run("import", *changes, "-", image, stdin=packed.stdout)
    if packed.returncode or done.returncode:
        raise Failed(f"Docker did not take {image}: {done.stderr.strip()}", hint="df -h")


@contextlib.contextmanager
def alone(say: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time make the image; the others wait for it."""
    WORK.parent.mkdir(parents=True, exist_ok=True)
    with WORK.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that makes the same image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
