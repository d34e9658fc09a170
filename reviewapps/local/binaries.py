"""Finds Nomad and Consul: on PATH when new enough, else built once from their pinned Go modules."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reviewapps import packages
from reviewapps.errors import Failed, ReviewAppsError, UserError

CACHE = Path("~/.cache/reviewapps/bin")
VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
SAY_SECONDS = 15
GO_NEEDED = (1, 26)


@dataclass(frozen=True)
class Program:
    """A program that the cluster needs, its version floor and where its Go module comes from."""

    name: str
    version: str

    @property
    def package(self) -> str:
        """The Go package of its main function."""
        return f"github.com/hashicorp/{self.name}"

    @property
    def cached(self) -> Path:
        """Where a built program stays, outside of every work tree."""
        return CACHE.expanduser() / f"{self.name}-{self.version}"


PROGRAMS = {
    "nomad": Program("nomad", "1.11.3"),
    "consul": Program("consul", "1.22.7"),
}


def print_line(line: str) -> None:
    """Print a line of progress."""
    print(line, flush=True)


def ensure(name: str, say: Callable[[str], None] = print_line) -> Path:
    """Return the program's path; build it when this machine has none that is new enough."""
    program = PROGRAMS[name]
    found = shutil.which(name)
    if found and is_enough(version_of(Path(found)), program.version):
        return Path(found)
    if version_of(program.cached) != program.version:
        build(program, say)
    return program.cached


def version_of(file: Path) -> str:
    """Return what the program says its version is, "" when it can't be run."""
    try:
        done = subprocess.run([file, "version"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    found = VERSION.search(done.stdout)
    return ".".join(found.groups()) if found else ""


def is_enough(version: str, floor: str) -> bool:
    """Say whether `version` is at least `floor`, both as in `1.11.3`."""
    return bool(version) and numbers(version) >= numbers(floor)


def numbers(version: str) -> list[int]:
    """Return the parts of a version as numbers."""
    return [int(part) for part in version.split(".")]


def build(program: Program, say: Callable[[str], None]) -> None:
    """Build the program from `tools/`; it appears in the cache whole or not at all."""
    require_go(program)
    started = time.monotonic()
    say(f"building {program.name} {program.version} from its Go module (once, about 4 minutes)")
    program.cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reviewapps-go-") as scratch:
        module = Path(scratch) / program.name
        shutil.copytree(packages.folder("tools") / program.name, module)
        result = Path(scratch) / "result"
        flags = ["-trimpath", "-mod=readonly", "-ldflags=-s -w"]
        follow(["go", "build", *flags, "-o", str(result), program.package], module, program, say)
        scratch_file = program.cached.with_suffix(f".{os.getpid()}")
        shutil.copy(result, scratch_file)
        scratch_file.replace(program.cached)
    say(f"{program.name} built in {time.monotonic() - started:.0f} s")


def follow(command: list[str], folder: Path, program: Program, say: Callable[[str], None]) -> None:
    """Run the build, say now and then that it goes on, and raise with its last lines."""
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as build_process,
    ):
        while True:
            try:
                code = build_process.wait(SAY_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"  … {program.name}: {time.monotonic() - started:.0f} s")
            except BaseException:
                build_process.terminate()
                raise
        output.seek(0)
        last = output.read().splitlines()[-20:]
    if code:
        raise Failed(
            f"{program.name} {program.version} did not build",
            details="\n".join(last),
            hint=f"put {program.name} {program.version} or newer on PATH",
        )


def require_go(program: Program) -> None:
    """Raise UserError, naming both ways out, when Go is absent or too old."""
    go = shutil.which("go")
    way_out = f"install Go 1.26 (https://go.dev/dl), or put {program.name} on PATH"
    if not go:
        raise UserError(
            f"this machine has no {program.name} {program.version} and no Go to build it with",
            hint=way_out,
        )
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", told.stdout)
    if found and tuple(map(int, found.groups())) < GO_NEEDED:
        raise UserError(
            f"building {program.name} needs Go 1.26, and this is {told.stdout.strip()}",
            hint=way_out,
        )


def main() -> int:
    """Print each program's path; build what is missing, with the progress on standard error."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        for name in PROGRAMS:
            print(ensure(name, say), flush=True)
    except ReviewAppsError as error:
        say("\n".join([error.message, getattr(error, "details", ""), f"  Next: {error.hint}"]))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
