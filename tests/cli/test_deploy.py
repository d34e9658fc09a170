"""`reviewapps deploy`: which branch is meant, and what people mistype, before anything is done."""

from pathlib import Path

import pytest

from reviewapps.cli import folder
from tests import repositories
from tests.cli.stand_in import consul, record, run

PROJECT = "project: guestbook\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    repositories.make(tmp_path, {"reviewapps.yml": PROJECT, "lib/app.rb": ""})
    repositories.git(tmp_path, "branch", "deploy-blue")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*arguments: str, code: int = 2, **options: object) -> tuple[str, str]:
    """Return the error's sentence and the next command that `deploy` tells."""
    result = run("deploy", *arguments, consul=options.get("consul", consul()))
    assert result.exit_code == code, result.output
    sentence, following = result.stderr.splitlines()[:2]
    return sentence.removeprefix("Error: "), following.removeprefix("  Next: ")


def test_a_branch_without_its_prefix_is_told_the_name_with_it(place: Path) -> None:
    assert told("blue") == (
        "the branch 'blue' gets no review app: reviewapps.yml covers deploy-*",
        "reviewapps deploy deploy-blue",
    )


def test_a_branch_of_origin_is_told_by_its_own_name(place: Path) -> None:
    assert told("origin/deploy-blue")[1] == "reviewapps deploy deploy-blue"


def test_a_branch_that_is_not_covered_is_told_how_it_would_be(place: Path) -> None:
    assert told("main") == (
        "the branch 'main' gets no review app: reviewapps.yml covers deploy-*",
        "rename it (git branch -m main deploy-main), or change `branches`",
    )


def test_an_unknown_branch_is_told_the_near_one(place: Path) -> None:
    assert told("deploy-bleu", code=3) == (
        f"{place} has no branch 'deploy-bleu', neither its own nor from origin",
        "reviewapps deploy deploy-blue",
    )


def test_a_url_of_no_app_is_not_taken_for_a_branch_to_rename(place: Path) -> None:
    sentence, following = told("http://nothing.localhost:8080/")
    assert sentence.startswith("the branch 'http://nothing.localhost:8080/' gets no review app")
    assert following == (
        "change `branches` in reviewapps.yml, or deploy another branch: git branch --all"
    )


@pytest.mark.parametrize("name", ["gone-ajjyeh", "http://gone-ajjyeh.localhost:8080/posts"])
def test_slug_and_url_of_an_app_mean_its_branch(place: Path, name: str) -> None:
    known = consul(record("deploy-gone", "gone-ajjyeh"))
    sentence, _ = told(name, code=3, consul=known)
    assert sentence.startswith(f"{place} has no branch 'deploy-gone'")


def test_the_branch_that_is_checked_out_is_the_usual_one(place: Path) -> None:
    repositories.git(place, "switch", "--quiet", "deploy-blue")
    assert folder.current_branch(place) == "deploy-blue"
    repositories.git(place, "switch", "--quiet", "main")
    assert told()[0].startswith("the branch 'main' gets no review app")


def test_on_a_detached_head_the_branch_has_to_be_named(place: Path) -> None:
    repositories.git(place, "switch", "--quiet", "--detach")
    assert told() == (
        "no branch is checked out here (HEAD is detached), so it has to be named",
        "reviewapps deploy BRANCH",
    )


def test_a_repository_without_commits_is_told_to_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories.git(tmp_path, "init", "--quiet", "--initial-branch=deploy-new")
    (tmp_path / "reviewapps.yml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    assert told() == (
        f"the repository {tmp_path} has no commit yet",
        "commit the project first: git add . && git commit",
    )


def test_outside_of_any_project_the_next_commands_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence, following = told("deploy-blue")
    assert sentence == f"there is no project file reviewapps.yml in {tmp_path}"
    assert following == (
        "cd into the project's repository, or write one there with reviewapps init; "
        "--project names one elsewhere"
    )


def test_a_project_outside_of_git_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reviewapps.yml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    assert told("deploy-blue")[1] == "run this inside the project's git repository"


def test_the_project_file_is_found_from_a_folder_below(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / "lib")
    assert folder.here("reviewapps.yml") == place / "reviewapps.yml"


def test_the_project_file_of_an_outer_repository_is_not_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = place / "vendor" / "other"
    repositories.make(inner, {"file": ""})
    monkeypatch.chdir(inner)
    assert folder.here("reviewapps.yml") is None


def test_faults_of_the_project_file_are_told_together(place: Path) -> None:
    (place / "reviewapps.yml").write_text("project: Guest Book\nunicron: {}\n")
    sentence, _ = told("deploy-blue")
    assert sentence == "reviewapps.yml has 2 faults:"


def test_only_changes_of_the_branch_that_is_checked_out_count_as_unsaved(place: Path) -> None:
    assert not folder.unsaved(place, "main")
    (place / "lib/app.rb").write_text("changed")
    assert folder.unsaved(place, "main")
    assert not folder.unsaved(place, "deploy-blue")


WITH_FAULT = "project: guestbook\nmemory: 3\n"


def on_branch(place: Path, branch: str, text: str | None) -> None:
    """Give a branch another project file, or none, and check out `main` again."""
    repositories.git(place, "switch", "--quiet", branch)
    if text is None:
        (place / "reviewapps.yml").unlink()
    repositories.commit(place, {} if text is None else {"reviewapps.yml": text})
    repositories.git(place, "switch", "--quiet", "main")


def test_a_branch_that_is_not_checked_out_brings_its_own_project_file(place: Path) -> None:
    on_branch(place, "deploy-blue", WITH_FAULT)
    result = run("deploy", "deploy-blue", consul=consul())
    assert result.exit_code == 2
    commit = repositories.git(place, "rev-parse", "deploy-blue")[:12]
    assert f"reviewapps.yml of {commit} has 1 fault:\n  line 2: memory: is not" in result.stderr


def test_a_branch_may_cover_other_branches_in_its_own_file(place: Path) -> None:
    on_branch(place, "deploy-blue", "project: guestbook\nbranches: review/*\n")
    assert told("deploy-blue")[0].endswith("reviewapps.yml covers review/*")


@pytest.mark.parametrize("below", ["", "apps/shop"])
def test_a_project_file_below_the_root_is_the_commit_s_too(place: Path, below: str) -> None:
    (place / below).mkdir(parents=True, exist_ok=True)
    (place / below / "reviewapps.yml").write_text(PROJECT)
    repositories.commit(place, {})
    repositories.git(place, "branch", "deploy-red")
    repositories.git(place, "switch", "--quiet", "deploy-red")
    repositories.commit(place, {f"{below or '.'}/reviewapps.yml": WITH_FAULT})
    repositories.git(place, "switch", "--quiet", "main")
    options = ("--project", below) if below else ()
    result = run("deploy", *options, "deploy-red", consul=consul())
    assert "memory: is not" in result.stderr


def test_a_file_that_is_named_counts_as_it_lies_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the branch's own file nor its commit's: what the user names, with its faults."""
    on_branch(place, "deploy-blue", WITH_FAULT)
    (place / "other.yml").write_text("project: guestbook\ncolour: red\n")
    result = run("deploy", "--project", "other.yml", "deploy-blue", consul=consul())
    assert "other.yml has 1 fault:\n  line 2: colour: is not" in result.stderr


def test_a_commit_without_a_project_file_takes_the_one_here(place: Path) -> None:
    on_branch(place, "deploy-blue", None)
    commit = repositories.git(place, "rev-parse", "deploy-blue")
    assert folder.project_at(place / "reviewapps.yml", commit) is None


def test_the_branch_that_is_checked_out_takes_the_work_tree_s_file(place: Path) -> None:
    repositories.git(place, "switch", "--quiet", "deploy-blue")
    (place / "reviewapps.yml").write_text(WITH_FAULT)
    result = run("deploy", "deploy-blue", consul=consul())
    assert "Error: reviewapps.yml has 1 fault" in result.stderr
