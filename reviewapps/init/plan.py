"""Compares what `reviewapps init` proposes with the files that are there."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reviewapps import project
from reviewapps.errors import UserError
from reviewapps.init import circleci
from reviewapps.init.choices import choose
from reviewapps.init.command import Choice
from reviewapps.init.evidence import applications_below, gather, looks_like_an_application
from reviewapps.init.writing import write


@dataclass(frozen=True)
class FilePlan:
    """One file: `new` is to be written, `same` is there already, `different` stays as it is."""

    path: Path
    text: str
    state: Literal["new", "same", "different"]
    diff: str = ""


@dataclass(frozen=True)
class Plan:
    """The files, why each value was chosen, and what the user should know besides."""

    files: list[FilePlan]
    choices: list[Choice]
    notes: list[str]


def make(path: Path, shipped: str) -> Plan:
    """Return the plan for the folder at `path`; raises UserError when no application is there.

    `shipped` is the text of the CircleCI file that comes with reviewapps.
    """
    if not path.is_dir():
        raise UserError(f"there is no folder {path}", hint="give the project's folder")
    if not looks_like_an_application(path):
        raise UserError(f"no application was found in {path.resolve()}", hint=next_hint(path))
    evidence = gather(path)
    choices = choose(evidence)
    text = write(choices)
    project.parse(text)
    top = evidence.repository or evidence.folder.path
    if evidence.repository is None:
        evidence.folder.note("this folder is not in a git repository; deploys start from commits")
    files = [
        compare(evidence.folder.path / project.FILE, text),
        compare(top / circleci.FILE, circleci.fit(shipped, evidence)),
    ]
    return Plan(files, choices, evidence.folder.notes)


def next_hint(path: Path) -> str:
    """Return what to try in a folder that is no application itself."""
    below = applications_below(path)
    if not below:
        return "reviewapps init --project-dir FOLDER, or --example for the whole file"
    others = f" (also here: {', '.join(below[1:6])})" if below[1:] else ""
    return f"reviewapps init --project-dir {path / below[0]}{others}"


def compare(path: Path, text: str) -> FilePlan:
    """Return what becomes of one file."""
    if not path.exists() and not path.is_symlink():
        return FilePlan(path, text, "new")
    try:
        there = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if there.replace("\r\n", "\n") == text:
        return FilePlan(path, text, "same")
    lines = difflib.unified_diff(
        there.splitlines(),
        text.splitlines(),
        fromfile=f"{path.name} (as it is)",
        tofile=f"{path.name} (as proposed)",
        lineterm="",
    )
    return FilePlan(path, text, "different", "\n".join(lines))
