"""Cuts what we use out of GitHub's published API description (npm package @octokit/openapi).

    npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
    python tests/github/make_openapi.py package/generated/api.github.com.json

Texts are dropped, `nullable` becomes JSON Schema's null; one example answer is kept a request.
"""

import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = "/repos/{owner}/{repo}"
WANTED = [
    ("get", "/user"),
    ("get", f"{REPOSITORY}/pulls"),
    ("get", f"{REPOSITORY}/issues/{{issue_number}}/comments"),
    ("post", f"{REPOSITORY}/issues/{{issue_number}}/comments"),
    ("patch", f"{REPOSITORY}/issues/comments/{{comment_id}}"),
    ("get", f"{REPOSITORY}/deployments"),
    ("post", f"{REPOSITORY}/deployments"),
    ("get", f"{REPOSITORY}/deployments/{{deployment_id}}/statuses"),
    ("post", f"{REPOSITORY}/deployments/{{deployment_id}}/statuses"),
]
TEXTS = {"description", "summary", "title", "example", "externalDocs", "x-github", "deprecated"}
NAMES = {"properties", "schemas"}


def main(file: str) -> None:
    """Write openapi.json beside this file."""
    whole = json.loads(Path(file).read_text())
    operations = [operation(whole, method, path) for method, path in WANTED]
    schemas: dict[str, Any] = {}
    collect(whole, operations, schemas)
    result = {
        "source": f"npm @octokit/openapi {whole['info']['version']}, generated/api.github.com.json",
        "license": "MIT, see LICENSE-openapi.txt",
        "operations": operations,
        "schemas": schemas,
    }
    out = Path(__file__).with_name("openapi.json")
    out.write_text(json.dumps(result, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{out.stat().st_size} bytes")


def operation(whole: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """Return one request: its parameters, its body, its good answer and an example of that."""
    source = whole["paths"][path][method]
    parameters = [resolved(whole, parameter) for parameter in source.get("parameters", [])]
    body = source.get("requestBody")
    code = next(code for code in source["responses"] if code in ("200", "201"))
    answer = source["responses"][code]["content"]["application/json"]
    example = resolved(whole, next(iter(answer["examples"].values())))["value"]
    return {
        "method": method,
        "path": path,
        "parameters": [
            {
                "name": p["name"],
                "in": p["in"],
                "required": p.get("required", False),
                "schema": stripped(p["schema"]),
            }
            for p in parameters
        ],
        "body": stripped(body["content"]["application/json"]["schema"]) if body else None,
        "code": int(code),
        "answer": stripped(answer["schema"]),
        "example": example[0] if isinstance(example, list) else example,
    }


def resolved(whole: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow one reference."""
    while "$ref" in node:
        target: Any = whole
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def stripped(node: Any, *, names: bool = False) -> Any:
    """Drop texts and turn `nullable` into a type; `names`: the keys are names of fields."""
    if isinstance(node, list):
        return [stripped(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: stripped(value, names=key in NAMES and not names)
        for key, value in node.items()
        if names or key not in TEXTS | {"nullable"}
    }
    if "$ref" in kept and not names:
        kept["$ref"] = kept["$ref"].replace("#/components/schemas/", "#/schemas/")
    if node.get("nullable") and not names:
        return {"anyOf": [kept, {"type": "null"}]}
    return kept


def collect(whole: dict[str, Any], node: Any, into: dict[str, Any]) -> None:
    """Add every schema that `node` leads to."""
    if isinstance(node, list):
        for item in node:
            collect(whole, item, into)
    elif isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/schemas/"):
            name = reference.removeprefix("#/schemas/")
            if name not in into:
                into[name] = stripped(whole["components"]["schemas"][name])
                collect(whole, into[name], into)
        for value in node.values():
            collect(whole, value, into)


if __name__ == "__main__":
    main(sys.argv[1])
