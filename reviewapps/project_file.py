"""Reads YAML into plain values with the line of each, and refuses what people did not mean.

Only the node tree of PyYAML is used (`yaml.compose`): nothing in a file can make an object, and an
alias costs at most MAX_NODES steps however often it repeats itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reviewapps.errors import Fault, ProjectError, UserError

MAX_BYTES = 64 * 1024
MAX_NODES = 10_000
MAX_DEPTH = 12
MAX_FAULTS = 50
SHOWN_LENGTH = 40
SECRET_KEYS = frozenset({"env", "build_args", "secrets"})
TAG = "tag:yaml.org,2002:"

COLLECTION_TAGS = frozenset({f"{TAG}map", f"{TAG}seq"})
NO_TAGS = "has a YAML tag; none is known here"
TOO_LONG = Fault("", 1, f"should have at most {MAX_BYTES // 1024} KiB")

Location = tuple[str | int, ...]


@dataclass
class Document:
    """The plain values of a file, the line of each key and value, and what is wrong with them."""

    file: str
    values: Any = None
    key_lines: dict[Location, int] = field(default_factory=dict)
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    nodes: int = 0

    def blame(self, location: Location, message: str, value: str = "", *, line: int = 0) -> None:
        """Note a fault at `location`, in the line of its value or else of its section."""
        near = location
        while near and near not in self.lines:
            near = near[:-1]
        if SECRET_KEYS.intersection(location):
            value = ""
        path = cut("/".join(map(str, location)), 80)
        self.faults.append(Fault(path, line or self.lines.get(near, 1), message, value))

    def check(self) -> None:
        """Raise all faults together, in the order of their lines."""
        if self.faults:
            unique = sorted(set(self.faults), key=lambda fault: (fault.line, fault.path))
            more = len(unique) - MAX_FAULTS
            last = [Fault("", unique[-1].line, f"has {more} more faults")] if more > 0 else []
            raise ProjectError(self.file, unique[:MAX_FAULTS] + last)


def read_text(path: Path) -> str:
    """Return the file's text; raises UserError without a file and ProjectError if not UTF-8."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        hint = "reviewapps init writes one"
        raise UserError(f"there is no project file at {path}", hint=hint) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ProjectError(str(path), [TOO_LONG])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = Fault("", line, "should be UTF-8 text; this line has bytes that are not")
        raise ProjectError(str(path), [fault]) from error


def read(text: str, file: str) -> Document:
    """Return the plain values of a YAML text, with the faults that can be seen without a schema."""
    document = Document(file)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ProjectError(file, [TOO_LONG])
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ProjectError(file, [syntax_fault(text, error)]) from error
    except RecursionError as error:
        raise ProjectError(file, [Fault("", 1, f"should nest at most {MAX_DEPTH} deep")]) from error
    if not isinstance(node, yaml.MappingNode):
        fault = Fault("", 1, "should be a mapping such as `project: shop`")
        raise ProjectError(file, [fault])
    document.values = plain(node, (), document)
    return document


def syntax_fault(text: str, error: yaml.YAMLError) -> Fault:
    """Return the fault that a YAML error stands for, without the words of the file."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Fault(
            "", line, f"has a character that YAML forbids: U+{ord_of(error.character):04X}"
        )
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "this is not YAML"
    line = mark.line + 1 if mark else 1
    if "'\\t'" in problem:
        return Fault("", line, "a tab stands where YAML wants spaces")
    if "single document" in str(getattr(error, "context", "")):
        return Fault("", line, "should be one document: remove the `---` here")
    # what stands in quotes may be a piece of a secret, as in `PASSWORD: *secret`
    problem = re.sub(r""" '(?!<)[^']{2,}'| "[^"]{2,}\"""", "", problem)
    return Fault("", line, f"this is not YAML: {problem}")


def ord_of(character: Any) -> int:
    """PyYAML gives the character as a number or as text, depending on where it found it."""
    return character if isinstance(character, int) else ord(character)


def plain(node: yaml.Node, location: Location, document: Document) -> Any:
    """Return the value of `node` made of dicts, lists, text, numbers and truth values."""
    line = node.start_mark.line + 1
    document.lines.setdefault(location, line)
    document.nodes += 1
    if document.nodes > MAX_NODES or len(location) > MAX_DEPTH:
        what = f"should have at most {MAX_NODES} values, {MAX_DEPTH} deep, with aliases written out"
        raise ProjectError(document.file, [Fault("", line, what)])
    if isinstance(node, yaml.CollectionNode) and node.tag not in COLLECTION_TAGS:
        document.blame(location, NO_TAGS)
        return Faulty()
    if isinstance(node, yaml.MappingNode):
        return dict(entries(node, location, document))
    if isinstance(node, yaml.SequenceNode):
        return [plain(item, (*location, n), document) for n, item in enumerate(node.value)]
    return scalar(node, location, document)


def entries(
    node: yaml.MappingNode, location: Location, document: Document
) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a mapping; keys are words as they are written, each once."""
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
            document.blame(location, "has a key that is not a word", line=line)
            continue
        key: str = key_node.value
        at = (*location, key)
        if key_node.tag == f"{TAG}merge":
            message = "merging with `<<` is not known here; write the keys out"
            document.blame(at, message, line=line)
        elif key in seen:
            message = f"stands here a second time; the first is in line {seen[key]}"
            document.blame(at, message, line=line)
        else:
            seen[key] = document.key_lines[at] = line
            yield key, plain(value_node, at, document)


def scalar(node: yaml.Node, location: Location, document: Document) -> Any:
    """Return text, a number or a truth value, refusing what YAML reads otherwise than people do."""
    text: str = node.value
    kind = node.tag.removeprefix(TAG)
    if not all(character != "\0" and not "\ud800" <= character <= "\udfff" for character in text):
        message = "has a character that no program can be given"
    elif kind in {"str", "timestamp", "value"}:
        return text
    elif kind == "bool":
        return text.lower() in {"yes", "true", "on"}
    elif kind in {"int", "float"}:
        if (number := plain_number(text)) is not None:
            return number
        message = (
            "is a number that YAML reads otherwise than it is written (010 is 8, 1.10 is 1.1,"
            " 1:30 is 90): put it in quotes, or write it plainly"
        )
    elif kind == "null":
        message = "is empty: leave the key out, or write {} for a section with its defaults"
    else:
        message = NO_TAGS
    document.blame(location, message)
    return Faulty()


def plain_number(text: str) -> int | float | None:
    """Return the number that `text` is, or None when it would not be written back like this."""
    if re.fullmatch(r"0|-?[1-9][0-9]{0,15}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,10}\.[0-9]{1,10}", text) and repr(float(text)) == text:
        return float(text)
    return None


class Faulty:
    """Stands for a value whose fault is already noted, so that it is not told twice."""


def show(value: Any) -> str:
    """Return a value as the user wrote it, cut short for a sentence."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return cut(repr(value), SHOWN_LENGTH)


def cut(text: str, length: int) -> str:
    """Return `text` in one line of at most `length` characters."""
    line = "".join(character if character.isprintable() else "�" for character in text)
    return line if len(line) <= length else f"{line[: length - 1]}…"
