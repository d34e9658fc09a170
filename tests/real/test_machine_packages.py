"""A bare Debian machine gets what it needs from package archives, and checks who signed it.

HashiCorp's archive is one made here: real apt, real signatures, agents that only say their version.
"""

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reviewapps import packages
from tests.terraform.machine import docker

pytestmark = [pytest.mark.real, pytest.mark.slow]

NAME = "reviewapps-test-packages"
LIBRARY = "/usr/local/lib/reviewapps"
VERSIONS = {"nomad": "1.11.3", "consul": "1.22.7"}


@dataclass
class Archive:
    """An apt archive served over HTTP, and who asked for what."""

    folder: Path
    fingerprint: str
    url: str = ""
    asked: list[str] = field(default_factory=list)


class Handler(SimpleHTTPRequestHandler):
    """Serves the archive and writes down each request."""

    def __init__(self, archive: Archive, *arguments: Any) -> None:
        self.archive = archive
        super().__init__(*arguments, directory=str(archive.folder))

    def log_message(self, format: str, *args: Any) -> None:
        self.archive.asked.append(self.path)


def run(*command: str, folder: Path, home: Path | None = None) -> str:
    environment = os.environ | ({"GNUPGHOME": str(home)} if home else {})
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_package(folder: Path, name: str, version: str) -> None:
    """Make a package whose program says its version as the real one does."""
    root = folder / "build" / name
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: {version}-1\nArchitecture: amd64\n"
        "Maintainer: tests\nDescription: says its version\n"
    )
    program = root / "usr" / "bin" / name
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho {name.capitalize()} v{version}\n")
    program.chmod(0o755)
    run("dpkg-deb", "--build", "--root-owner-group", str(root), str(folder / "pool"), folder=folder)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def entry(folder: Path, file: Path) -> str:
    """Return what an archive's index says of a package."""
    control = run("dpkg-deb", "--field", str(file), folder=folder)
    place = file.relative_to(folder)
    return f"{control}Filename: {place}\nSize: {file.stat().st_size}\nSHA256: {sha256(file)}\n"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder, home = tmp_path_factory.mktemp("archive"), tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    (folder / "pool").mkdir()
    for name, version in VERSIONS.items():
        make_package(folder, name, version)
    release = folder / "dists" / "bookworm" / "Release"
    index = release.parent / "main" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True)
    index.write_text("\n".join(entry(folder, file) for file in (folder / "pool").iterdir()))
    release.write_text(
        "Codename: bookworm\nComponents: main\nArchitectures: amd64\nSHA256:\n"
        f" {sha256(index)} {index.stat().st_size} main/binary-amd64/Packages\n"
    )
    key = ["--batch", "--passphrase", "", "--quick-generate-key", "archive@test", "rsa3072", "sign"]
    run("gpg", *key, folder=folder, home=home)
    run("gpg", "--clearsign", "--output", "InRelease", "Release", folder=release.parent, home=home)
    (folder / "gpg").write_text(run("gpg", "--armor", "--export", folder=folder, home=home))
    told = run("gpg", "--list-keys", "--with-colons", folder=folder, home=home)
    fingerprint = next(line.split(":")[9] for line in told.splitlines() if line.startswith("fpr"))
    made = Archive(folder, fingerprint)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, made))
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    run("gpgconf", "--kill", "all", folder=folder, home=home)
    server.shutdown()
    server.server_close()


@pytest.fixture
def machine(archive: Archive) -> Iterator[None]:
    """A machine that has nothing but Debian's smallest set of packages."""
    if os.geteuid():
        pytest.skip("needs root")
    remove()
    docker(
        "run",
        "--detach",
        f"--name={NAME}",
        "--network=host",
        "debian:bookworm-slim",
        "sleep",
        "900",
    )
    docker("exec", NAME, "mkdir", "-p", LIBRARY, "/etc/reviewapps")
    docker("cp", f"{packages.folder('terraform')}/machines/common/.", f"{NAME}:{LIBRARY}")
    yield
    remove()


def remove() -> None:
    with suppress(AssertionError):
        docker("rm", "--force", NAME)


def install(archive: Archive, key: str) -> subprocess.CompletedProcess[str]:
    """Run the script's first part with an archive and the key it has to be signed with."""
    lines = [f"HASHICORP_ARCHIVE={archive.url}", f"HASHICORP_KEY={key}", "ROLE=node"]
    lines += [f"{name.upper()}_VERSION={version}" for name, version in VERSIONS.items()]
    docker("exec", "-i", NAME, "tee", "/etc/reviewapps/machine.env", text="\n".join(lines))
    archive.asked.clear()
    command = ["docker", "exec", NAME, "bash", f"{LIBRARY}/machine.sh", "packages"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_bare_machine_installs_what_a_node_needs_once(machine: None, archive: Archive) -> None:
    done = install(archive, archive.fingerprint)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, version in VERSIONS.items():
        assert f"v{version}" in docker("exec", NAME, name, "version")
    assert docker("exec", NAME, "apt-mark", "showhold").split() == sorted(VERSIONS)
    docker("exec", NAME, "python3", "-c", "import boto3")
    docker("exec", NAME, "docker-credential-ecr-login", "version")
    docker("exec", NAME, "dockerd", "--version")
    again = install(archive, archive.fingerprint)
    assert again.returncode == 0
    assert archive.asked == [], "a second run asked the archive"
    assert again.stdout.splitlines() == [
        "reviewapps: reading /etc/reviewapps/machine.env",
        "reviewapps: packages for a node",
    ]


def test_an_archive_with_another_s_key_is_refused(machine: None, archive: Archive) -> None:
    done = install(archive, "798AEC654E5C15428C8E42EEAA16FCBCA621E701")
    assert done.returncode == 1
    assert f"is {archive.fingerprint}, not 798AEC654E5C" in done.stderr
    assert "/gpg" in archive.asked
    assert not [path for path in archive.asked if "pool" in path or "dists" in path]
    missing = docker("exec", NAME, "bash", "-c", "command -v nomad consul || echo neither")
    assert missing == "neither\n"
