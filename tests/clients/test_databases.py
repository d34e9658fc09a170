"""Marks and names, which need no server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapps.clients.databases import PLATFORM, mark, read_mark, refuse_bad_name
from reviewapps.errors import UserError
from tests.hostile import BRANCHES


def test_a_hostile_branch_comes_back_from_a_mark_as_it_was() -> None:
    for branch in BRANCHES:
        owner = {"branch": branch, "slug": "x-abcdef"}
        text = mark(owner)
        assert text.isascii()
        assert text.isprintable()
        assert read_mark(text) == {**owner, "platform": PLATFORM}


def test_nobody_can_pass_for_another_platform() -> None:
    assert read_mark(mark({"platform": "theirs"}))["platform"] == PLATFORM


@given(st.text() | st.none() | st.recursive(st.integers() | st.text(), st.lists).map(json.dumps))
def test_a_comment_of_others_is_no_mark(text: str | None) -> None:
    assert read_mark(text) == {}


@pytest.mark.parametrize("text", ["{}", '{"platform": "theirs"}', "[1]", '"reviewapps"', "{"])
def test_json_of_others_is_no_mark(text: str) -> None:
    assert read_mark(text) == {}


@pytest.mark.parametrize(("name", "limit"), [("", 63), ("x" * 64, 63), ("ż" * 32, 63), ("a\0", 63)])
def test_a_name_that_would_be_cut_is_refused(name: str, limit: int) -> None:
    with pytest.raises(UserError, match=str(limit)):
        refuse_bad_name(name, limit)


def test_the_longest_name_of_ours_fits_everywhere() -> None:
    refuse_bad_name("a" * 33 + "-abcdef--db", 63)
