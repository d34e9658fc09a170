"""Draws conclusions from a folder's evidence: each value of its reviewapps.yml with the reason."""

import re

from reviewapps.init import database, processes
from reviewapps.init.command import Choice
from reviewapps.init.evidence import Evidence, remote_name


def choose(evidence: Evidence) -> list[Choice]:
    """Return all choices in the order in which the file has them."""
    return [
        name(evidence),
        *image(evidence),
        *database.choose(evidence),
        *processes.redis(evidence),
        *database.migrate(evidence),
        *database.seed(evidence),
        *processes.web(evidence),
        *processes.worker(evidence),
        *environment(evidence),
    ]


def name(evidence: Evidence) -> Choice:
    """Name the project after its repository, or after its folder below one."""
    below = evidence.below != "."
    remote = remote_name(evidence.repository) if evidence.repository and not below else ""
    if remote:
        return Choice("project", as_name(remote), "The repository's name on its remote.")
    return Choice("project", as_name(evidence.folder.path.name), "The folder's name.")


def as_name(text: str) -> str:
    """Return a project's name made of any text."""
    bare = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not bare[:1].isalpha():
        bare = f"app-{bare}".strip("-")
    return bare[:31].strip("-")


def image(evidence: Evidence) -> list[Choice]:
    """Say where the Dockerfile is when it is not where everybody looks first."""
    below, file = evidence.below, evidence.dockerfile.name
    if not file:
        evidence.folder.note(
            "there is no Dockerfile, and reviewapps builds the image from one: write it next"
        )
        file = "Dockerfile"
    if below == "." and file == "Dockerfile":
        return []
    placed = file if below == "." else f"{below}/{file}"
    why = "Paths count from the repository's root."
    return [
        Choice("image/dockerfile", placed, f"{why} This is the Dockerfile found."),
        Choice("image/context", below, why),
    ]


def environment(evidence: Evidence) -> list[Choice]:
    """Set what the framework needs to run as in production."""
    given = evidence.dockerfile.variables
    wanted: dict[str, tuple[str, str]] = {}
    if evidence.is_rails:
        wanted["RAILS_ENV"] = ("production", "Rails as in production.")
        wanted["RAILS_LOG_TO_STDOUT"] = ("1", "So that `reviewapps logs` shows the log.")
        wanted["RAILS_SERVE_STATIC_FILES"] = ("1", "No other server serves public/.")
        wanted["SECRET_KEY_BASE_DUMMY"] = (
            "1",
            "Rails 7.1 and later make a key of their own for each container: a redeploy ends"
            " sessions. Older ones need SECRET_KEY_BASE.",
        )
        if evidence.folder.first(
            "config/credentials.yml.enc", "config/credentials/production.yml.enc"
        ):
            evidence.folder.note(
                "the key to Rails' encrypted credentials is not in git: if the app does not start"
                " without, make credentials that hold nothing of production,"
                " run reviewapps secret set RAILS_MASTER_KEY, and add secrets: [RAILS_MASTER_KEY]"
            )
    elif "sinatra" in evidence.gems or "rack" in evidence.gems:
        wanted["RACK_ENV"] = ("production", "Rack as in production.")
    if evidence.node and not evidence.gems:
        wanted["NODE_ENV"] = ("production", "Node as in production.")
    if evidence.is_django:
        evidence.folder.note(
            "Django answers only to the hosts in ALLOWED_HOSTS: let it take the apps' domain"
        )
    return [
        Choice(f"env/{key}", value, why)
        for key, (value, why) in wanted.items()
        if key not in given or given[key] != value
    ]
