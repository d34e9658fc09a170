"""Only Debian's own archives are taken from the machine; a slim image keeps what it needs."""

from pathlib import Path

import pytest

from reviewapps.errors import UserError
from reviewapps.local import debian

TARGETS = """\
Debian http://mirror.example/debian/ bookworm main
Debian http://mirror.example/debian/ bookworm contrib
Debian http://mirror.example/security/ bookworm-security main
HashiCorp https://apt.example.com/ bookworm main
apt.postgresql.org http://pg.example/repos/apt/ bookworm-pgdg main
Debian http://mirror.example/debian/ trixie main
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, for scripts that stand for apt's commands."""
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    return tools


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def says(text: str) -> str:
    return "\n".join(f"echo '{line}'" for line in text.splitlines())


def test_only_debians_own_archives_are_taken_from_the_machine(machine: Path) -> None:
    script(machine, "apt-get", says(TARGETS))
    assert debian.targets() == {
        "bookworm": "http://mirror.example/debian",
        "bookworm-security": "http://mirror.example/security",
    }
    assert debian.mirror() == "http://mirror.example/debian"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folders of an image that is to be set up."""
    root = tmp_path / "root"
    for folder in ("etc/apt/apt.conf.d", "etc/dpkg/dpkg.cfg.d", "usr/sbin"):
        (root / folder).mkdir(parents=True)
    return root


def test_a_machine_that_is_not_debian_leaves_the_mirror_to_debootstrap(
    machine: Path, root: Path
) -> None:
    """What debootstrap chose stands in the image; the security updates lie beside it."""
    (root / "etc/apt/sources.list").write_text("deb http://chosen.example/debian bookworm main\n")
    assert debian.mirror() == ""
    assert debian.proxies() == {}
    debian.configure(root)
    signed = f"deb [signed-by={debian.KEYRING}] http://chosen.example"
    expected = [
        f"{signed}/debian bookworm main",
        f"{signed}/debian bookworm-updates main",
        f"{signed}/debian-security bookworm-security main",
    ]
    sources = root / "etc/apt/sources.list"
    assert sources.read_text().splitlines() == expected
    debian.configure(root)
    assert sources.read_text().splitlines() == expected, "the second time"


def test_what_a_mirror_needs_of_apt_goes_into_the_image(machine: Path, root: Path) -> None:
    script(machine, "apt-get", says(TARGETS))
    proxy = 'case "$*" in *http::Proxy) echo http://proxy.example:3128;; *Valid*) echo false;; esac'
    script(machine, "apt-config", proxy)
    debian.configure(root)

    assert (root / "etc/apt/sources.list").read_text().splitlines() == [
        f"deb [signed-by={debian.KEYRING}] http://mirror.example/debian bookworm main",
        f"deb [signed-by={debian.KEYRING}] http://mirror.example/security bookworm-security main",
    ]
    settings = (root / "etc/apt/apt.conf.d/reviewapps").read_text()
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in settings
    assert 'Acquire::Check-Valid-Until "false";' in settings
    assert "Check-Date" not in settings
    assert debian.proxies() == {"http_proxy": "http://proxy.example:3128"}


def test_slimming_keeps_licences_and_follows_no_link(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in debian.UNWANTED.split():
        if not folder.startswith("etc/"):
            (root / folder).mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("")
    (root / "usr/share/man/de").symlink_to(outside)
    (root / "usr/share/locale/de").mkdir()
    (root / "etc").mkdir()
    (root / "etc/resolv.conf").symlink_to(outside / "kept")
    licence = root / "usr/share/doc/apt/copyright"
    licence.parent.mkdir(parents=True)
    licence.write_text("GPL")
    (licence.parent / "changelog.gz").write_text("")

    debian.slim(root)

    assert (outside / "kept").exists()
    assert [path.name for path in (root / "usr/share/doc").rglob("*")] == ["apt", "copyright"]
    assert list((root / "usr/share/locale").iterdir()) == []
    assert not (root / "etc/resolv.conf").is_symlink()


def test_a_missing_package_that_cannot_be_installed_is_named(machine: Path) -> None:
    """There is no apt here, as on a machine that is not Debian."""
    with pytest.raises(UserError, match="lacks debootstrap") as caught:
        debian.install("debootstrap", say=print)
    assert caught.value.hint == "as root: apt-get install debootstrap"


def test_what_is_installed_is_not_installed_again(machine: Path) -> None:
    script(machine, "dpkg-query", "printf installed")
    script(machine, "apt-get", "exit 1")
    debian.install("debootstrap", "zlib1g", say=pytest.fail)
