"""Reading records, and writing a wish: what anybody may do without holding the app's lock."""

import time
from collections.abc import Callable
from dataclasses import replace

from reviewapps import naming
from reviewapps.clients.consul import Consul, put
from reviewapps.errors import Conflict, ReviewAppsError, Superseded, UserError
from reviewapps.review_app import Release
from reviewapps.store import keys
from reviewapps.store.hosts import page
from reviewapps.store.record import Record, dump, parse

ATTEMPTS = 8


class Records:
    """All records of one Consul datacenter."""

    def __init__(self, consul: Consul) -> None:
        self.consul = consul

    def find(self, slug: str) -> Record | None:
        """Return an app's record, or None."""
        _, entry = self.consul.get(keys.app(slug))
        return parse(entry.value, entry.key) if entry else None

    def watch(self, slug: str, index: int, wait_seconds: float) -> tuple[int, Record | None]:
        """Return the record when it has changed since `index`, or after `wait_seconds`."""
        found_index, entry = self.consul.get(keys.app(slug), index=index, wait_seconds=wait_seconds)
        return found_index, parse(entry.value, entry.key) if entry else None

    def all(self) -> tuple[list[Record], list[ReviewAppsError]]:
        """Return all records, by one read, and what is wrong with those that are not readable."""
        records, faults = [], []
        for entry in self.consul.list(keys.APPS)[1]:
            try:
                records.append(parse(entry.value, entry.key))
            except ReviewAppsError as error:
                faults.append(error)
        return sorted(records, key=lambda each: (each.project, each.branch)), faults

    def wish(self, fresh: Record, release: Release, now: str) -> Record:
        """Write that an app should run `release`, before anything is done for it.

        `fresh` is the record as it would be for a new app; its `release` number is given here.
        The same wish twice changes nothing. Raises UserError when the slug belongs to another
        branch, or to a project of the same name in another repository.
        """

        def change(old: Record | None) -> Record:
            if old is None:
                return replace(fresh.with_release(replace(release, number=1)), asked_at=now)
            if (old.project, old.branch) != (fresh.project, fresh.branch):
                raise UserError(
                    f"{fresh.slug} is already the app of branch {old.branch!r} of {old.project}",
                    hint="rename the branch; the two names have the same 30-bit hash",
                )
            if naming.are_two(old.repository, fresh.repository):
                raise UserError(
                    f"{fresh.slug} is the app of {old.branch!r} of {old.repository}, and this is "
                    f"{fresh.repository}: both say `project: {old.project}`",
                    hint="give one of the two another `project`; if the repository has only moved, "
                    f"reviewapps destroy {fresh.slug}, then deploy again",
                )
            repository = fresh.repository or old.repository
            latest = old.wanted_release
            same = old.wanted == "running" and latest.same_as(release)
            runs = old.state == "running" and old.serving == latest.number
            if same and (runs or old.state == "deploying"):
                return replace(old, repository=repository)
            number = max(each.number for each in old.releases) + 1
            known = old if same else old.with_release(replace(release, number=number))
            return replace(
                known,
                host=fresh.host,
                url=fresh.url,
                repository=repository,
                wanted="running",
                state="deploying",
                cause="",
                steps=(),
                wish=old.wish if same else old.wish + 1,
                asked_by=fresh.asked_by,
                asked_at=now,
                updated_at=now,
            )

        written = self._change(fresh.slug, change)
        assert written is not None  # noqa: S101 - change never returns None here
        return written

    def wish_gone(
        self, slug: str, asked_by: str, now: str, *, wish: int | None = None
    ) -> Record | None:
        """Write that an app should be gone; None when there is no record of it.

        Raises Superseded when something else was asked for since `wish`, where that is given.
        """

        def change(old: Record | None) -> Record | None:
            if old is not None and wish not in (None, old.wish):
                who = f" by {old.asked_by}" if old.asked_by else ""
                raise Superseded(
                    f"something else was asked for {slug} meanwhile{who}, at {old.asked_at}",
                    hint=f"reviewapps status {slug}",
                )
            if old is None or old.wanted == "gone":
                return old
            return replace(
                old,
                wanted="gone",
                state="destroying",
                steps=(),
                wish=old.wish + 1,
                asked_by=asked_by,
                asked_at=now,
                updated_at=now,
            )

        return self._change(slug, change)

    def admit(self, slug: str, change: Callable[[Record], Record]) -> Record | None:
        """Change whom the routers let in, beside whoever holds the lock; None without a record."""

        def only_access(old: Record | None) -> Record | None:
            return None if old is None else replace(old, access=change(old).access)

        return self._change(slug, only_access)

    def _change(self, slug: str, change: Callable[[Record | None], Record | None]) -> Record | None:
        """Read, change and write back if nobody else wrote; else once more."""
        for attempt in range(ATTEMPTS):
            _, entry = self.consul.get(keys.app(slug))
            old = parse(entry.value, entry.key) if entry else None
            new = change(old)
            if new is None or new == old:
                return new
            try:
                self.consul.transact(
                    put(keys.app(slug), dump(new), entry.index if entry else 0),
                    put(keys.host(new.host), page(new)),
                )
                return new
            except Conflict:
                time.sleep(0.02 * attempt)
        raise Conflict(f"the record of {slug} changes too often", hint="try again")
