"""What the routers are told of whom they let in: never more people than the project says."""

import json
from typing import Any

import pytest

from reviewapps.access import grant, with_password
from reviewapps.review_app import Release
from reviewapps.steps.access import LETTERS, make, plain
from reviewapps.store.hosts import access, page
from reviewapps.store.record import Record, dump, parse

HASHED = plain(grant(with_password("open sesame", b"0" * 16), "share", "token"))


def record(project: dict[str, Any], known: dict[str, Any]) -> Record:
    release = Release(1, "shop:1", "1" * 40, built=True, project={"project": "shop"} | project)
    return Record("x-abc234", "shop", "deploy-x", "h", "u", releases=(release,), access=known)


@pytest.mark.parametrize(
    ("project", "known", "told"),
    [
        ({}, {}, {"kind": "public"}),
        ({"access": {"kind": "public"}}, HASHED, {"kind": "public"}),
        ({"access": {"kind": "password"}}, HASHED, HASHED),
        # without its hash the router lets nobody in, and so it should be until there is one
        ({"access": {"kind": "password"}}, {}, {"kind": "password"}),
        ({"access": {"kind": "password"}}, {"kind": "public"}, {"kind": "password"}),
        ({"access": {"kind": "sign-in"}}, {}, {"kind": "sign-in"}),
        (
            {"access": {"kind": "sign-in", "groups": ["team"], "emails": []}},
            HASHED,
            {"kind": "sign-in", "groups": ["team"], "grants": HASHED["grants"]},
        ),
        ({"access": {"kind": "something newer"}}, {}, {"kind": "something newer"}),
    ],
)
def test_the_project_says_the_kind_and_the_record_the_hashes(
    project: dict[str, Any], known: dict[str, Any], told: dict[str, Any]
) -> None:
    made = record(project, known)
    assert access(made) == told
    assert json.loads(page(made))["access"] == told
    assert access(parse(dump(made), "key")) == told


def test_nothing_that_opens_an_app_is_in_what_consul_keeps() -> None:
    assert not {"open sesame", "token"} & set(json.dumps(HASHED).split('"'))


def test_passwords_differ_and_can_be_read_out() -> None:
    made = {make() for _ in range(50)}
    assert len(made) == 50
    assert all(set(each) <= {*LETTERS, "-"} and len(each) == 17 for each in made)
