"""What is done with an app as a whole: deploy it, destroy it, find it; whoever asks."""

import contextlib
import getpass
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from reviewapps import naming, news, project_secrets, review_app
from reviewapps.clients import Clients, git
from reviewapps.errors import Conflict, Failed, NotFound, ReviewAppsError, UserError
from reviewapps.progress import Event, Report
from reviewapps.project import Project
from reviewapps.reconcile import Reconciler, now
from reviewapps.review_app import Release, ReviewApp
from reviewapps.settings import Settings
from reviewapps.steps import access
from reviewapps.store.held import HeldRecord
from reviewapps.store.lock import hold
from reviewapps.store.record import Record
from reviewapps.store.records import Records

STOPPED = "The deploy was stopped before it was done. The same job again goes on from there."


@dataclass(frozen=True)
class Wanted:
    """What somebody asks to be deployed; `image` "" means: build it from `commit`."""

    project: Project
    branch: str
    commit: str
    image: str = ""


def deploy(clients: Clients, wanted: Wanted, report: Report, *, source: Path | None) -> Record:
    """Deploy a branch and return its record once it runs.

    The wish is written first; then whoever holds the app's lock does the work, and the others
    follow its progress. Raises Failed with the cause, Superseded when something newer was asked.
    """
    require_text(wanted.branch)
    clients.nomad.leader()  # nothing is asked for while it can't be done
    project_secrets.chosen(clients.nomad, wanted.project)
    access.require_possible(wanted.project, clients.settings)
    slug = naming.slug(wanted.project.project, wanted.branch)
    record = Records(clients.consul).wish(
        _fresh(slug, wanted, clients.settings, source),
        _release(slug, wanted, clients.settings, source),
        now(),
    )
    follower = _Follower(clients, record, report)
    with hold(clients.consul, slug, while_waiting=follower.look) as held:
        follower.require_not_failed()
        app = app_of(record)
        reconciler = Reconciler(app, clients, HeldRecord(held, record.wish), report, source=source)
        with _telling(clients, app, record, report):
            return reconciler.deploy()


def require_text(branch: str) -> None:
    """Raise UserError for a branch whose name git has as bytes that are no text."""
    try:
        branch.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"the name of the branch {branch!r} is not UTF-8",
            hint="rename it with git branch --move",
        ) from error


def destroy(
    clients: Clients, record: Record, report: Report, *, if_unchanged: bool = False
) -> None:
    """Remove an app with everything it has; the record goes last.

    Raises Superseded when somebody deploys it again meanwhile, or with `if_unchanged` since
    `record` was read.
    """
    clients.nomad.leader()
    wish = record.wish if if_unchanged else None
    asked = Records(clients.consul).wish_gone(record.slug, who(), now(), wish=wish)
    if asked is None:
        return
    follower = _Follower(clients, asked, report)
    with hold(clients.consul, asked.slug, while_waiting=follower.look) as held:
        if Records(clients.consul).find(asked.slug) is None:
            return
        Reconciler(app_of(asked), clients, HeldRecord(held, asked.wish), report).destroy()


def find(clients: Clients, name: str, project: str = "") -> Record | None:
    """Return the app that `name`, a branch or a slug, means; None when there is none.

    Raises UserError when branches of several projects have that name and `project` names none.
    """
    records, faults = Records(clients.consul).all()
    found = [
        each
        for each in records
        if each.slug == name or (each.branch == name and project in ("", each.project))
    ]
    if len(found) > 1:
        raise UserError(
            f"several projects have a branch {name!r}: {', '.join(each.slug for each in found)}",
            hint=f"name the slug instead, as in: reviewapps status {found[0].slug}",
        )
    if not found and faults:
        raise faults[0]
    return found[0] if found else None


def require(clients: Clients, name: str, project: str = "") -> Record:
    """Return the app that `name` means; raises NotFound when there is none."""
    record = find(clients, name, project)
    if record is None:
        raise NotFound(f"there is no app of the branch {name!r}", hint="reviewapps list")
    return record


def app_of(record: Record) -> ReviewApp:
    """Return the app that a record wants."""
    release = record.wanted_release
    return ReviewApp(
        project=Project.from_dict(release.project),
        branch=record.branch,
        slug=record.slug,
        host=record.host,
        url=record.url,
        release=release,
    )


def who() -> str:
    """Return who asks, for the record."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _fresh(slug: str, wanted: Wanted, settings: Settings, source: Path | None) -> Record:
    domain = wanted.project.domain or settings.domain
    return Record(
        slug=slug,
        project=wanted.project.project,
        branch=wanted.branch,
        host=review_app.host(slug, domain),
        url=review_app.url(slug, settings, domain),
        repository=git.identity(source) if source else "",
        asked_by=who(),
    )


def _release(slug: str, wanted: Wanted, settings: Settings, source: Path | None) -> Release:
    project = wanted.project.project
    built = review_app.image_tag(slug, project, wanted.commit, settings.docker.registry)
    return Release(
        number=0,
        image=wanted.image or built,
        commit=wanted.commit,
        built=not wanted.image,
        project=wanted.project.as_dict(),
        created_at=now(),
        schema=_schema(wanted, source) if source else "",
    )


def _schema(wanted: Wanted, source: Path) -> str:
    """Return what stands for the migrations and seeds of the commit."""
    paths = wanted.project.database.fingerprint
    return " ".join(git.objects(source, wanted.commit, paths))


@contextlib.contextmanager
def _telling(clients: Clients, app: ReviewApp, record: Record, report: Report) -> Iterator[None]:
    """Tell people that a deploy has begun, beside the work, and that it has failed or stopped.

    That it runs is told by the step notify; what replaces this deploy tells of itself.
    """
    if record.state == "deploying":
        news.tell_later(clients, app, "deploying")
    problems: list[str] = []
    try:
        yield
    except Conflict:
        raise
    except ReviewAppsError as error:
        problems = news.tell(clients, app, "failed", cause=error.message)
        raise
    except KeyboardInterrupt:
        news.hurry(clients)
        problems = news.tell(clients, app, "failed", cause=STOPPED)
        raise
    finally:
        for problem in problems:
            report(Event(now(), "notify", "waiting", problem))


class _Follower:
    """Tells what another holder of the lock does, from the record, while we wait for it."""

    def __init__(self, clients: Clients, record: Record, report: Report) -> None:
        self.records = Records(clients.consul)
        self.record = record
        self.report = report
        self.told = len(record.events)
        self.followed = False

    def look(self, _holder: str) -> None:
        """Report what is new; called again and again while waiting."""
        self.followed = True
        found = self.records.find(self.record.slug)
        if found is None:
            return
        known = {(each.at, each.step) for each in self.record.events}
        for event in found.events:
            if (event.at, event.step) not in known:
                self.report(event)
        self.record = replace(self.record, events=found.events)

    def require_not_failed(self) -> None:
        """Raise Failed when the holder we followed failed at what we want too."""
        found = self.records.find(self.record.slug) if self.followed else None
        if found and found.wish == self.record.wish and found.state == "failed":
            raise Failed(found.cause, hint=f"reviewapps status {found.slug}")
