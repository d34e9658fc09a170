"""Starts and ends the processes of a cluster; each writes who it is before it becomes its program.

A pid alone may belong to somebody else tomorrow, so the pid file also holds the start time and the
boot: `<pid> <start> <boot id>`. Helpers that an agent leaves behind are known by the marker that
they inherit in their environment.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reviewapps.errors import Failed

MARKER = "REVIEWAPPS_LOCAL"
BOOT = Path("/proc/sys/kernel/random/boot_id")
START = 19  # field 22 of /proc/PID/stat, counted after the name, which may hold spaces
# The file appears whole, by a rename, before the program runs; so a kill leaves no unknown process.
WRITE_AND_BECOME = """
file=$1; shift
read -r boot </proc/sys/kernel/random/boot_id
line=$(cat /proc/$$/stat)
set_start() { start=${20}; }
set_start ${line##*) }
echo "$$ $start $boot" >"$file.new" && mv "$file.new" "$file" && exec "$@"
"""


@dataclass(frozen=True)
class Process:
    """A long-running process of a cluster, known by the folder that it keeps its files in."""

    name: str
    folder: Path
    namespace: str = ""

    @property
    def pid_file(self) -> Path:
        """Where the process wrote who it is."""
        return self.folder / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    def pid(self) -> int:
        """Return the pid of the running process, 0 when it does not run."""
        try:
            pid, start, boot = self.pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return 0
        same = boot == BOOT.read_text().strip() and start == start_time(int(pid))
        return int(pid) if same else 0

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start the program in the background; it outlives us and has no terminal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        enter = ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []
        wrapper = ["/bin/sh", "-c", WRITE_AND_BECOME, "sh", str(self.pid_file)]
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [*enter, *wrapper, *command],
                env={
                    **plain_environment(),
                    MARKER: str(self.folder / self.name),
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        while not self.pid_file_of(child.pid):
            if child.poll() is not None:
                raise Failed(f"{self.name} did not start", details=self.tail())
            time.sleep(0.01)

    def pid_file_of(self, pid: int) -> bool:
        """Say whether the pid file was written by `pid`."""
        return self.pid() == pid

    def stop(self, seconds: float = 20) -> bool:
        """End the process, gently first; return whether it ran."""
        pid = self.pid()
        if pid:
            end(pid, lambda: self.pid() == pid, seconds)
        self.pid_file.unlink(missing_ok=True)
        return bool(pid)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def wait(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the process is ready; say why when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if not self.pid():
                raise Failed(f"{self.name} ended", details=self.tail(), hint=f"see {self.log}")
            if time.monotonic() > deadline:
                raise Failed(
                    f"{self.name} was not ready after {seconds:.0f} seconds",
                    details=self.tail(),
                    hint=f"see {self.log}",
                )
            time.sleep(0.05)


def end(pid: int, is_running: Callable[[], bool], seconds: float) -> None:
    """Ask the process to end, and kill it when it has not ended in time."""
    for what, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            reap(pid)
            if not is_running():
                return
            time.sleep(0.02)


def reap(pid: int) -> None:
    """Take note of a child's end, when it is our child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def start_time(pid: int) -> str:
    """Return when the process started, in ticks since boot; "" when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[START]


def end_marked(folder: Path) -> None:
    """End what processes of `folder` or below left behind, such as Nomad's log collectors."""
    for pid in marked(folder):
        start = start_time(pid)
        if start:
            end(pid, lambda pid=pid, start=start: start_time(pid) == start, 5)  # type: ignore[misc]


def marked(folder: Path) -> list[int]:
    """Return the pids of all processes that carry the marker of `folder` or a folder below."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            place = marker(entry)
            if place and Path(place).is_relative_to(folder):
                found.append(int(entry.name))
    return found


def marker(entry: Path) -> str:
    """Return the marker in a process's environment, "" when it has none."""
    try:
        variables = (entry / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    start = f"{MARKER}=".encode()
    return next((v[len(start) :].decode() for v in variables if v.startswith(start)), "")


def plain_environment() -> dict[str, str]:
    """Return the few variables that an agent needs; AWS_CA_BUNDLE would stop Nomad."""
    path = os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {"PATH": path, "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8"}
