"""What reviewapps asks of Docker, by its command line: build, look, copy and remove images."""

import json
import re
import subprocess
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from reviewapps.clients import git
from reviewapps.errors import Conflict, Failed, ServiceError, Unreachable, UserError

LABEL = "reviewapps"
USED = "reviewapps-used"  # beside an image's tag, one for each cluster of this machine that uses it
TAG = re.compile(r"[a-z0-9][a-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
KEPT_LINES = 30


def ignore(_line: str) -> None:
    """Forget a line of output."""


@dataclass(frozen=True)
class Image:
    """An image of ours: its tag, its id and the commit it was built from."""

    tag: str
    digest: str
    commit: str


@dataclass(frozen=True)
class Docker:
    """One Docker daemon; `host` is empty for the one that the environment names."""

    host: str = ""
    build_network: str = ""

    def image_exists(self, tag: str) -> bool:
        """Say whether the daemon has the image."""
        return self.inspect(tag) is not None

    def digest(self, tag: str) -> str:
        """Return the image's id, `sha256:…`; a missing image is an error."""
        found = self.inspect(tag)
        if found is None:
            raise UserError(f"there is no image {tag}", hint="docker image ls")
        return str(found["Id"])

    def images(self, slug: str) -> list[Image]:
        """Return the images that were built for the app, sorted by tag."""
        tags = [each for each in self.tags(slug) if not each.startswith(f"{USED}/")]
        return [image for image in map(self.image, tags) if image]

    def tags(self, slug: str) -> list[str]:
        """Return all tags of the app's images, with those that say which cluster uses one."""
        label = f"label={LABEL}.slug={slug}"
        found = self.check("image", "ls", "--filter", label, "--format", "{{json .}}")
        rows = [json.loads(line) for line in found.splitlines()]
        named = [row for row in rows if row["Tag"] != "<none>"]
        return sorted(f"{row['Repository']}:{row['Tag']}" for row in named)

    def image(self, tag: str) -> Image | None:
        """Return what is known of an image, or None when it is gone."""
        found = self.inspect(tag)
        commit = self.labels(tag).get(f"{LABEL}.commit", "")
        return Image(tag, str(found["Id"]), commit) if found else None

    def labels(self, tag: str) -> dict[str, str]:
        """Return the labels of an image; none when it is missing."""
        found = self.inspect(tag) or {}
        return (found.get("Config") or {}).get("Labels") or {}

    def remove(self, tag: str) -> None:
        """Remove the image's tag, and the image with its last tag; succeeds when it is gone.

        Raises Conflict while a container is made from it.
        """
        done = self.run("image", "rm", "--", tag)
        if "is using its referenced image" in done.stderr:
            raise Conflict(f"a container still uses {tag}", hint="docker ps --all")
        if done.returncode and "No such image" not in done.stderr:
            raise self.error(done)

    def build(  # noqa: PLR0913 - a build has this many inputs; all but the first three are named
        self,
        repository: Path,
        commit: str,
        tag: str,
        *,
        dockerfile: str = "Dockerfile",
        context: str = ".",
        build_args: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = ignore,
        timeout_seconds: float = 3600,
    ) -> None:
        """Build `tag` from the files of `commit`, whatever the work tree looks like.

        `dockerfile` counts from the root of the repository or from `context`. Build arguments
        end in the image's history and on the command line: they are no place for secrets.
        """
        if modules := git.submodules(repository, commit):
            raise UserError(
                f"commit {commit[:12]} has git submodules ({', '.join(modules)}), and reviewapps "
                "builds only from the files of the commit itself",
                hint="copy the submodule's files into the repository, "
                "or build the image yourself and deploy it with --image",
            )
        with tempfile.TemporaryDirectory(prefix="reviewapps-build-") as scratch:
            tree = Path(scratch) / "tree"
            tree.mkdir(mode=0o755)
            git.checkout(repository, commit, tree)
            folder = inside(tree, context)
            file = inside(tree, dockerfile, f"{context}/{dockerfile}")
            self.build_folder(
                folder,
                tag,
                file=file,
                build_args=build_args,
                labels={**(labels or {}), "commit": commit},
                on_line=on_line,
                timeout_seconds=timeout_seconds,
            )

    def build_folder(  # noqa: PLR0913 - as above
        self,
        folder: Path,
        tag: str,
        *,
        file: Path | None = None,
        build_args: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = ignore,
        timeout_seconds: float = 3600,
    ) -> None:
        """Build `tag` from a folder as it lies there."""
        if not TAG.match(tag):
            raise UserError(f"{tag!r} is not the tag of an image", hint="write NAME:TAG")
        arguments = ["build", f"--tag={tag}", f"--file={file or folder / 'Dockerfile'}"]
        arguments += [f"--network={self.build_network}"] if self.build_network else []
        arguments += [f"--label={LABEL}.{key}={value}" for key, value in (labels or {}).items()]
        for name, value in (build_args or {}).items():
            if not ARGUMENT.match(name):
                raise UserError(f"{name!r} can't be the name of a build argument")
            arguments.append(f"--build-arg={name}={value}")
        last, in_time = self.follow([*arguments, "--", str(folder)], on_line, timeout_seconds)
        if not in_time:
            raise Failed(
                f"the image {tag} was not built within {timeout_seconds:.0f} s",
                details="\n".join(last or []),
                hint="raise limits.build_seconds in reviewapps.yml, or make the build quicker",
            )
        if last is not None:
            said = without_preface(last)
            raise Failed(
                f"the image {tag} did not build: {blame(said)}",
                details="\n".join(said),
                hint="correct the Dockerfile, commit, and run the same command again",
            )

    def copy(self, tag: str, other: "Docker") -> None:
        """Copy an image to another daemon, without a registry between them."""
        with subprocess.Popen(self.command("save", "--", tag), stdout=subprocess.PIPE) as save:
            loaded = other.run("load", "--quiet", stdin=save.stdout)
        if save.returncode or loaded.returncode:
            raise ServiceError(f"can't copy {tag} to {other.host}: {loaded.stderr.strip()}")

    def files(self, tag: str, directory: str) -> Iterator[tuple[str, bytes]]:
        """Yield the regular files below a directory of an image: path inside it and content.

        Nothing of the image is run. Links are passed over, whatever they lead to.
        """
        container = self.check("create", "--", tag, "none").strip()
        try:
            command = self.command("cp", "--", f"{container}:{directory}/.", "-")
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as copy:
                assert copy.stdout is not None and copy.stderr is not None  # noqa: S101
                try:
                    with tarfile.open(fileobj=copy.stdout, mode="r|") as archive:
                        for member in archive:
                            opened = archive.extractfile(member) if member.isreg() else None
                            if opened is not None:
                                yield PurePosixPath(member.name).as_posix(), opened.read()
                except tarfile.ReadError as error:
                    said = copy.stderr.read().decode("utf-8", "replace").strip()
                    raise UserError(
                        f"the image {tag} has no directory {directory}: {said}",
                        hint="correct assets.directory in reviewapps.yml",
                    ) from error
        finally:
            self.run("rm", "--force", "--", container)

    def follow(
        self, arguments: Sequence[str], on_line: Callable[[str], None], timeout_seconds: float
    ) -> tuple[list[str] | None, bool]:
        """Run docker and hand over each line; return its last ones if it failed, and if in time."""
        last: deque[str] = deque(maxlen=KEPT_LINES)
        process = subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None  # noqa: S101 - said for the type checker
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout_seconds, stop)
        timer.start()
        try:
            for line in process.stdout:
                said = COLOUR.sub("", line).rstrip()
                last.append(said)
                on_line(said)
        except BaseException:
            process.kill()  # docker stops the build when its client goes away
            raise
        finally:
            timer.cancel()
            process.stdout.close()
            code = process.wait()
        if code and any(unreachable(line) for line in last):
            raise self.silent()
        return list(last) if code else None, not late.is_set()

    def inspect(self, tag: str) -> dict[str, Any] | None:
        """Return what the daemon knows of the image, or None when it has none."""
        done = self.run("image", "inspect", "--", tag)
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout)[0]
            return found
        if "No such image" in done.stderr:
            return None
        raise self.error(done)

    def check(self, *arguments: str) -> str:
        """Run docker and return its output; raise our error when it fails."""
        done = self.run(*arguments)
        if done.returncode:
            raise self.error(done)
        return done.stdout

    def run(
        self, *arguments: str, stdin: int | IO[bytes] | None = subprocess.DEVNULL
    ) -> subprocess.CompletedProcess[str]:
        """Run docker and return what came of it."""
        try:
            return subprocess.run(
                self.command(*arguments),
                stdin=stdin,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except FileNotFoundError as error:
            raise UserError("docker is not installed", hint="reviewapps doctor") from error

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that speaks to this daemon."""
        return ["docker", *([f"--host={self.host}"] if self.host else []), *arguments]

    def error(self, done: subprocess.CompletedProcess[str]) -> ServiceError:
        """Return our error for what docker said."""
        if unreachable(done.stderr):
            return self.silent()
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return ServiceError(
            f"Docker refused: {lines[-1].removeprefix('Error response from daemon: ')}"
        )

    def silent(self) -> Unreachable:
        """Return the error for a daemon that does not answer."""
        place = f" at {self.host}" if self.host else ""
        return Unreachable(f"the Docker daemon{place} does not answer", hint="reviewapps doctor")


def unreachable(said: str) -> bool:
    """Say whether docker's words mean that no daemon answered."""
    return "Cannot connect to the Docker daemon" in said or "error during connect" in said


def inside(tree: Path, *choices: str) -> Path:
    """Return the first of the paths that exists; a symlink or `..` may not lead out of the tree."""
    for choice in choices:
        path = (tree / choice).resolve()
        if path.exists() and path.is_relative_to(tree.resolve()):
            return path
    raise UserError(
        f"the commit has no {choices[0]!r} to build from",
        hint="correct image.dockerfile or image.context in reviewapps.yml, and commit it",
    )


def without_preface(lines: Sequence[str]) -> list[str]:
    """Return the lines after those in which the old builder speaks of itself and of its upload."""
    ends = [number for number, line in enumerate(lines) if line.startswith("Sending build context")]
    return [line for line in lines[ends[-1] + 1 if ends else 0 :] if line.strip()]


def blame(lines: Sequence[str]) -> str:
    """Return the line that says why a build failed: docker puts it last."""
    said = [line for line in lines if line.strip()]
    return said[-1].strip() if said else "docker said nothing"
