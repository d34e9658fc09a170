"""The kinds of value a project file has, each with the one sentence that says what it should be."""

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Strict
from pydantic_core import PydanticCustomError

RESERVED_NAMES = frozenset({"DATABASE_URL", "REDIS_URL", "PORT"})
RESERVED_PREFIXES = ("REVIEWAPPS_", "NOMAD_")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
SHELL = re.compile(r"\$[A-Za-z_{(]|`|\n")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
SHELL_SIGNS = frozenset("();<>|&")


def fault(message: str, at: str = "") -> PydanticCustomError:
    """Return an error that pydantic collects; `at` names the key inside the section it is about."""
    return PydanticCustomError("fault", "{message}", {"message": message, "at": at})


def whole(low: int, high: int) -> BeforeValidator:
    """Check for a whole number in a range: no text, no truth value, nothing rounded."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise fault(f"should be a whole number from {low} to {high}")
        return value

    return BeforeValidator(check)


def written(pattern: str, should: str) -> BeforeValidator:
    """Check for text of a form that the sentence `should` describes."""
    form = re.compile(pattern)

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise fault(should)
        return value

    return BeforeValidator(check)


def split_command(value: Any) -> Any:
    """Return the words of a command; text is split as a shell would, but no shell runs it."""
    if isinstance(value, str):
        return split_text(value)
    words_only = isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)
    if not words_only or not value or not value[0]:
        raise fault("should be a command: text, or a list of words such as [bin/rails, server]")
    return tuple(value)


def split_text(text: str) -> tuple[str, ...]:
    """Return the words of a one-line command; what only a shell could do is refused."""
    try:
        words = list(shlex_words(text))
    except ValueError as error:
        raise fault("has a quote that is not closed") from error
    if not words or not words[0]:
        raise fault("should be a command, not nothing")
    signs = any(word and set(word) <= SHELL_SIGNS for word in words)
    if signs or SHELL.search(text.strip()) or ASSIGNMENT.match(words[0]):
        raise fault('needs a shell, and none runs it: write it as ["sh", "-c", "exec …"]')
    return tuple(shlex.split(text))


def shlex_words(text: str) -> shlex.shlex:
    """Return the words with the shell's signs as words of their own: `a&&b` is a, &&, b."""
    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    words.commenters = ""
    return words


def check_env(value: Any) -> Any:
    """Return environment variables as text; the names that reviewapps sets itself are refused."""
    if not isinstance(value, dict):
        raise fault("should be a mapping such as {RAILS_ENV: production}")
    return value


def check_env_name(name: Any) -> Any:
    """Check one variable's name."""
    if not isinstance(name, str) or not ENV_NAME.match(name):
        raise fault("should be a variable's name: letters, digits and _, no digit first")
    if name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES):
        raise fault("is set by reviewapps itself; take it out")
    return name


def check_env_value(value: Any) -> Any:
    """Check one variable's value: text, or a number that is written back as it stands."""
    if isinstance(value, bool):
        raise fault('needs quotes, as in "yes": YAML reads yes, no, on, off, true, false as truth')
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise fault("should be text or a number")


def check_names(value: Any) -> Any:
    """Check for a list of different names."""
    if not isinstance(value, list | tuple):
        raise fault("should be a list of names such as [RAILS_MASTER_KEY]")
    if len(set(map(str, value))) < len(value):
        raise fault("has a name twice")
    return tuple(value)


RELATIVE = r"(?!/)(?!-)(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f\x7f]{1,255}"
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

Truth = Annotated[bool, Strict()]
Memory = Annotated[int, whole(16, 262_144)]
Cpu = Annotated[int, whole(20, 128_000)]
Seconds = Annotated[int, whole(1, 86_400)]
Count = Annotated[int, whole(1, 50)]
Port = Annotated[int, whole(1, 65_535)]
Connections = Annotated[int, whole(2, 1_000)]
Command = Annotated[tuple[str, ...], BeforeValidator(split_command)]
EnvName = Annotated[str, BeforeValidator(check_env_name)]
EnvValue = Annotated[str, BeforeValidator(check_env_value)]
Env = Annotated[Mapping[EnvName, EnvValue], BeforeValidator(check_env)]
Secrets = Annotated[tuple[EnvName, ...], BeforeValidator(check_names)]
ArgName = Annotated[
    str, written(ENV_NAME.pattern, "should be a name: letters, digits and _, no digit first")
]
BuildArgs = Annotated[Mapping[ArgName, EnvValue], BeforeValidator(check_env)]
ProjectName = Annotated[
    str,
    written(
        r"(?!.*--)[a-z]([a-z0-9-]{0,29}[a-z0-9])?",
        "should be 1 to 31 of a-z, 0-9 and single hyphens, a letter first, no hyphen last",
    ),
]
FilePath = Annotated[
    str, written(RELATIVE, "should be a path inside the repository, without a leading / or -")
]
ImagePath = Annotated[
    str, written(r"(?!-)(?!(.*/)?\.\.(/|\Z))[!-~]{1,255}", "should be a path inside the image")
]
UrlPath = Annotated[
    str, written(r"/[!-\"$-~]{0,255}", "should be a path such as /up, of plain ASCII without #")
]
Domain = Annotated[
    str,
    written(
        rf"((?=.{{1,212}}\Z){LABEL}(\.{LABEL})*)?", "should be a domain such as preview.example.com"
    ),
]
Branches = Annotated[
    str, written(r"[!-~]{1,200}", "should be a pattern of branch names such as deploy-*")
]
DatabaseName = Annotated[
    str,
    written(
        r"([A-Za-z_][A-Za-z0-9_-]{0,62})?",
        "should be a database's name: a-z, 0-9, _ and -, at most 63",
    ),
]
Member = Annotated[
    str, written(r"[!-+\--~]{1,200}", "should be a group or an email, without spaces and commas")
]
Snapshot = Annotated[
    str,
    written(r"([A-Za-z][A-Za-z0-9:-]{0,254})?", "should be an RDS snapshot's identifier"),
]
Extension = Annotated[
    str, written(r"[a-z][a-z0-9_-]{0,62}", "should be an extension's name such as pg_trgm")
]
