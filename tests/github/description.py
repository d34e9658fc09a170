"""GitHub's published description of its API, as far as we use it: what a request may look like."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

Json = dict[str, Any]
DESCRIPTION = json.loads(Path(__file__).with_name("openapi.json").read_text())
TYPES: dict[str, Callable[[str], Any]] = {"integer": int, "boolean": lambda text: text == "true"}


def example(method: str, path: str) -> Json:
    """Return a copy of GitHub's example of an answer."""
    wanted = [o for o in DESCRIPTION["operations"] if (o["method"], o["path"]) == (method, path)]
    return copy.deepcopy(wanted[0]["example"])


def faults(schema: Json, value: Any) -> list[str]:
    """Return how `value` breaks `schema`."""
    whole = schema | {"schemas": DESCRIPTION["schemas"]}
    found = Draft202012Validator(whole).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def find(method: str, path: str) -> tuple[Json, Json] | None:
    """Return the operation for a request and the values in its path."""
    for operation in DESCRIPTION["operations"]:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation["path"])
        match = re.fullmatch(pattern, path)
        if match and operation["method"] == method:
            return operation, match.groupdict()
    return None


def read(operation: Json, place: str, texts: dict[str, str]) -> tuple[Json, list[str]]:
    """Turn the texts of a path or a query into values, with what is wrong about them."""
    declared = {p["name"]: p for p in operation["parameters"] if p["in"] == place}
    wrong = [f"no such parameter: {name}" for name in texts if name not in declared]
    missing = [name for name, p in declared.items() if p["required"] and name not in texts]
    wrong += [f"missing parameter: {name}" for name in missing]
    values: Json = {}
    for name in texts.keys() & declared.keys():
        schema = declared[name]["schema"]
        try:
            values[name] = TYPES.get(schema.get("type"), unquote)(texts[name])
        except ValueError:
            values[name] = texts[name]
        wrong += faults(schema, values[name])
    return values, wrong
