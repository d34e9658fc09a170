"""Turns pydantic's errors about a project file into faults in our own words."""

from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from reviewapps.project_file import Document, Faulty, Location, show


def blame(document: Document, error: Any, root: Any) -> None:
    """Note one of pydantic's errors as a fault in our words."""
    at = error.get("ctx", {}).get("at")
    location = (*error["loc"], at) if at else error["loc"]
    found = error["input"]
    if isinstance(found, Faulty) or (
        isinstance(found, list) and any(isinstance(item, Faulty) for item in found)
    ):
        return
    if location[-1:] == ("[key]",):
        location = location[:-1]
        document.blame(location, sentence(error), line=document.key_lines.get(location, 0))
    elif error["type"] == "unexpected_keyword_argument":
        document.blame(location, unknown(location, root), line=document.key_lines.get(location, 0))
    elif at or error["type"] == "missing":
        document.blame(location, sentence(error))
    else:
        document.blame(location, sentence(error), show(found))


SENTENCES = {
    "missing": "is missing",
    "bool_type": "should be true or false",
    "literal_error": "should be {expected}",
    "tuple_type": "should be a list",
    "dataclass_type": "should be a section with keys of its own",
}


def sentence(error: Any) -> str:
    """Return what should be done about one of pydantic's errors."""
    form = SENTENCES.get(error["type"])
    return form.format(**error.get("ctx", {})) if form else str(error["msg"])


# what other tools call our sections
OTHER_WORDS = {
    "web": "unicorn",
    "puma": "unicorn",
    "server": "unicorn",
    "worker": "resque",
    "sidekiq": "resque",
    "postgres": "database",
    "postgresql": "database",
    "mysql": "database",
    "name": "project",
    "app": "project",
    "build": "image",
    "environment": "env",
    "healthcheck": "health_path",
    "memory": "memory_mb",
    "cpu": "cpu_mhz",
    "timeout": "timeout_seconds",
}


def unknown(location: Location, root: Any) -> str:
    """Return what to say about a key that is not known: the known one that was probably meant."""
    section = root
    for key in location[:-1]:
        section = section_type(section, str(key))
    word = str(location[-1])
    known = [name for name in hints(section) if not name.startswith("_")]
    other = OTHER_WORDS.get(word.lower(), "")
    if other in known:
        return f"is not known; did you mean {other}?"
    elsewhere = [
        f"{name}/{word}" for name in hints(root) if word in section_keys(section_type(root, name))
    ]
    if elsewhere:
        return f"is not known here; did you mean {' or '.join(elsewhere[:3])}?"
    if near := get_close_matches(word.lower(), known, 1):
        return f"is not known; did you mean {near[0]}?"
    return f"is not known; known here: {', '.join(known)}"


@cache
def hints(section: Any) -> dict[str, Any]:
    """Return the keys of a section with their types."""
    return get_type_hints(section)


def section_type(section: Any, key: str) -> Any:
    """Return the dataclass of the section `key`, without the None that makes it optional."""
    hint = hints(section)[key]
    choices = [choice for choice in get_args(hint) if choice is not NoneType]
    return choices[0] if choices and NoneType in get_args(hint) else hint


def section_keys(section: Any) -> frozenset[str]:
    """Return the keys of a section; none for a plain value."""
    return frozenset(getattr(section, "__dataclass_fields__", {}))
