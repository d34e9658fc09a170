"""What people type for an app: branch, branch without its prefix, slug, host, URL."""

import pytest

from reviewapps.cli import names
from reviewapps.errors import UserError
from tests.cli.stand_in import record

BLUE = record()
GREEN = record("deploy-green", "green-e7xvms")
FOREIGN = record("deploy-blue", "blue-zzzzzz", project="shop")


@pytest.mark.parametrize(
    "name",
    [
        "deploy-blue",
        "blue-ajjyeh",
        "blue-ajjyeh.localhost",
        "blue-ajjyeh.localhost:8080",
        "http://blue-ajjyeh.localhost:8080/posts?page=2",
        "HTTP://BLUE-AJJYEH.LOCALHOST:8080",
    ],
)
def test_an_app_is_named_exactly_by(name: str) -> None:
    assert names.exact([BLUE, GREEN], name, "guestbook") == BLUE


@pytest.mark.parametrize(
    "name", ["blue", "origin/deploy-blue", "refs/heads/deploy-blue", "origin/blue"]
)
def test_an_app_is_named_loosely_but_not_exactly_by(name: str) -> None:
    assert names.exact([BLUE, GREEN], name, "guestbook") is None
    assert names.loose([BLUE, GREEN], name, "guestbook") == BLUE


@pytest.mark.parametrize("name", ["", "x", "deploy-", "http://[", "//", "blue-ajjyeh.example.org"])
def test_no_app_is_named_by(name: str) -> None:
    assert names.loose([BLUE, GREEN], name, "guestbook") is None


def test_the_project_of_the_folder_decides_between_two_branches_of_one_name() -> None:
    assert names.exact([BLUE, FOREIGN], "deploy-blue", "shop") == FOREIGN


def test_outside_of_any_project_two_branches_of_one_name_are_told_apart_by_slug() -> None:
    with pytest.raises(UserError) as caught:
        names.exact([BLUE, FOREIGN], "deploy-blue")
    assert caught.value.message == (
        "'deploy-blue' means several apps: blue-ajjyeh of guestbook, blue-zzzzzz of shop"
    )
    assert caught.value.hint == "name the slug instead of the branch"


def test_two_apps_that_a_loose_name_could_mean_are_neither() -> None:
    assert names.loose([record("blue", "blue-aaaaaa"), BLUE], "origin/blue", "guestbook") is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("blu", "did you mean deploy-blue? reviewapps list shows all apps"),
        ("dploy-blue", "did you mean deploy-blue? reviewapps list shows all apps"),
        ("deploy-mine", "reviewapps list shows all apps"),
        ("deploy-bleu", "did you mean deploy-blue? reviewapps list shows all apps"),
        ("blue-ajjyhe", "did you mean deploy-blue? reviewapps list shows all apps"),
        ("quite-another", "reviewapps list shows all apps"),
    ],
)
def test_the_near_app_is_suggested(name: str, hint: str) -> None:
    assert names.missing([BLUE, GREEN], name).hint == hint


def test_the_same_branch_of_another_project_is_suggested_by_its_slug() -> None:
    hint = names.missing([FOREIGN], "deploy-blue").hint
    assert hint == "blue-zzzzzz is that branch of the project shop"


def test_without_any_app_the_first_deploy_is_suggested() -> None:
    assert (
        names.missing([], "deploy-blue").hint == "there are no apps yet: reviewapps deploy BRANCH"
    )
