"""Small git repositories for tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PLAIN = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def git(repository: Path, *arguments: str) -> str:
    """Run git as somebody in particular and return what it prints."""
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        env={"PATH": os.environ["PATH"], **PLAIN},
        check=True,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    return done.stdout.strip()


def make(folder: Path, files: Mapping[str, str]) -> str:
    """Make a repository with one commit on `main`; return the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return commit(folder, files)


def commit(folder: Path, files: Mapping[str, str]) -> str:
    """Commit these files on the branch that is checked out; return the commit."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Change files")
    return git(folder, "rev-parse", "HEAD")
