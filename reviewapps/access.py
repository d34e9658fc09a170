"""Who may see an app, in the form the router reads; pure, random values are passed in."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["public", "password", "sign-in"]
GrantKind = Literal["share", "bypass"]
Json = dict[str, object]

ITERATIONS = 20_000
TOKEN_BYTES = 24
LONGEST_CREDENTIAL = 256


@dataclass(frozen=True)
class Grant:
    """A share link or a machine's bypass token: only its hash is kept."""

    kind: GrantKind
    sha256: str
    note: str = ""
    expires: int = 0
    """Seconds since 1970 after which it opens nothing; 0 is never."""

    def to_json(self) -> Json:
        """Return the grant as the host record holds it."""
        return {
            "kind": self.kind,
            "sha256": self.sha256,
            "note": self.note,
            "expires": self.expires,
        }


@dataclass(frozen=True)
class Access:
    """Who may see one app."""

    kind: Kind = "public"
    salt: str = ""
    iterations: int = 0
    key_sha256: str = ""
    groups: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()

    def to_json(self) -> Json:
        """Return the `access` object of the host record."""
        found: Json = {"kind": self.kind}
        if self.kind == "password":
            found |= {
                "salt": self.salt,
                "iterations": self.iterations,
                "key_sha256": self.key_sha256,
            }
        if self.kind == "sign-in":
            if self.groups:
                found["groups"] = list(self.groups)
            if self.emails:
                found["emails"] = list(self.emails)
        if self.grants:
            found["grants"] = [grant.to_json() for grant in self.grants]
        return found


PUBLIC = Access()


def with_password(password: str, salt: bytes) -> Access:
    """Return access by one shared password; `salt` is 16 random bytes.

    What is stored is the SHA-256 of the PBKDF2 key. A browser that knew the password keeps the key
    itself as its cookie, so the record opens nothing to who reads it, and a new password shuts
    everybody out.
    """
    if not password or len(password.encode()) > 1024:
        raise ValueError("a password has 1 to 1024 bytes")
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS).hex()
    return Access("password", salt.hex(), ITERATIONS, hash_token(key))


def with_sign_in(groups: tuple[str, ...] = (), emails: tuple[str, ...] = ()) -> Access:
    """Return access by the team's sign-in, for these groups or emails only when any are named."""
    return Access("sign-in", groups=groups, emails=emails)


def hash_token(token: str) -> str:
    """Return what is stored of a token. Tokens are long and random, so a plain hash is enough."""
    if not token or len(token) > LONGEST_CREDENTIAL:
        raise ValueError(f"a token has 1 to {LONGEST_CREDENTIAL} characters")
    return hashlib.sha256(token.encode()).hexdigest()


def grant(access: Access, kind: GrantKind, token: str, note: str = "", expires: int = 0) -> Access:
    """Return `access` with one more token that opens the app."""
    return replace(access, grants=(*access.grants, Grant(kind, hash_token(token), note, expires)))


def revoke(access: Access, note: str) -> Access:
    """Return `access` without the grants of this note; what they let in is shut out at once."""
    return replace(access, grants=tuple(item for item in access.grants if item.note != note))


def prune(access: Access, now: int) -> Access:
    """Return `access` without the grants that have expired."""
    alive = tuple(item for item in access.grants if item.expires == 0 or item.expires > now)
    return replace(access, grants=alive)


def share_link(address: str, token: str) -> str:
    """Return the link that lets a browser in; `address` is the app's, as https://host."""
    return f"{address.rstrip('/')}/.reviewapps/share/{token}"


def from_json(found: Json) -> Access:
    """Read the `access` object of a host record again."""
    kind = found.get("kind")
    if kind not in ("public", "password", "sign-in"):
        raise ValueError(f"no such kind of access: {kind}")
    return Access(
        kind,
        str(found.get("salt", "")),
        int(str(found.get("iterations", 0))),
        str(found.get("key_sha256", "")),
        tuple(str(item) for item in _items(found, "groups")),
        tuple(str(item) for item in _items(found, "emails")),
        tuple(Grant(**item) for item in _items(found, "grants")),
    )


def _items(found: Json, name: str) -> list[Any]:
    items = found.get(name, [])
    return items if isinstance(items, list) else []
