"""Makes the demo's git repository: the guest book, and two branches of it that differ visibly.

Author and dates are fixed, so the same example gives the same commits on every machine. Commits
that somebody else made in the repository are left alone.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reviewapps.clients import git
from reviewapps.errors import UserError
from reviewapps.packages import folder as packaged

FOLDER = Path("~/.reviewapps/demo/guestbook")
EMAIL = "demo@reviewapps.invalid"
LOOKS = {
    "deploy-blue": {"greeting": "Hello from blue", "hue": 255},
    "deploy-green": {"greeting": "Hello from green", "hue": 150},
}
MOMENT = "2026-01-01T00:00:00Z"
FIXED = {
    "GIT_AUTHOR_NAME": "reviewapps demo",
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_AUTHOR_DATE": MOMENT,
    "GIT_COMMITTER_NAME": "reviewapps demo",
    "GIT_COMMITTER_EMAIL": EMAIL,
    "GIT_COMMITTER_DATE": MOMENT,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def ensure(folder: Path = FOLDER) -> dict[str, str]:
    """Make the repository, or what it lacks; return its branches with their commits."""
    folder = folder.expanduser()
    if not (folder / ".git").is_dir():
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is in the way of the demo", hint=f"move {folder} elsewhere")
        folder.mkdir(parents=True, exist_ok=True)
        git.check(
            folder,
            "init",
            "--quiet",
            "--initial-branch=main",
            "--template=",
            "--object-format=sha1",
            environment=FIXED,
        )
    fresh = not (folder / ".git/index").exists()
    untouched = fresh or not git.check(folder, "status", "--porcelain", environment=FIXED)
    move(folder, "main", commit_example(folder))
    for branch, look in LOOKS.items():
        add_branch(folder, branch, {"look.json": json.dumps(look) + "\n"}, f"Greet on {branch}")
    if untouched:  # the files follow the branch, unless somebody is at work on them
        git.check(folder, "reset", "--quiet", "--hard", environment=FIXED)
    return {branch: git.commit_of(folder, branch) for branch in ("main", *LOOKS)}


def add_branch(folder: Path, branch: str, files: Mapping[str, str], subject: str = "Try it") -> str:
    """Make a branch from `main` with these files changed; return its commit.

    The work tree is not touched. With `{"trouble.txt": "crash-at-boot"}` and the like, tests make
    branches that fail; the words are in the example's `lib/trouble.rb`.
    """
    with Index(folder) as index:
        index.git("read-tree", "main")
        for path, text in files.items():
            blob = index.git("hash-object", "-w", "--stdin", text=text)
            index.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        return move(folder, branch, index.commit(subject, git.commit_of(folder, "main")))


def commit_example(folder: Path) -> str:
    """Commit the example as it ships with reviewapps, as a first commit."""
    example = packaged("examples") / "guestbook"
    with Index(folder, {"GIT_WORK_TREE": str(example.resolve())}) as index:
        index.git("-c", "core.fileMode=false", "add", "--all", str(example.resolve()))
        return index.commit("Open the guest book")


def move(folder: Path, branch: str, commit: str) -> str:
    """Point the branch to our commit unless others committed there; return where it points."""
    ref = f"refs/heads/{branch}"
    found = git.run(folder, "show-ref", "--verify", "--hash", "--", ref)
    if found.returncode == 0:
        now = found.stdout.strip()
        author = git.check(folder, "show", "--no-patch", "--format=%ce", now).strip()
        if now == commit or author != EMAIL:
            return now
    git.check(folder, "update-ref", ref, commit)
    return commit


class Index:
    """An index of its own for building a commit, so that the user's index and files stay as is."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.scratch = tempfile.TemporaryDirectory(prefix="reviewapps-index-")
        self.environment = {
            **FIXED,
            "GIT_DIR": str(folder / ".git"),
            "GIT_INDEX_FILE": f"{self.scratch.name}/index",
            **(environment or {}),
        }

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.scratch.cleanup()

    def git(self, *arguments: str, text: str = "") -> str:
        """Run git on this index."""
        place = Path(self.environment.get("GIT_WORK_TREE", self.folder))
        return git.check(place, *arguments, environment=self.environment, text=text).strip()

    def commit(self, subject: str, *parents: str) -> str:
        """Commit the index and return the commit; no branch moves."""
        tree = self.git("write-tree")
        after = [argument for parent in parents for argument in ("-p", parent)]
        return self.git("commit-tree", tree, *after, text=subject + "\n")


if __name__ == "__main__":
    for name, commit in ensure().items():
        print(name, commit)
