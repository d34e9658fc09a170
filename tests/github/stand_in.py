"""A GitHub that runs here: keeps comments and deployments, and refuses what GitHub's API would.

Every request is checked against `openapi.json` (cut from GitHub's published description), and so
is every answer, which starts as GitHub's own example. What broke a rule is kept in `violations`.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.github.description import Json, example, faults, find, read


@dataclass(frozen=True)
class Trouble:
    """An answer given instead of the right one; `after` does the work first, as a lost reply."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "trouble"
    body: bytes | None = None
    after: bool = False
    only: str = ""


@dataclass
class StandIn:
    """The state of one repository at GitHub."""

    repository: str = "acme/shop"
    login: str = "review-bot"
    token: str = "token-of-the-test"
    pulls: list[Json] = field(default_factory=list)
    comments: dict[int, list[Json]] = field(default_factory=dict)
    deployments: list[Json] = field(default_factory=list)
    statuses: dict[int, list[Json]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    user_answer: int = 200
    page_size: int = 100
    url: str = ""

    def pull_request(self, branch: str, *, repository: str = "", number: int = 0) -> int:
        """Open a pull request of `branch`, from a fork when another `repository` is named."""
        pull = example("get", "/repos/{owner}/{repo}/pulls")
        pull["number"] = number or 1 + len(self.pulls)
        pull["head"]["ref"] = branch
        pull["head"]["repo"]["full_name"] = repository or self.repository
        pull["requested_teams"] = []  # GitHub's own example lacks a field that it requires.
        self.pulls.append(pull)
        self.comments.setdefault(pull["number"], [])
        return int(pull["number"])

    def close(self, branch: str) -> None:
        """Close the pull requests of a branch, as deleting the branch does."""
        for pull in self.pulls:
            if pull["head"]["ref"] == branch:
                pull["state"] = "closed"

    def say(self, number: int, body: str, login: str, kind: str = "User") -> Json:
        """Add a comment by `login`."""
        made = example("post", "/repos/{owner}/{repo}/issues/{issue_number}/comments")
        made |= {"id": 1 + sum(map(len, self.comments.values())), "body": body}
        made["user"] = made["user"] | {"login": login, "type": kind}
        self.comments.setdefault(number, []).append(made)
        return made

    def states(self) -> list[tuple[str, list[str]]]:
        """Return each deployment's commit with its statuses, both the oldest first."""
        return [
            (item["sha"], [status["state"] for status in self.statuses[item["id"]]])
            for item in self.deployments
        ]

    def answer(  # noqa: PLR0911 (one return for each request that GitHub knows)
        self, operation: Json, values: Json, query: Json, body: Json
    ) -> Any:
        """Do what a request asks; return its answer."""
        match operation["method"], operation["path"].removeprefix("/repos/{owner}/{repo}"):
            case "get", "/user":
                return example("get", "/user") | {"login": self.login}
            case "get", "/pulls":
                owner, _, branch = query.get("head", ":").partition(":")
                full = [p for p in self.pulls if p["head"]["ref"] == branch]
                found = full if owner and branch else self.pulls
                state = query.get("state", "open")
                return [p for p in found if state in ("all", p["state"])]
            case "get", "/issues/{issue_number}/comments":
                return self.comments[values["issue_number"]]
            case "post", "/issues/{issue_number}/comments":
                return self.say(values["issue_number"], body["body"], self.login)
            case "patch", "/issues/comments/{comment_id}":
                every = [c for some in self.comments.values() for c in some]
                edited = next(c for c in every if c["id"] == values["comment_id"])
                edited["body"] = body["body"]
                return edited
            case "get", "/deployments":
                wanted = query.get("environment")
                return [d for d in self.deployments if d["environment"] == wanted][::-1]
            case "post", "/deployments":
                return self.deploy(body)
            case "get", "/deployments/{deployment_id}/statuses":
                return self.statuses[values["deployment_id"]][::-1]
            case "post", "/deployments/{deployment_id}/statuses":
                made = example("post", operation["path"]) | body
                made.pop("auto_inactive", None)
                self.statuses[values["deployment_id"]].append(made)
                return made
        raise AssertionError(operation["path"])

    def deploy(self, body: Json) -> Json:
        """Record a deployment, as strict about merging and contexts as GitHub."""
        if body.get("auto_merge", True) or body.get("required_contexts") != []:
            self.violations.append("a deployment that may merge, or that waits for our own build")
        made = example("post", "/repos/{owner}/{repo}/deployments")
        made |= {key: value for key, value in body.items() if key in made}
        made |= {"id": 100 + len(self.deployments), "sha": body["ref"]}
        self.deployments.append(made)
        self.statuses[made["id"]] = []
        return made


class Handler(BaseHTTPRequestHandler):
    """Checks a request, lets the stand-in answer it, checks the answer."""

    stand_in: StandIn

    def handle_any(self) -> None:
        """Answer one request."""
        state, split = self.stand_in, urlsplit(self.path)
        method = self.command.lower()
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state.requests.append(f"{self.command} {split.path}")
        trouble = next(
            (t for t in state.troubles if f"{self.command} {split.path}".startswith(t.only)), None
        )
        if trouble:
            state.troubles.remove(trouble)
            if not trouble.after:
                self.trouble(trouble)
                return
        code, answer, headers = self.consider(method, split.path, split.query, raw)
        if trouble:
            self.trouble(trouble)
        else:
            self.send(code, answer, headers)

    def consider(
        self, method: str, path: str, query_text: str, raw: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        """Check one request and return code, answer and headers."""
        state, found = self.stand_in, find(method, path)
        if found is None:
            state.violations.append(f"GitHub has no {method} {path} for us")
            return 404, {"message": "Not Found"}, {}
        operation, texts = found
        if self.headers.get("Authorization") != f"Bearer {state.token}":
            return 401, {"message": "Bad credentials"}, {}
        values, wrong = read(operation, "path", texts)
        query, more = read(operation, "query", {k: v[0] for k, v in parse_qs(query_text).items()})
        body = json.loads(raw) if raw else None
        wrong += more + self.wrong_headers()
        wrong += faults(operation["body"], body) if operation["body"] else []
        state.violations += [f"{method} {path}: {fault}" for fault in wrong]
        if wrong:
            return 422, {"message": "; ".join(wrong)}, {}
        if path == "/user" and state.user_answer != 200:
            return state.user_answer, {"message": "Resource not accessible"}, {}
        if path != "/user" and f"{texts['owner']}/{texts['repo']}" != state.repository:
            return 404, {"message": "Not Found"}, {}
        headers: dict[str, str] = {}
        answer = state.answer(operation, values, query, body or {})
        if isinstance(answer, list):
            answer, headers = self.page(answer, query, path)
        state.violations += [f"OUR ANSWER: {f}" for f in faults(operation["answer"], answer)]
        return operation["code"], answer, headers

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any

    def wrong_headers(self) -> list[str]:
        """Return what GitHub asks of every client and this request lacks."""
        wanted = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        wrong = [f"{k} is not {v}" for k, v in wanted.items() if self.headers.get(k) != v]
        return wrong + ([] if self.headers.get("User-Agent") else ["no User-Agent"])

    def page(self, whole: list[Json], query: Json, path: str) -> tuple[list[Json], dict[str, str]]:
        """Cut a list into pages, with the Link header that leads on."""
        size, number = min(query.get("per_page", 30), self.stand_in.page_size), query.get("page", 1)
        start = (number - 1) * size
        if start + size >= len(whole):
            return whole[start:], {}
        link = f"{self.stand_in.url}{path}?per_page={size}&page={number + 1}"
        return whole[start : start + size], {"Link": f'<{link}>; rel="next"'}

    def trouble(self, trouble: Trouble) -> None:
        """Answer with a trouble; code 0 hangs up."""
        if trouble.code == 0:
            self.close_connection = True
            self.connection.close()
            return
        message = {"message": trouble.message}
        self.send(trouble.code, message, trouble.headers, raw=trouble.body)

    def send(
        self, code: int, value: Any, headers: dict[str, str] | None = None, raw: bytes | None = None
    ) -> None:
        """Send an answer as JSON, or `raw` as it is."""
        data = json.dumps(value).encode() if raw is None else raw
        self.send_response(code)
        for name, text in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@contextmanager
def github_stand_in(address: str = "127.0.0.1", port: int = 0) -> Iterator[StandIn]:
    """Run a stand-in; at the end no rule of GitHub's may have been broken."""
    state = StandIn()
    handler = type("Bound", (Handler,), {"stand_in": state})
    server = ThreadingHTTPServer((address, port), handler)
    state.url = f"http://{address}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert state.violations == []
