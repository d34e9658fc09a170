"""Which apps have lost their branch or their time; pure, so that it can be tried on anything.

Deleting is the danger here: an empty answer of the remote is taken for a fault, never for "all
branches are gone", no run removes more than its cap, and apps of another repository are not ours.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reviewapps.errors import UserError
from reviewapps.store.record import Record

CAP = 10
ALL_AT_ONCE = 3
GONE = "its branch is gone"


@dataclass(frozen=True)
class Home:
    """Where prune runs: its project, and its repository as `github.com/acme/shop`."""

    project: str
    repository: str
    covers: Callable[[str], bool]


@dataclass(frozen=True)
class Doomed:
    """An app to remove, and why."""

    record: Record
    reason: str


def sort(records: Sequence[Record], home: Home) -> tuple[list[Record], list[Record]]:
    """Return the apps whose branches are the remote's to tell, and those of our name elsewhere.

    A repository's apps are its own whatever the project is called today: it may have been renamed,
    or be one of several. An app whose repository is unknown is told by the project's name.
    """
    ours, foreign = [], []
    for record in records:
        if not (record.repository and home.repository):
            if record.project == home.project:
                ours.append(record)
        elif record.repository == home.repository:
            ours.append(record)
        elif record.project == home.project:
            foreign.append(record)
    return ours, foreign


def plan(  # noqa: PLR0913 - the last two have defaults
    ours: Sequence[Record],
    branches: Collection[str],
    now: datetime,
    home: Home,
    *,
    max_age_days: int | None = None,
    cap: int | None = None,
) -> list[Doomed]:
    """Return which of `ours` to remove, when the remote has these branches.

    Raises UserError, and leaves everything as it is, when the remote names no branch at all, when
    more than `cap` apps would go, and, unless a cap is given, when all apps would go at once.
    """
    if ours and not branches:
        raise UserError(
            f"the remote names no branch at all, and there are {_apps(len(ours))}: "
            "that is more likely a fault than the truth, so nothing is removed",
            hint="git ls-remote --heads origin; reviewapps destroy BRANCH removes one app",
        )
    doomed = [
        Doomed(record, reason)
        for record in ours
        if (reason := _reason(record, branches, now, home, max_age_days))
    ]
    lost = [each for each in doomed if each.record.branch not in branches]
    if cap is None and len(lost) == len(ours) > ALL_AT_ONCE and not any(map(home.covers, branches)):
        raise UserError(
            f"the remote has {len(branches)} branches and none that gets an app, so all "
            f"{len(ours)} apps would be removed at once; nothing is removed",
            hint=f"if that is the truth, allow it with --cap {len(doomed)}",
        )
    if len(doomed) > (CAP if cap is None else cap):
        names = ", ".join(each.record.branch for each in doomed[:5])
        raise UserError(
            f"{len(doomed)} of {_apps(len(ours))} would be removed ({names}, …), and at most "
            f"{CAP if cap is None else cap} may be in one run, so nothing is removed",
            hint=f"look with --dry-run, then allow it with --cap {len(doomed)}",
        )
    return doomed


def spared(doomed: Doomed, branches: Collection[str]) -> str:
    """Say why an app is not removed after a last look at the remote, "" when it still should."""
    was_gone = doomed.reason == GONE
    return "its branch is there again" if was_gone and doomed.record.branch in branches else ""


def _reason(
    record: Record,
    branches: Collection[str],
    now: datetime,
    home: Home,
    max_age_days: int | None,
) -> str:
    if record.wanted == "gone":
        return "its removal was begun and not finished"
    if record.branch not in branches:
        return GONE
    if max_age_days is None or record.project != home.project:
        return ""
    age = now - moment(record.asked_at)
    return f"it was last deployed {age.days} days ago" if age > timedelta(max_age_days) else ""


def moment(text: str) -> datetime:
    """Return an ISO time; one without a zone is in UTC, as all that reviewapps writes."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _apps(count: int) -> str:
    return "1 app" if count == 1 else f"{count} apps"
