"""A remote that fails, hangs or answers half is an error, and never a shorter list of branches."""

from pathlib import Path

import pytest

from reviewapps.clients import git
from reviewapps.errors import ServiceError
from tests import repositories
from tests.lying_remote import advertisement, answering, listing, silent

SMART = "application/x-git-upload-pack-advertisement"
NAMES = [f"deploy-{number}" for number in range(5)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repositories.make(tmp_path / "shop", {"app.rb": "puts 1\n"})
    for name in NAMES:
        repositories.git(tmp_path / "shop", "branch", name)
    repositories.git(tmp_path / "shop", "remote", "add", "origin", "nowhere")
    return tmp_path / "shop"


def ask(repository: Path, url: str) -> list[str]:
    repositories.git(repository, "remote", "set-url", "origin", url)
    return git.remote_branches(repository)


def test_a_whole_answer_is_read_whole(repository: Path) -> None:
    with answering(advertisement(repository), kind=SMART) as url:
        assert ask(repository, url) == [*NAMES, "main"]
    with answering(listing(repository)) as url:
        assert ask(repository, url) == [*NAMES, "main"]


@pytest.mark.parametrize("where", ["within a name", "between two names", "before the first"])
@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_that_breaks_off_is_an_error(
    repository: Path, where: str, announced: bool
) -> None:
    """Git's protocol ends with a mark of its own, so a cut is seen whatever HTTP says."""
    whole = advertisement(repository)
    name = whole.index(b"refs/heads/deploy-3")
    ends = {
        "within a name": name + 14,
        "between two names": whole.rindex(b"\n", 0, name) + 1,
        "before the first": whole.index(b"0000") + 4,
    }
    length = len(whole) if announced else None
    with (
        answering(whole[: ends[where]], kind=SMART, length=length) as url,
        pytest.raises(ServiceError, match="the remote origin cannot be asked"),
    ):
        ask(repository, url)


def test_a_plain_file_server_that_breaks_off_is_an_error_when_it_announced_the_length(
    repository: Path,
) -> None:
    whole = listing(repository)
    with (
        answering(whole[:200], length=len(whole)) as url,
        pytest.raises(ServiceError, match="transfer closed"),
    ):
        ask(repository, url)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_refusal_is_an_error(repository: Path, status: int) -> None:
    with answering(b"no", status=status) as url, pytest.raises(ServiceError):
        ask(repository, url)


def test_a_page_of_a_proxy_is_an_error_or_names_no_branch(repository: Path) -> None:
    """No branch at all is what prune takes for a fault."""
    page = b"<html>\n<p>Please log in</p>\n</html>\n"
    with answering(page, kind="text/html") as url, pytest.raises(ServiceError, match="not valid"):
        ask(repository, url)
    with answering(page.replace(b"\n", b""), kind="text/html") as url:
        assert ask(repository, url) == []


def test_nobody_there_is_an_error_and_shows_no_token(repository: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        ask(repository, "https://x-access-token:ghs_secret@127.0.0.1:1/shop.git")
    assert "ghs_secret" not in caught.value.message
    with pytest.raises(ServiceError):
        ask(repository, str(repository / "gone"))


def test_a_remote_that_hangs_is_an_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "REMOTE_SECONDS", 1)
    with silent() as url, pytest.raises(ServiceError, match="did not answer within 1 s"):
        ask(repository, url)


def test_a_remote_that_is_not_set_up_is_an_error(repository: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        git.remote_branches(repository, "upstream")
    assert caught.value.message == (
        "the remote upstream cannot be asked for its branches: "
        "'upstream' does not appear to be a git repository"
    )
    with pytest.raises(ServiceError):
        git.remote_branches(repository, "--upload-pack=touch hacked")
    assert not list(repository.glob("hacked*"))
