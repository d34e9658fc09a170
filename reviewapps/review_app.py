"""One branch of a project as a review app: what it should be, as pure values."""

from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from reviewapps import naming
from reviewapps.project import Project
from reviewapps.settings import Settings

TOLERANT = ConfigDict(extra="ignore")


@dataclass(frozen=True, config=TOLERANT)
class Release:
    """One image of an app, numbered 1, 2, 3…, with the project file as it was then.

    `built` says that reviewapps makes the image from `commit` itself, `pinned` names it by its
    digest once a registry has it, `schema` stands for the migrations and seeds of the commit
    ("": unknown).
    """

    number: int
    image: str
    commit: str
    built: bool
    project: dict[str, Any]
    created_at: str = ""
    schema: str = ""
    pinned: str = ""

    def same_as(self, other: "Release") -> bool:
        """Say whether deploying the one is deploying the other."""
        return (self.image, self.commit, self.project) == (other.image, other.commit, other.project)


@dataclass(frozen=True, config=TOLERANT)
class ReviewApp:
    """An app at one release: everything that the steps need to know and nothing that they find."""

    project: Project
    branch: str
    slug: str
    host: str
    url: str
    release: Release

    def named(self, name: str) -> str:
        """Return the name of one of the app's things: `<slug>--<name>`."""
        return naming.thing(self.slug, name)

    @property
    def owner(self) -> dict[str, str]:
        """What everything of this app carries, so that it is found without the record."""
        return {
            "platform": "reviewapps",
            "project": self.project.project,
            "branch": self.branch,
            "slug": self.slug,
        }


def host(slug: str, domain: str) -> str:
    """Return the app's host, the key of its route."""
    return f"{slug}.{domain}"


def url(slug: str, settings: Settings, domain: str) -> str:
    """Return where a browser finds the app."""
    usual = {"http": 80, "https": 443}[settings.url_scheme]
    port = "" if settings.url_port == usual else f":{settings.url_port}"
    return f"{settings.url_scheme}://{host(slug, domain)}{port}"


def image_tag(slug: str, project: str, commit: str, registry: str) -> str:
    """Return the tag `ID-COMMIT` under which the branch's commit is built."""
    prefix = f"{registry.rstrip('/')}/" if registry else ""
    return f"{prefix}{project}:{slug}-{commit[:12]}"
