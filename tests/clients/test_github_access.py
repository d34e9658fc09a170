"""Which repository and which token GitHub is spoken to with."""

import pytest

from reviewapps.clients.github_access import access, repository_of


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("https://github.com/acme/shop.git", "acme/shop"),
        ("https://github.com/acme/shop", "acme/shop"),
        ("https://x-access-token:secret@github.com/acme/shop.js.git\n", "acme/shop.js"),
        ("ssh://git@github.com/acme/shop.git", "acme/shop"),
        ("https://github.com.evil.test/acme/shop", ""),
        ("https://evil.test/github.com/acme/shop", ""),
        ("git@gitlab.com:acme/shop.git", ""),
        ("/srv/git/shop.git", ""),
        ("https://github.com/acme/shop/../../evil", ""),
        ("", ""),
    ],
)
def test_a_remote_names_a_repository(remote: str, repository: str) -> None:
    assert repository_of(remote) == repository


def test_without_a_token_nothing_is_told() -> None:
    assert access({}, "git@github.com:acme/shop.git") is None
    assert access({"GITHUB_TOKEN": ""}, "git@github.com:acme/shop.git") is None


def test_elsewhere_nothing_is_told() -> None:
    assert access({"GITHUB_TOKEN": "t"}, "/srv/git/shop.git") is None


def test_the_environment_comes_first() -> None:
    environment = {
        "GITHUB_TOKEN": "t",
        "GITHUB_REPOSITORY": "acme/fork",
        "GITHUB_API_URL": "http://127.0.0.1:9/",
    }
    github = access(environment, "git@github.com:acme/shop.git")
    assert github
    assert (github.repository, github.api, github.token) == ("acme/fork", "http://127.0.0.1:9", "t")


def test_by_default_it_is_github_itself() -> None:
    github = access({"GITHUB_TOKEN": "t"}, "git@github.com:acme/shop.git")
    assert github
    assert (github.repository, github.api) == ("acme/shop", "https://api.github.com")
