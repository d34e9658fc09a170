"""What the machine's own apt says of Debian, and how an image is set up with it and slimmed."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from reviewapps.errors import Failed, UserError

RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What a mirror or proxy needs of apt's settings, told by the machine's own.
COPIED = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)
UNWANTED = """
    usr/share/man usr/share/info usr/share/locale usr/share/groff usr/share/lintian usr/share/linda
    var/cache/apt var/cache/debconf/templates.dat-old var/cache/ldconfig/aux-cache
    var/lib/apt/lists var/log etc/resolv.conf etc/hostname
"""
DPKG = """\
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/groff/*
path-exclude=/usr/share/lintian/*
force-unsafe-io
"""
APT = """\
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""


def install(*packages: str, say: Callable[[str], None]) -> None:
    """Install the packages that are missing, when this is a Debian machine and we are root."""
    missing = [package for package in packages if not installed(package)]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() or not shutil.which("apt-get"):
        raise UserError(f"this machine lacks {names}", hint=f"as root: apt-get install {names}")
    say(f"installing {names}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *missing]
    for again in (False, True):
        if again:
            subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=False)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    raise UserError(
        f"can't install {names}: {done.stderr.strip().splitlines()[-1:]}",
        hint=f"as root: apt-get update && apt-get install {names}",
    )


def installed(package: str) -> bool:
    """Say whether a Debian package is installed here."""
    if not shutil.which("dpkg-query"):
        return False
    found = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout == "installed"


def targets() -> dict[str, str]:
    """Return release → address for the Debian archives of bookworm that the machine uses."""
    if not shutil.which("apt-get"):
        return {}
    form = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)"
    told = subprocess.run(
        ["apt-get", "indextargets", f"--format={form}", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    rows = [line.split(" ") for line in told.splitlines() if line.count(" ") == 3]
    return {
        release: address.rstrip("/")
        for origin, address, release, component in rows
        if origin == "Debian" and component == "main" and release.startswith(RELEASE)
    }


def mirror() -> str:
    """Return the Debian mirror that the machine uses, "" for debootstrap's own choice."""
    return targets().get(RELEASE, "")


def proxies() -> dict[str, str]:
    """Return apt's proxy as debootstrap takes it, from the environment."""
    address = apt_setting("Acquire::http::Proxy")
    return {"http_proxy": address} if address else {}


def apt_setting(name: str) -> str:
    """Return one of apt's settings, or "" when it is not set."""
    if not shutil.which("apt-config"):
        return ""
    told = subprocess.run(
        ["apt-config", "dump", "--format=%v%n", name], capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


def configure(root: Path) -> None:
    """Write the settings of dpkg and apt into the image: small, and with the machine's mirrors."""
    archives = targets()
    if RELEASE not in archives:
        archives = archives_of(used_by_debootstrap(root))
    sources = "".join(
        f"deb [signed-by={KEYRING}] {address} {release} main\n"
        for release, address in archives.items()
    )
    settings = {name: apt_setting(name) for name in COPIED}
    copied = "".join(f'{name} "{value}";\n' for name, value in settings.items() if value)
    write(root / "etc/apt/sources.list", sources)
    write(root / "etc/apt/apt.conf.d/reviewapps", APT + copied)
    write(root / "etc/dpkg/dpkg.cfg.d/reviewapps", DPKG)
    write(root / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)


def used_by_debootstrap(root: Path) -> str:
    """Return the mirror that debootstrap took and wrote into the image."""
    for line in (root / "etc/apt/sources.list").read_text().splitlines():
        match = re.match(rf"deb (?:\[.*\] )?(\S+) {RELEASE} ", line)
        if match:
            return match[1].rstrip("/")
    raise Failed("debootstrap wrote no mirror into the image", hint="debootstrap --version")


def archives_of(mirror: str) -> dict[str, str]:
    """Return release → address where only Debian's own mirror is known: all lie beside it."""
    return {
        RELEASE: mirror,
        f"{RELEASE}-updates": mirror,
        f"{RELEASE}-security": f"{mirror}-security",
    }


def slim(root: Path) -> None:
    """Remove what an image does not need: documents, translations, caches, the machine's name."""
    for name in UNWANTED.split():
        path = root / name
        if is_folder(path):
            for inner in path.iterdir():
                shutil.rmtree(inner) if is_folder(inner) else inner.unlink()
        else:
            path.unlink(missing_ok=True)
    for path in (root / "usr/share/doc").rglob("*"):
        if not path.is_dir() and path.name != "copyright":
            path.unlink()
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)


def is_folder(path: Path) -> bool:
    """Say whether this is a folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file into the image."""
    path.write_text(text)
    path.chmod(mode)
