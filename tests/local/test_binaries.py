"""Nomad and Consul come from PATH when new enough, else from the cache, else from Go."""

from pathlib import Path

import pytest

from reviewapps.errors import Failed, UserError
from reviewapps.local import binaries
from reviewapps.local.binaries import ensure, is_enough

VERSION = binaries.PROGRAMS["nomad"].version


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH but for the shell's; the cache is empty."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(binaries, "CACHE", tmp_path / "cache")
    return folder


def script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def go(folder: Path, build: str) -> Path:
    """A stand-in for Go: the real one takes four minutes; `make test` on a new machine runs it."""
    return script(folder / "go", f'[ "$1" = env ] && echo go1.26.8 && exit\n{build}')


BUILD = """
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho Nomad v%s\\n' 1.11.3 >"$2"; chmod +x "$2"; cat go.mod >"$2.mod"
"""


def test_a_new_enough_program_on_path_is_taken(path: Path) -> None:
    file = script(path / "nomad", "echo Nomad v1.12.0-beta1")
    assert ensure("nomad") == file


def test_an_old_program_on_path_is_not(path: Path) -> None:
    script(path / "nomad", "echo Nomad v1.9.7")
    go(path, BUILD)
    assert ensure("nomad", lambda _: None) == binaries.CACHE / f"nomad-{VERSION}"


def test_a_missing_program_is_built_once_and_said_so(path: Path) -> None:
    log = path.parent / "builds"
    go(path, f"echo once >>{log}\n{BUILD}")
    said: list[str] = []
    first, second = ensure("nomad", said.append), ensure("nomad", said.append)
    assert first == second == binaries.CACHE / f"nomad-{VERSION}"
    assert log.read_text() == "once\n"
    assert [line.partition(" in ")[0] for line in said] == [
        f"building nomad {VERSION} from its Go module (once, about 4 minutes)",
        "nomad built",
    ]
    assert [file.name for file in binaries.CACHE.iterdir()] == [f"nomad-{VERSION}"]


def test_a_half_written_program_in_the_cache_is_built_again(path: Path) -> None:
    half = binaries.CACHE / f"nomad-{VERSION}"
    half.parent.mkdir()
    half.write_bytes(b"\x7fELF")
    half.chmod(0o755)
    go(path, BUILD)
    assert binaries.version_of(ensure("nomad", lambda _: None)) == VERSION


def test_a_failed_build_tells_gos_last_lines_and_leaves_nothing(path: Path) -> None:
    go(path, "echo 'no space left on device' >&2; exit 1")
    with pytest.raises(Failed) as raised:
        ensure("nomad", lambda _: None)
    assert raised.value.details == "no space left on device"
    assert list(binaries.CACHE.iterdir()) == []


def test_without_go_one_sentence_names_both_ways_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(path))
    with pytest.raises(UserError) as raised:
        ensure("nomad")
    assert str(raised.value) == f"this machine has no nomad {VERSION} and no Go to build it with"
    assert raised.value.hint == "install Go 1.26 (https://go.dev/dl), or put nomad on PATH"


def test_an_old_go_is_named(path: Path) -> None:
    script(path / "go", "echo go1.19.8")
    with pytest.raises(UserError, match=r"needs Go 1\.26, and this is go1\.19\.8"):
        ensure("nomad")


@pytest.mark.parametrize(
    ("version", "enough"),
    [("1.11.3", True), ("1.11.10", True), ("2.0.4", True), ("1.11.2", False), ("", False)],
)
def test_versions_are_compared_as_numbers(version: str, enough: bool) -> None:
    assert is_enough(version, "1.11.3") is enough
