"""What reviewapps asks of git: the commit of a branch, the branches, and a commit's files.

Branch names come from strangers, so they are only ever looked up as whole refs: a name like
`main~3` or `--output=x` is a name here, never an expression or an option.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from reviewapps.errors import NotFound, ServiceError, UserError

# A git hook runs its children with these set; they would point us at another repository.
FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
REMOTE_SECONDS = 60
# What git adds whatever the reason was.
ALWAYS_SAID = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)
PLACES = ("refs/heads/", "refs/remotes/origin/")


def commit_of(repository: Path, branch: str) -> str:
    """Return the full commit id of the local branch, else of `origin/<branch>`."""
    git_dir(repository)
    if "\0" in branch or run(repository, "check-ref-format", f"refs/heads/{branch}").returncode:
        raise UserError(
            f"{branch!r} can't be the name of a git branch",
            hint="git branch --all lists the branches",
        )
    for place in PLACES:
        found = run(repository, "show-ref", "--verify", "--hash", "--", place + branch)
        if found.returncode == 0:
            return found.stdout.strip()
    raise NotFound(
        f"{repository} has no branch {branch!r}, neither its own nor from origin",
        hint="git fetch origin, then git branch --all",
    )


def branches(repository: Path, prefix: str = "") -> list[str]:
    """Return the names of the local branches and of origin's, sorted, each once."""
    refs = lines(check(repository, "for-each-ref", "--format=%(refname)", *PLACES))
    names = {ref.removeprefix(place) for ref in refs for place in PLACES if ref.startswith(place)}
    return sorted(name for name in names - {"HEAD"} if name.startswith(prefix))


def remote(repository: Path, name: str = "origin") -> str:
    """Return the URL of a remote, "" when there is none."""
    return run(repository, "remote", "get-url", "--", name).stdout.strip()


def identity(repository: Path, name: str = "origin") -> str:
    """Return what a remote's URLs have in common, such as `github.com/acme/shop`.

    However it is reached (ssh, https, with a token), the repository is the same; "" without one.
    """
    url = remote(repository, name)
    short = re.fullmatch(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)", url)
    full = re.fullmatch(r"[a-z+]+://(?:[^@/]*@)?([^/:]*)(?::\d+)?/(.*)", url, re.IGNORECASE)
    match = full or short
    if not match:
        return str((repository / url).resolve()).removesuffix(".git") if url else ""
    host, path = match[1].lower(), match[2].strip("/").removesuffix(".git")
    if host == "github.com":  # where Acme/Shop and acme/shop are the same
        path = path.lower()
    return f"{host}/{path}"


def remote_branches(repository: Path, name: str = "origin") -> list[str]:
    """Return the names of the branches that the remote has now, sorted; it is asked, not a copy.

    Raises ServiceError when the remote does not answer or the answer breaks off.
    """
    try:
        done = run(repository, "ls-remote", "--heads", "--", name, timeout_seconds=REMOTE_SECONDS)
    except subprocess.TimeoutExpired as error:
        message = f"the remote {name} did not answer within {REMOTE_SECONDS} s"
        raise ServiceError(message, hint=f"git ls-remote --heads {name}") from error
    if done.returncode:
        raise ServiceError(
            f"the remote {name} cannot be asked for its branches: {reason(done)}",
            hint=f"git ls-remote --heads {name}",
        )
    found = [line.split("\t", 1) for line in lines(done.stdout)]
    if not all(len(each) == 2 and each[1].startswith("refs/heads/") for each in found):
        raise ServiceError(f"the remote {name} answered with something else than its branches")
    return sorted(each[1].removeprefix("refs/heads/") for each in found)


def submodules(repository: Path, commit: str) -> list[str]:
    """Return the paths at which `commit` holds submodules."""
    tree = check(repository, "ls-tree", "-r", "-z", "--full-tree", commit)
    entries = (entry.split("\t", 1) for entry in tree.split("\0") if entry)
    return [path for about, path in entries if about.startswith("160000 ")]


def objects(repository: Path, commit: str, paths: Sequence[str]) -> list[str]:
    """Return the id of each path's files at `commit`, "" for a path that is not there."""
    return [
        run(
            repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}"
        ).stdout.strip()
        for path in paths
    ]


def file_at(folder: Path, commit: str, name: str) -> str | None:
    """Return the text that the file `name` of this folder has at `commit`, None without one."""
    found = run(folder, "rev-parse", "--verify", "--quiet", f"{commit}:./{name}")
    if found.returncode:
        return None
    return check(folder, "cat-file", "blob", found.stdout.strip()).removeprefix("\ufeff")


def checkout(repository: Path, commit: str, folder: Path) -> None:
    """Write the files of `commit` into the empty `folder`, whatever the work tree looks like.

    Unlike `git archive` this leaves out nothing for `export-ignore`: the image is built from what
    a clone would have.
    """
    index = folder.with_name(folder.name + ".index")
    own = {
        "GIT_DIR": str(git_dir(repository)),
        "GIT_WORK_TREE": str(folder),
        "GIT_INDEX_FILE": str(index),
    }
    plain = ("-c", "core.sparseCheckout=false", "-c", "core.autocrlf=false")
    try:
        check(folder, *plain, "read-tree", commit, environment=own)
        check(folder, *plain, "checkout-index", "--all", "--quiet", environment=own)
    finally:
        index.unlink(missing_ok=True)


def git_dir(repository: Path) -> Path:
    """Return where the repository keeps its objects; a folder that is no repository is an error."""
    if not repository.is_dir():
        raise UserError(f"{repository} is not a folder", hint="give the path of a git repository")
    found = run(repository, "rev-parse", "--absolute-git-dir")
    if found.returncode:
        raise UserError(
            f"git can't use {repository}: {reason(found)}",
            hint="run this inside the project's git repository",
        )
    return Path(found.stdout.strip())


def check(
    repository: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    text: str = "",
) -> str:
    """Run git and return its output; raise ServiceError with git's own words when it fails."""
    done = run(repository, *arguments, environment=environment, text=text)
    if done.returncode:
        raise ServiceError(f"git {arguments[0]} failed in {repository}: {reason(done)}")
    return done.stdout


def run(
    repository: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    text: str = "",
    timeout_seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run git in `repository` with `text` on its input, and return what came of it."""
    ours = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    ours |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})}
    try:
        return subprocess.run(
            ["git", "-C", str(repository), *arguments],
            env=ours,
            input=text,
            capture_output=True,
            check=False,
            timeout=timeout_seconds,
            encoding="utf-8",
            errors="surrogateescape",
            umask=0o022,  # Docker's build cache compares modes, so they must not vary with the user
        )
    except FileNotFoundError as error:
        raise UserError("git is not installed", hint="apt-get install git") from error
    except UnicodeEncodeError as error:
        raise UserError(f"{arguments[-1]!r} can't be written as bytes for git") from error


def lines(output: str) -> list[str]:
    """Return git's lines; `splitlines` would also break at U+2028, which a branch may have."""
    return [line for line in output.split("\n") if line]


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that says something of its own, without its `fatal:`."""
    said = [line for line in done.stderr.splitlines() if line.strip()]
    own = [line for line in said if line.strip() not in ALWAYS_SAID] or said
    return own[-1].removeprefix("fatal: ") if own else f"exit code {done.returncode}"
