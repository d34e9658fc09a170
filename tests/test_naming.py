"""The names of apps, from branch names that somebody made to do harm."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reviewapps import naming
from tests.hostile import BRANCHES, generated

PROJECTS = st.from_regex(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?", fullmatch=True)
THINGS = ("db", "redis", "migrate", "seed", "unicorn", "resque")
HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")


def assert_is_a_good_slug(slug: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*-[a-z2-7]{6}", slug, re.ASCII), ascii(slug)
    assert "--" not in slug
    assert 8 <= len(slug) <= 40
    assert HOST_LABEL.match(slug)
    assert naming.is_slug(slug)
    for name in THINGS:
        thing = naming.thing(slug, name)
        assert len(thing.encode()) <= 63, "PostgreSQL would cut it"
        assert naming.slug_of(thing) == slug


def test_the_corpus_has_what_the_issue_asks_for() -> None:
    assert len(BRANCHES) >= 500
    assert len(set(BRANCHES)) == len(BRANCHES)
    assert any(len(name.encode("utf-8", "surrogatepass")) >= 255 for name in BRANCHES)


@pytest.mark.parametrize("branch", BRANCHES, ids=ascii)
def test_every_hostile_branch_gets_a_good_slug(branch: str) -> None:
    assert_is_a_good_slug(naming.slug("shop", branch))


def test_no_two_hostile_branches_share_a_slug() -> None:
    slugs = {naming.slug("shop", branch) for branch in BRANCHES}
    assert len(slugs) == len(BRANCHES)


def test_no_things_name_begins_with_another_apps_names() -> None:
    names = sorted({naming.thing(naming.slug("shop", branch), "db")[:-2] for branch in BRANCHES})
    for shorter, longer in pairwise(names):
        assert not longer.startswith(shorter)


@given(PROJECTS, generated())
@settings(max_examples=1000)
def test_any_text_gets_a_good_slug(project: str, branch: str) -> None:
    assert_is_a_good_slug(naming.slug(project, branch))


@given(st.tuples(PROJECTS, generated()), st.tuples(PROJECTS, generated()))
@example(("shop", "ä"), ("shop", "\udcc3\udca4"))
@example(("shop", "\U0001f600"), ("shop", "\ud83d\ude00"))
@example(("shop", "é"), ("shop", "e\u0301"))
@example(("a", "b-c"), ("a-b", "c"))
@settings(max_examples=1000)
def test_different_branches_or_projects_get_different_slugs(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (naming.slug(*one) == naming.slug(*other)) == (one == other)


@pytest.mark.parametrize(
    ("branch", "label"),
    [
        ("deploy-checkout", "checkout"),
        ("deploy-Checkout_V2", "checkout-v2"),
        ("deploy-feature/new.cart", "feature-new-cart"),
        ("deploy-123", "b-123"),
        ("deploy-", "b"),
        ("deploy-日本語", "b"),
        ("main", "main"),
        ("deploy-deploy-x", "deploy-x"),
        ("deploy-" + "a" * 32 + "-b", "a" * 32),
        ("deploy-" + "9" * 60, "b-" + "9" * 31),
    ],
)
def test_the_label_reads_like_the_branch(branch: str, label: str) -> None:
    slug = naming.slug("shop", branch)
    assert slug == f"{label}-{naming.fingerprint('shop', branch)}"


def test_slugs_stay_what_they_are() -> None:
    """A change here would orphan every running app."""
    assert naming.slug("shop", "deploy-checkout") == "checkout-" + naming.fingerprint(
        "shop", "deploy-checkout"
    )
    assert naming.fingerprint("shop", "deploy-checkout") == "ivnvlh"


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "x-abcdef--db", "x--abcdef", "-abcdef", "X-abcdef", "x-abcde1", "x-abcdef\n"),
        *("1-abcdef", "x_y-abcdef", "a" * 40, "a" * 34 + "-abcdef", "\uff41-abcdef"),
    ],
    ids=ascii,
)
def test_what_is_no_slug(text: str) -> None:
    assert not naming.is_slug(text)


@pytest.mark.parametrize(
    "name", ["", "x-abcdef", "x-abcdef--", "x-abcdef-db", "--db", "x--db", "router", "x-abcde!--db"]
)
def test_names_that_are_not_ours_belong_to_no_app(name: str) -> None:
    assert naming.slug_of(name) == ""
