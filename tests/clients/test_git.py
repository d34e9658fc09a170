"""Branches and commits are found by their whole names, whatever the names look like."""

from pathlib import Path

import pytest

from reviewapps.clients import git
from reviewapps.errors import NotFound, UserError
from tests import repositories
from tests.hostile import BRANCHES, LEGAL_IN_GIT


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repositories.make(tmp_path / "shop", {"app.rb": "puts 1\n"})
    return tmp_path / "shop"


def test_a_local_branch_is_preferred_to_origins(repository: Path, tmp_path: Path) -> None:
    first = git.commit_of(repository, "main")
    repositories.git(tmp_path, "clone", "--quiet", str(repository), str(tmp_path / "clone"))
    mine = repositories.commit(tmp_path / "clone", {"app.rb": "puts 2\n"})
    assert git.commit_of(tmp_path / "clone", "main") == mine != first


def test_a_branch_that_only_origin_has_is_found(repository: Path, tmp_path: Path) -> None:
    repositories.git(repository, "branch", "deploy-x")
    repositories.git(tmp_path, "clone", "--quiet", str(repository), str(tmp_path / "clone"))
    assert git.commit_of(tmp_path / "clone", "deploy-x") == git.commit_of(repository, "main")
    assert git.branches(tmp_path / "clone") == ["deploy-x", "main"]
    assert git.branches(tmp_path / "clone", "deploy-") == ["deploy-x"]


@pytest.mark.parametrize("branch", LEGAL_IN_GIT)
def test_a_hostile_name_that_git_accepts_is_only_a_name(repository: Path, branch: str) -> None:
    first = git.commit_of(repository, "main")
    repositories.git(repository, "update-ref", f"refs/heads/{branch}", first)
    repositories.commit(repository, {"app.rb": "puts 2\n"})
    assert git.commit_of(repository, branch) == first
    assert branch in git.branches(repository)


def test_no_name_is_read_as_an_option_or_an_expression(repository: Path) -> None:
    """Every hostile name is refused or not found; `main~0`, `HEAD` and `@{1}` are names too."""
    before = sorted(repository.rglob("*"))
    for branch in (*BRANCHES, "main~0", "main^{commit}", "HEAD", "@", ":/Change", "--all"):
        if branch != "main":
            with pytest.raises(UserError):
                git.commit_of(repository, branch)
    assert sorted(repository.rglob("*")) == before


def test_a_missing_branch_says_how_to_list_them(repository: Path) -> None:
    with pytest.raises(NotFound) as caught:
        git.commit_of(repository, "deploy-gone")
    assert "no branch 'deploy-gone'" in str(caught.value)
    assert "git branch --all" in caught.value.hint


def test_a_tag_is_not_taken_for_a_branch(repository: Path) -> None:
    repositories.git(repository, "tag", "deploy-v1")
    with pytest.raises(NotFound):
        git.commit_of(repository, "deploy-v1")


def test_a_folder_without_a_repository_is_the_users_to_correct(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(UserError) as caught:
            git.commit_of(folder, "main")
        assert caught.value.hint


def test_a_hooks_environment_does_not_lead_to_another_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories.make(tmp_path / "other", {"other.rb": ""})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    assert git.commit_of(repository, "main") == repositories.git(repository, "rev-parse", "HEAD")


def test_checkout_writes_the_commit_and_not_the_work_tree(repository: Path, tmp_path: Path) -> None:
    files = {"docs/a b.txt": "x", ".gitattributes": "docs export-ignore\n", "é\n.rb": "y"}
    commit = repositories.commit(repository, files)
    (repository / "app.rb").write_text("dirty")
    (repository / "untracked.rb").write_text("dirty")
    status = repositories.git(repository, "status", "--porcelain")

    tree = tmp_path / "tree"
    tree.mkdir()
    git.checkout(repository, commit, tree)

    written = {str(p.relative_to(tree)): p.read_text() for p in tree.rglob("*") if p.is_file()}
    assert written == {"app.rb": "puts 1\n", **files}
    assert repositories.git(repository, "status", "--porcelain") == status
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop", "tree"]


def test_checkout_keeps_modes_and_links(repository: Path, tmp_path: Path) -> None:
    (repository / "run").write_text("#!/bin/sh\n")
    (repository / "run").chmod(0o755)
    (repository / "link").symlink_to("/etc/passwd")
    commit = repositories.commit(repository, {})
    tree = tmp_path / "tree"
    tree.mkdir()
    git.checkout(repository, commit, tree)
    assert (tree / "run").stat().st_mode & 0o777 == 0o755
    assert (tree / "app.rb").stat().st_mode & 0o777 == 0o644
    assert (tree / "link").readlink() == Path("/etc/passwd")


def test_checkout_works_from_a_bare_repository_and_a_linked_work_tree(
    repository: Path, tmp_path: Path
) -> None:
    bare, linked = tmp_path / "bare.git", tmp_path / "linked"
    repositories.git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(bare))
    repositories.git(repository, "worktree", "add", "--quiet", "-b", "deploy-x", str(linked))
    for number, source in enumerate((bare, linked)):
        tree = tmp_path / f"tree{number}"
        tree.mkdir()
        git.checkout(source, git.commit_of(source, "main"), tree)
        assert (tree / "app.rb").read_text() == "puts 1\n"


def test_submodules_are_found(repository: Path) -> None:
    head = git.commit_of(repository, "main")
    assert git.submodules(repository, head) == []
    repositories.git(
        repository, "update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib x"
    )
    repositories.git(repository, "commit", "--quiet", "--message=Add a submodule")
    assert git.submodules(repository, git.commit_of(repository, "main")) == ["vendor/lib x"]


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("git@github.com:Acme/Shop.git", "github.com/acme/shop"),
        ("https://github.com/acme/shop", "github.com/acme/shop"),
        ("https://x-access-token:secret@github.com/acme/shop.git/", "github.com/acme/shop"),
        ("ssh://git@github.com:22/acme/shop.git", "github.com/acme/shop"),
        ("HTTPS://GitHub.com/acme/shop", "github.com/acme/shop"),
        ("git@gitlab.example.com:Team/sub/App.git", "gitlab.example.com/Team/sub/App"),
        ("https://ada:to%40ken@git.example.com:8443/App.git", "git.example.com/App"),
        ("/srv/git/shop.git", "/srv/git/shop"),
        ("file:///srv/git/shop.git", "/srv/git/shop"),
    ],
)
def test_a_repository_is_the_same_however_it_is_reached(
    repository: Path, url: str, identity: str
) -> None:
    assert git.identity(repository) == ""
    repositories.git(repository, "remote", "add", "origin", url)
    assert git.identity(repository) == identity


def test_a_branch_with_a_line_separator_in_its_name_is_one_branch(
    repository: Path, tmp_path: Path
) -> None:
    names = ["deploy-a\u2028b", "deploy-c\x85d", "main"]
    for name in names[:2]:
        repositories.git(repository, "branch", name)
    repositories.git(tmp_path, "clone", "--quiet", str(repository), str(tmp_path / "clone"))
    assert git.branches(tmp_path / "clone") == sorted(names)
    assert git.remote_branches(tmp_path / "clone") == sorted(names)
