"""AWS tags that say whose something is: AWS takes few characters, branches may hold any."""

import re
from collections.abc import Iterable, Mapping

PLATFORM = {"platform": "reviewapps"}
REFUSED = re.compile(r"[^A-Za-z0-9 _.:/+@-]")
ESCAPED = re.compile(r"((?:=[0-9A-F]{2})+)")
LONGEST = 256


def as_tags(owner: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags with our mark; a value that is too long for AWS is cut."""
    values = {**owner, **PLATFORM}
    return [{"Key": key, "Value": encoded(value)} for key, value in sorted(values.items())]


def read_tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return whose something is, {} when it isn't ours; a value that was cut is left out."""
    values = {each["Key"]: each.get("Value", "") for each in tags}
    if not PLATFORM.items() <= values.items():
        return {}
    return {key: decoded(value) for key, value in values.items() if len(value) < LONGEST}


def encoded(text: str) -> str:
    """Write what a tag can't hold as `=XX`, byte by byte."""
    return REFUSED.sub(_escape, text)[:LONGEST]


def decoded(text: str) -> str:
    """Return what `encoded` was given."""
    return ESCAPED.sub(_unescape, text)


def _escape(found: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _unescape(found: re.Match[str]) -> str:
    octets = bytes.fromhex(found[1].replace("=", ""))
    return octets.decode("utf-8", "replace")
