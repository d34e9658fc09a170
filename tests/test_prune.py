"""Prune removes what has lost its branch or its time, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapps.errors import UserError
from reviewapps.project import Project
from reviewapps.prune import ALL_AT_ONCE, CAP, GONE, Doomed, Home, plan, sort, spared
from reviewapps.store.record import Record
from tests.hostile import BRANCHES

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HERE = "github.com/acme/shop"
HOME = Home("shop", HERE, Project("shop").covers)


def app(branch: str, **changes: Any) -> Record:
    values: dict[str, Any] = {
        "slug": f"{branch}-slug",
        "project": "shop",
        "branch": branch,
        "host": "h",
        "url": "u",
        "repository": HERE,
        "state": "running",
        "asked_at": "2026-11-20T12:00:00.000Z",
    }
    return Record(**values | changes)


def gone(records: list[Record], *branches: str, **options: Any) -> dict[str, str]:
    """Return the branches that prune would remove the apps of, each with the reason."""
    found = plan(records, branches, NOW, HOME, **options)
    return {each.record.branch: each.reason for each in found}


def test_only_the_apps_whose_branch_is_gone_go() -> None:
    apps = [app("deploy-a"), app("deploy-b"), app("deploy-c")]
    assert gone(apps, "main", "deploy-a", "deploy-c") == {"deploy-b": GONE}


def test_names_are_compared_whole() -> None:
    """Neither a prefix, nor another case, nor the same letters composed otherwise is the branch."""
    apps = [app(each) for each in ("deploy-a", "deploy-A", "deploy-e\u0301", "deploy-a/b")]
    assert len(gone(apps, "deploy-ab", "deploy-\u00e9", "x/deploy-a", "deploy-a/b/c")) == 4


@given(st.lists(st.sampled_from(BRANCHES), unique=True, max_size=8), st.data())
def test_whatever_the_names_an_app_with_its_branch_stays(names: list[str], data: Any) -> None:
    kept = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    found = gone([app(each) for each in names], "main", *kept, cap=99)
    assert set(found) == set(names) - set(kept)


def test_a_remote_without_any_branch_removes_nothing() -> None:
    with pytest.raises(UserError, match="no branch at all, and there are 2 apps") as caught:
        gone([app("deploy-a"), app("deploy-b")])
    assert "git ls-remote" in caught.value.hint
    assert gone([]) == {}


def test_a_remote_that_lacks_just_the_branches_with_apps_is_not_believed_at_once() -> None:
    apps = [app(f"deploy-{number}") for number in range(ALL_AT_ONCE + 1)]
    with pytest.raises(UserError, match=r"2 branches and none that gets an app") as caught:
        gone(apps, "main", "develop")
    assert caught.value.hint.endswith("--cap 4")
    assert len(gone(apps, "main", "develop", cap=4)) == 4
    assert len(gone(apps[:ALL_AT_ONCE], "main")) == ALL_AT_ONCE, "the last few branches may go"
    assert len(gone(apps, "main", "deploy-new")) == 4, "the remote plainly has such branches"


def test_no_run_removes_more_than_its_cap() -> None:
    apps = [app(f"deploy-{number}") for number in range(CAP + 1)]
    with pytest.raises(UserError, match=f"at most {CAP} may be in one run") as caught:
        gone(apps, "deploy-new")
    assert caught.value.hint.endswith(f"--cap {CAP + 1}")
    assert len(gone(apps, "deploy-new", cap=CAP + 1)) == CAP + 1
    with pytest.raises(UserError, match="at most 1 may be"):
        gone(apps[:2], "deploy-new", cap=1)
    assert len(gone(apps[:CAP], "deploy-new")) == CAP


@pytest.mark.parametrize(
    ("asked_at", "goes"),
    [
        ("2026-11-07T11:59:59.000Z", True),
        ("2026-11-07T12:00:01.000Z", False),
        ("2026-11-07T21:59:59+10:00", True),
        ("2026-11-07T06:00:01-06:00", False),
        ("2026-11-07T11:59:59", True),  # by hand, without a zone
        ("2027-01-01T00:00:00Z", False),  # a clock that ran ahead
    ],
)
def test_an_app_s_age_is_counted_in_utc(asked_at: str, goes: bool) -> None:
    found = gone([app("deploy-a", asked_at=asked_at)], "deploy-a", max_age_days=14)
    assert found == ({"deploy-a": "it was last deployed 14 days ago"} if goes else {})
    assert gone([app("deploy-a", asked_at=asked_at)], "deploy-a") == {}


def test_a_removal_that_was_begun_is_finished_though_the_branch_is_there() -> None:
    apps = [app("deploy-a", wanted="gone", state="destroying")]
    assert gone(apps, "deploy-a") == {"deploy-a": "its removal was begun and not finished"}


def test_apps_of_another_repository_with_our_project_s_name_are_not_ours() -> None:
    theirs = app("deploy-x", repository="github.com/acme/shop-fork")
    unknown = app("deploy-old", repository="")
    ours, foreign = sort([app("deploy-a"), theirs, unknown], HOME)
    assert [each.branch for each in ours] == ["deploy-a", "deploy-old"]
    assert foreign == [theirs]


def test_apps_of_our_repository_are_ours_whatever_the_project_was_called() -> None:
    """Its old name's apps go with their branches; how long they may stay is not ours to say."""
    old = app("deploy-a", project="store", asked_at="2020-01-01T00:00:00Z")
    other = app("deploy-a", project="store", repository="github.com/acme/store")
    ours, foreign = sort([old, other], HOME)
    assert (ours, foreign) == ([old], [])
    assert gone(ours, "deploy-a", max_age_days=1) == {}
    assert gone(ours, "main") == {"deploy-a": GONE}


def test_without_a_known_repository_the_project_s_name_tells() -> None:
    nowhere = Home("shop", "", Project("shop").covers)
    theirs = app("deploy-b", project="store")
    assert sort([app("deploy-a"), theirs], nowhere) == ([app("deploy-a")], [])


def test_a_branch_that_came_back_spares_its_app() -> None:
    lost = Doomed(app("deploy-a"), GONE)
    assert spared(lost, {"deploy-a"}) == "its branch is there again"
    assert spared(lost, {"main"}) == ""
    assert spared(Doomed(app("deploy-a"), "it was last deployed 9 days ago"), {"deploy-a"}) == ""


def test_a_day_more_is_needed_than_the_age_says() -> None:
    young = app("deploy-a", asked_at=(NOW - timedelta(days=1)).isoformat())
    assert gone([young], "deploy-a", max_age_days=1) == {}
