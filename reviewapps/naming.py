"""Names made from hostile branch names: the slug and what is named after it; no I/O."""

import base64
import hashlib
import re

LABEL_LENGTH = 33
HASH_LENGTH = 6
SLUG = re.compile(r"(?=.{8,40}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*-[a-z2-7]{6}\Z")


def slug(project: str, branch: str) -> str:
    """Return the app's name everywhere: `<label>-<hash>`, at most 40 characters.

    The label is the branch made readable; the hash is of project and branch, so two branches that
    read alike still have two slugs.
    """
    short = branch.removeprefix("deploy-")
    label = re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"b-{label}".strip("-")
    label = label[:LABEL_LENGTH].strip("-")
    return f"{label}-{fingerprint(project, branch)}"


def fingerprint(*parts: str) -> str:
    """Return 6 characters that stand for `parts`: 30 bits of SHA-256 in base32."""
    # a branch may hold lone surrogates, from git's odd bytes or from JSON: passed on, none reads as
    # the bytes of another name, and none fails
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(joined).digest()
    return base64.b32encode(digest).decode().lower()[:HASH_LENGTH]


def are_two(one: str, other: str) -> bool:
    """Say whether two repositories, as `github.com/acme/shop`, are known to be two.

    The host does not count: an alias in ssh's configuration gives the same one another name. An
    unknown repository, "", may be any.
    """
    paths = [name.partition("/")[2].lower() for name in (one, other)]
    return all(paths) and paths[0] != paths[1]


def is_slug(text: str) -> bool:
    """Say whether `text` has the form of a slug."""
    return SLUG.match(text) is not None


def thing(slug: str, name: str) -> str:
    """Return the name of an app's thing, `<slug>--unicorn`: no app's names prefix another's."""
    return f"{slug}--{name}"


def slug_of(name: str) -> str:
    """Return the slug that a thing is named after, or "" when the name is not one of ours."""
    head, separator, rest = name.partition("--")
    return head if separator and rest and is_slug(head) else ""
