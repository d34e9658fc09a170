"""Reads the files of a folder that tell how it runs; a bad one is told and passed over."""

import json
import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_BYTES = 512 * 1024


@dataclass(frozen=True)
class Folder:
    """A project's folder; `notes` grows by a sentence for each file that could not be read."""

    path: Path
    notes: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Say whether there is such a file."""
        return (self.path / name).is_file()

    def runs(self, name: str) -> bool:
        """Say whether there is such a file and it can be run as a command."""
        return self.has(name) and os.access(self.path / name, os.X_OK)

    def first(self, *names: str) -> str:
        """Return the first of these files that is there, or ""."""
        return next(filter(self.has, names), "")

    def text(self, name: str) -> str:
        """Return a file's text; "" without the file."""
        if not self.has(name):
            return ""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(MAX_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self.note(f"{name} could not be read ({type(error).__name__}) and is passed over")
            return ""

    def lines(self, name: str, comment: str = "#") -> list[str]:
        """Return a file's lines without comments and empty ones."""
        bare = (line.split(comment, 1)[0].strip() for line in self.text(name).splitlines())
        return [line for line in bare if line]

    def table(self, name: str) -> dict[str, Any]:
        """Return the values of a JSON or TOML file; none when it is missing or malformed."""
        text = self.text(name)
        try:
            values = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
        except (ValueError, RecursionError):
            if text:
                self.note(f"{name} is malformed and is passed over")
            return {}
        return values if isinstance(values, dict) else {}

    def find(self, *patterns: str) -> list[str]:
        """Return the files, sorted, that match one of the patterns, at most 50."""
        found = {
            str(path.relative_to(self.path))
            for pattern in patterns
            for path in self.path.glob(pattern)
            if path.is_file()
        }
        return sorted(found)[:50]

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def gems(folder: Folder) -> dict[str, str]:
    """Return the gems with their versions ("" when only the Gemfile names them)."""
    locked = re.findall(r"^    ([A-Za-z0-9._-]+) \(([^)]+)\)$", folder.text("Gemfile.lock"), re.M)
    named = re.findall(r"^\s*gem\s*\(?\s*['\"]([A-Za-z0-9._-]+)['\"]", folder.text("Gemfile"), re.M)
    return dict.fromkeys(named, "") | dict(locked)


def python_packages(folder: Folder) -> set[str]:
    """Return the packages that requirements, pyproject.toml or a Pipfile name, in lower case."""
    named: list[str] = []
    for file in folder.find("requirements*.txt", "requirements/*.txt"):
        named += folder.lines(file)
    project = section(folder.table("pyproject.toml"), "project")
    named += texts(project.get("dependencies"))
    poetry = section(folder.table("pyproject.toml"), "tool", "poetry", "dependencies")
    named += [*poetry, *section(folder.table("Pipfile"), "packages")]
    matches = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in named)
    return {match.group().lower().replace("_", "-") for match in matches if match}


def node_packages(folder: Folder) -> set[str]:
    """Return what package.json depends on."""
    return set(section(folder.table("package.json"), "dependencies"))


def node_scripts(folder: Folder) -> dict[str, str]:
    """Return the scripts of package.json."""
    scripts = section(folder.table("package.json"), "scripts")
    return {name: script for name, script in scripts.items() if isinstance(script, str)}


def procfile(folder: Folder) -> dict[str, str]:
    """Return the Procfile's processes with their commands."""
    pairs = (
        re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line.strip())
        for line in folder.text("Procfile").splitlines()
    )
    return {pair[1]: pair[2].strip() for pair in pairs if pair}


def section(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return the table at `keys`; an empty one when there is something else."""
    for key in keys:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return values


def texts(values: Any) -> list[str]:
    """Return the texts of a list; none when it is something else."""
    return [value for value in values if isinstance(value, str)] if is_list(values) else []


def is_list(values: Any) -> bool:
    """Say whether this is a list."""
    return isinstance(values, Iterable) and not isinstance(values, str | dict)
