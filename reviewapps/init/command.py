"""A choice, and commands in the form in which a reviewapps.yml can have them."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from reviewapps.project_values import split_text


@dataclass(frozen=True)
class Choice:
    """One value of the file at `path`, such as `unicorn/port`, and why it was chosen."""

    path: str
    value: Any
    why: str


def as_command(text: str) -> str | list[str]:
    """Return a command line as text, or as a shell's when only a shell can run it."""
    try:
        split_text(text)
    except PydanticCustomError:
        return ["sh", "-c", with_exec(text)]
    return text


def with_exec(text: str) -> str:
    """Put `exec` before a single command, so that it gets the stop signal and not the shell."""
    if re.search(r"[;&|\n]|^\s*(exec|cd)\b", text):
        return text
    assignments = re.match(r"(?:[A-Za-z_]\w*=\S* +)*", text)
    end = assignments.end() if assignments else 0
    return f"{text[:end]}exec {text[end:]}"
