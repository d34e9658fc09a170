"""Where a command runs: the project file above it and the git branch that is checked out."""

from pathlib import Path

from reviewapps.cli.names import PREFIX, nearest, without_ref
from reviewapps.clients import git
from reviewapps.errors import NotFound, UserError
from reviewapps.project import Project, parse


def here(name: str) -> Path | None:
    """Return the file of this name in this folder or above, never outside the git repository."""
    start = Path.cwd()
    for folder in (start, *start.parents):
        if (folder / name).is_file():
            return (folder / name).relative_to(start) if folder == start else folder / name
        if (folder / ".git").exists():
            return None
    return None


def current_branch(folder: Path) -> str:
    """Return the branch that is checked out; raises UserError on a detached HEAD."""
    git.git_dir(folder)
    found = git.run(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    if found.returncode:
        raise UserError(
            "no branch is checked out here (HEAD is detached), so it has to be named",
            hint="reviewapps deploy BRANCH",
        )
    return found.stdout.strip()


def commit_of(folder: Path, branch: str) -> str:
    """Return the branch's commit; the error for an unknown branch names the near ones."""
    try:
        return git.commit_of(folder, branch)
    except NotFound as error:
        known = git.branches(folder)
        if not known:
            raise UserError(
                f"the repository {folder} has no commit yet",
                hint="commit the project first: git add . && git commit",
            ) from error
        near = nearest(branch, known)
        if near:
            raise NotFound(error.message, hint=f"reviewapps deploy {near}") from error
        raise


def require_covered(project: Project, branch: str, folder: Path, place: Path) -> None:
    """Raise UserError when a branch gets no review app, with what may have been meant."""
    if project.covers(branch):
        return
    short = without_ref(branch)
    known = git.branches(folder)
    for meant in (short, PREFIX + short):
        if project.covers(meant) and meant in known:
            hint = f"reviewapps deploy {meant}"
            break
    else:
        hint = f"change `branches` in {place}, or deploy another branch: git branch --all"
        if branch in known and project.covers(PREFIX + branch):
            hint = f"rename it (git branch -m {branch} {PREFIX}{branch}), or change `branches`"
    raise UserError(
        f"the branch {branch!r} gets no review app: {place} covers {project.branches}", hint=hint
    )


def is_checked_out(folder: Path, branch: str) -> bool:
    """Say whether the work tree is of this branch."""
    found = git.run(folder, "symbolic-ref", "--quiet", "HEAD")
    return found.returncode == 0 and found.stdout.strip("\n") == f"refs/heads/{branch}"


def project_at(place: Path, commit: str) -> Project | None:
    """Return the project as `commit` has it in this place, None when it has no file there."""
    text = git.file_at(place.resolve().parent, commit, place.name)
    return None if text is None else parse(text, f"{place} of {commit[:12]}")


def unsaved(folder: Path, branch: str) -> bool:
    """Say whether the work tree is of this branch and has changes that no commit has."""
    if not is_checked_out(folder, branch):
        return False
    return bool(git.run(folder, "status", "--porcelain", "--untracked-files=no").stdout.strip())
