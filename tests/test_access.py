"""Access: what is stored opens nothing, and every grant can be taken back."""

import hashlib

import pytest

from reviewapps import access

SALT = b"0123456789abcdef"
TOKEN = "a-token-of-good-length-0123456789"


def test_a_password_is_stored_as_the_hash_of_its_key() -> None:
    found = access.with_password("secret", SALT).to_json()
    key = hashlib.pbkdf2_hmac("sha256", b"secret", SALT, access.ITERATIONS).hex()
    assert found == {
        "kind": "password",
        "salt": SALT.hex(),
        "iterations": access.ITERATIONS,
        "key_sha256": hashlib.sha256(key.encode()).hexdigest(),
    }
    assert key not in repr(found)
    assert "secret" not in repr(found)


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_passwords_that_the_router_would_refuse_are_refused_here(password: str) -> None:
    with pytest.raises(ValueError, match="1 to 1024"):
        access.with_password(password, SALT)


@pytest.mark.parametrize("token", ["", "x" * 257])
def test_tokens_that_the_router_would_refuse_are_refused_here(token: str) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        access.hash_token(token)


def test_grants_are_added_pruned_and_revoked_by_value() -> None:
    first = access.grant(access.with_sign_in(), "share", TOKEN, "review", expires=100)
    both = access.grant(first, "bypass", TOKEN[::-1], "ci")
    assert [item.note for item in both.grants] == ["review", "ci"]
    assert TOKEN not in repr(both)
    assert [item.note for item in access.prune(both, 100).grants] == ["ci"]
    assert [item.note for item in access.revoke(both, "ci").grants] == ["review"]
    assert len(first.grants) == 1


@pytest.mark.parametrize(
    "one",
    [
        access.PUBLIC,
        access.with_password("secret", SALT),
        access.with_sign_in(groups=("a", "b"), emails=("x@y",)),
        access.grant(access.with_sign_in(), "bypass", TOKEN, "ci", 7),
    ],
)
def test_access_survives_its_json(one: access.Access) -> None:
    assert access.from_json(one.to_json()) == one


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such kind"):
        access.from_json({"kind": "open"})


def test_a_share_link_stands_below_the_platforms_path() -> None:
    link = access.share_link("https://shop.example.org/", "tok")
    assert link == "https://shop.example.org/.reviewapps/share/tok"
