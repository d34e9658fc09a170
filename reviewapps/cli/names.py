"""Which app somebody means: a branch, with or without `deploy-`, a slug, a host or a URL."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from urllib.parse import urlsplit

from reviewapps.clients import Clients
from reviewapps.errors import NotFound, UserError
from reviewapps.store.record import Record
from reviewapps.store.records import Records

PREFIX = "deploy-"
REFS = ("refs/heads/", "refs/remotes/origin/", "origin/")


def exact(records: Sequence[Record], name: str, project: str = "") -> Record | None:
    """Return the app that has exactly this branch, slug, host or URL; None when there is none.

    `project` is the one of the folder where the command runs, "" outside of any. Raises UserError
    when several apps have the name.
    """
    found = [
        each
        for each in records
        if name == each.slug
        or host_in(name) == each.host
        or (name == each.branch and project in ("", each.project))
    ]
    if len(found) > 1:
        slugs = ", ".join(f"{each.slug} of {each.project}" for each in found)
        raise UserError(
            f"{name!r} means several apps: {slugs}", hint="name the slug instead of the branch"
        )
    return found[0] if found else None


def loose(records: Sequence[Record], name: str, project: str = "") -> Record | None:
    """Return the app that `name` means when it is read kindly, and it means only one."""
    found = exact(records, name, project)
    if found:
        return found
    short = without_ref(name)
    wanted = {short, PREFIX + short}
    near = [each for each in records if each.branch in wanted and project in ("", each.project)]
    return near[0] if len(near) == 1 else None


def require(clients: Clients, name: str, project: str = "") -> Record:
    """Return the app that `name` means; raises NotFound with what may have been meant."""
    records, faults = Records(clients.consul).all()
    found = loose(records, name, project)
    if found:
        return found
    if faults:
        raise faults[0]
    raise missing(records, name, project)


def missing(records: Sequence[Record], name: str, project: str = "") -> NotFound:
    """Return the error for a name that no app has."""
    hint = suggestion(records, name, project)
    return NotFound(f"there is no app of {name!r}", hint=hint or "reviewapps list shows all apps")


def suggestion(records: Sequence[Record], name: str, project: str = "") -> str:
    """Return a sentence on what may have been meant, "" when nothing is near."""
    if not records:
        return "there are no apps yet: reviewapps deploy BRANCH"
    others = [each for each in records if each.branch == without_ref(name)]
    if others:
        return f"{others[0].slug} is that branch of the project {others[0].project}"
    words = {word: each.branch for each in records for word in (each.branch, each.slug)}
    kind = loose(records, name, project)
    near = kind.branch if kind else nearest(name, words)
    return f"did you mean {words[near]}? reviewapps list shows all apps" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of `known` that reads most like `name`, "" when none does.

    What nearly all branches begin with makes no two of them alike.
    """
    short = {word.removeprefix(PREFIX): word for word in known}
    bare = without_ref(name)
    near = get_close_matches(bare.removeprefix(PREFIX), short, n=1, cutoff=0.6)
    if near:
        return short[near[0]]
    return next(iter(get_close_matches(bare, short.values(), n=1, cutoff=0.85)), "")


def without_ref(name: str) -> str:
    """Return the branch in what git calls it, such as `origin/deploy-blue`."""
    for prefix in REFS:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def host_in(name: str) -> str:
    """Return the host in a URL or in `host:port/path`, "" when there is none."""
    try:
        return urlsplit(name if "://" in name else f"//{name}").hostname or ""
    except ValueError:
        return ""
