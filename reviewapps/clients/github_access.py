"""Finds which repository at GitHub is ours, and our token: from the environment and git."""

import re
from collections.abc import Mapping

from reviewapps.clients.github import API, GitHub

REMOTE = re.compile(
    r"(?:https://(?:[^@/]+@)?github\.com/|git@github\.com:|ssh://git@github\.com/)"
    r"([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+?)(?:\.git)?/?"
)


def access(environment: Mapping[str, str], remote: str) -> GitHub | None:
    """Return our repository at GitHub, or None when there is no token or it lies elsewhere.

    `remote` is the URL of git's origin; CI systems name the repository in too many ways.
    GITHUB_REPOSITORY (owner/name) and GITHUB_API_URL take precedence, as in GitHub's own CI.
    """
    token = environment.get("GITHUB_TOKEN", "")
    repository = environment.get("GITHUB_REPOSITORY") or repository_of(remote)
    if not token or not repository:
        return None
    return GitHub(repository, token, api=(environment.get("GITHUB_API_URL") or API).rstrip("/"))


def repository_of(remote: str) -> str:
    """Return `owner/name` of a remote's URL, or "" when it is not at GitHub."""
    match = REMOTE.fullmatch(remote.strip())
    return match[1] if match else ""
