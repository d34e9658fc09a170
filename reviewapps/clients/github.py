"""Speaks to GitHub: pull requests of a branch, our comment in them, deployments and statuses."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from reviewapps.errors import ServiceError, Unreachable

API = "https://api.github.com"
VERSION = "2022-11-28"
TIMEOUT_SECONDS = 10.0
PAGES = 30
RATE_LIMIT_HINT = "the deploy itself is not touched; the next one tries again"
RIGHTS_HINT = "the token needs: Deployments write, Pull requests write, Metadata read"

# What the answers of httpx's `.json()` are until a function below has looked at them.
Json = dict[str, Any]


@dataclass(frozen=True)
class PullRequest:
    """A pull request whose head is a branch of our own repository."""

    number: int
    url: str


@dataclass(frozen=True)
class Deployment:
    """GitHub's record of one release: its number there and the commit."""

    id: int
    commit: str


@dataclass
class GitHub:
    """One repository at GitHub; whatever goes wrong is a ServiceError.

    `repository` is `owner/name`. Requests are tried again while GitHub asks for patience, until
    `deadline_seconds` after the last `hurry`: a deploy never waits longer for GitHub.
    """

    repository: str
    token: str = field(repr=False)
    api: str = API
    deadline_seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    http: httpx.Client = field(init=False, repr=False)
    deadline: float = field(init=False, repr=False)
    line: ThreadPoolExecutor = field(init=False, repr=False)
    """Works off what is to be told one after the other, so that the last word is the newest."""

    def __post_init__(self) -> None:
        self.line = ThreadPoolExecutor(max_workers=1)
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "User-Agent": "reviewapps",
            "X-GitHub-Api-Version": VERSION,
        }
        self.http = httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True)
        self.hurry()

    def hurry(self) -> None:
        """Start the time that all requests from now on have together."""
        self.deadline = self.clock() + self.deadline_seconds

    def is_late(self) -> bool:
        """Say whether that time is over."""
        return self.clock() >= self.deadline

    def pull_requests(self, branch: str, *, closed: bool = False) -> list[PullRequest]:
        """Return the open pull requests of `branch`, or `closed` ones too; never one from a fork.

        GitHub closes a pull request when its branch is deleted, which is before its app is. And it
        ignores a `head` that it cannot read and answers with all, so each is compared.
        """
        owner = self.repository.partition("/")[0]
        state = "all" if closed else "open"
        query = {"state": state, "head": f"{owner}:{branch}", "per_page": 100}
        return [
            PullRequest(item["number"], item["html_url"])
            for item in self._pages("pulls", query)
            if item["head"]["ref"] == branch and self._is_ours(item["head"]["repo"])
        ]

    def comment(self, number: int, marker: str, body: str, *, create: bool = True) -> None:
        """Make our comment with `marker` in pull request `number` say `body`.

        It is edited when it exists, since only a new comment notifies people.
        """
        text = f"{marker}\n{body}"
        mine = self._my_comment(number, marker)
        if mine is None:
            if create:
                self._send("POST", f"issues/{number}/comments", {"body": text})
        elif mine["body"] != text:
            self._send("PATCH", f"issues/comments/{mine['id']}", {"body": text})

    def deployments(self, environment: str) -> list[Deployment]:
        """Return the deployments of `environment`, the newest first."""
        found = self._pages("deployments", {"environment": environment, "per_page": 100})
        return [Deployment(item["id"], item["sha"]) for item in found]

    def create_deployment(self, commit: str, environment: str, payload: Json) -> Deployment:
        """Record a deployment of `commit`.

        Without `auto_merge` false GitHub may merge the default branch into the branch, and
        without empty `required_contexts` it refuses while the build that we run in is pending.
        """
        made = self._send(
            "POST",
            "deployments",
            {
                "ref": commit,
                "environment": environment,
                "description": "review app",
                "transient_environment": True,
                "production_environment": False,
                "auto_merge": False,
                "required_contexts": [],
                "payload": payload,
            },
        )
        return Deployment(made["id"], made["sha"])

    def state(self, deployment: int) -> str:
        """Return the newest status of a deployment, or "" when it has none."""
        query = {"per_page": 1}
        newest = self._request("GET", f"deployments/{deployment}/statuses", query=query).json()
        return str(newest[0]["state"]) if newest else ""

    def set_state(
        self, deployment: int, state: str, *, text: str = "", url: str = "", log_url: str = ""
    ) -> None:
        """Add a status to a deployment; GitHub takes at most 140 characters of `text`."""
        short = text if len(text) <= 140 else f"{text[:139]}…"
        optional = {"environment_url": url, "log_url": log_url, "description": short}
        body: Json = {"state": state, "auto_inactive": False}
        body |= {key: value for key, value in optional.items() if value}
        self._send("POST", f"deployments/{deployment}/statuses", body)

    def _my_comment(self, number: int, marker: str) -> Json | None:
        """Find our comment; one with our marker by somebody else is not ours to edit."""
        login: str | None = None
        for comment in self._pages(f"issues/{number}/comments", {"per_page": 100}):
            if (comment["body"] or "").startswith(marker):
                login = self._login() if login is None else login
                author = comment["user"] or {}
                if author.get("login") == login or (not login and author.get("type") == "Bot"):
                    return comment
        return None

    def _login(self) -> str:
        """Return whom the token belongs to; "" for an App's token, which may not ask."""
        try:
            return str(self._request("GET", f"{self.api}/user").json()["login"])
        except Refused as refused:
            if refused.code == 403:
                return ""
            raise

    def _is_ours(self, repository: Json | None) -> bool:
        return repository is not None and (
            repository["full_name"].lower() == self.repository.lower()
        )

    def _pages(self, path: str, query: Json) -> Iterator[Json]:
        answer = self._request("GET", path, query=query)
        for _ in range(PAGES):
            yield from answer.json()
            following = answer.links.get("next", {}).get("url")
            # The token must not follow a link to another place.
            if not following or not following.startswith(f"{self.api}/"):
                return
            answer = self._request("GET", following)

    def _send(self, method: str, path: str, body: Json) -> Json:
        sent: Json = self._request(method, path, body=body).json()
        return sent

    def _request(
        self, method: str, path: str, *, query: Json | None = None, body: Json | None = None
    ) -> httpx.Response:
        known = path.startswith(f"{self.api}/")
        url = path if known else f"{self.api}/repos/{self.repository}/{path}"
        attempt = 0
        while True:
            attempt += 1
            # Without a minimum an exhausted deadline would become a timeout of zero.
            timeout = min(TIMEOUT_SECONDS, max(0.1, self.deadline - self.clock()))
            pause: float | None
            try:
                answer = self.http.request(method, url, params=query, json=body, timeout=timeout)
            except httpx.HTTPError as error:
                # A POST whose answer was lost may have worked: who asked has to look again.
                safe = method != "POST" or isinstance(error, httpx.ConnectError)
                pause, failure = (2.0**attempt if safe else None), unreachable(error)
            else:
                if answer.is_success:
                    return answer
                safe = method != "POST" or answer.status_code < 500
                pause = patience(answer, attempt) if safe else None
                failure = refusal(answer, method, url)
            if pause is None or self.clock() + pause > self.deadline:
                raise failure
            self.sleep(pause)


class Refused(ServiceError):
    """GitHub refused; `code` is the HTTP status."""

    def __init__(self, code: int, message: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.code = code


def patience(answer: httpx.Response, attempt: int) -> float | None:
    """Return how many seconds GitHub wants us to wait, or None when waiting does not help."""
    if answer.status_code >= 500:
        return 2.0**attempt
    if answer.status_code not in (403, 429):
        return None
    after = answer.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    if answer.headers.get("X-RateLimit-Remaining") == "0":
        reset = answer.headers.get("X-RateLimit-Reset", "")
        return max(1.0, float(reset) - time.time()) if reset.isdigit() else 60.0
    return 60.0 if answer.status_code == 429 or "rate limit" in answer.text else None


def refusal(answer: httpx.Response, method: str, url: str) -> ServiceError:
    """Say in one sentence what GitHub said, with what would help."""
    try:
        said = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        said = answer.reason_phrase
    where = f"{method} {httpx.URL(url).path}"
    message = f"GitHub answered {answer.status_code} to {where}: {said[:200]}"
    if answer.status_code >= 500:
        return Unreachable(message, hint=RATE_LIMIT_HINT)
    limited = patience(answer, 1) is not None
    return Refused(answer.status_code, message, RATE_LIMIT_HINT if limited else RIGHTS_HINT)


def unreachable(error: httpx.HTTPError) -> ServiceError:
    """Say that GitHub did not answer; the error's text holds no token."""
    return Unreachable(f"GitHub did not answer: {error or type(error).__name__}")
