"""Consul's KV store, sessions and transactions in memory, as reviewapps.clients.consul has them."""

import base64
import threading
import time
import uuid

from reviewapps.clients.consul import Entry, Operation
from reviewapps.errors import Conflict


class Consul:
    """One datacenter, shared by all who hold this object."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.sessions: set[str] = set()
        self.index = 1
        self.changed = threading.Condition(threading.RLock())

    def get(self, key: str, *, index: int = 0, wait_seconds: float = 0) -> tuple[int, Entry | None]:
        """Return the index and the key; with `index` once it has changed or time is up."""
        with self.changed:
            deadline = time.monotonic() + wait_seconds

            def now() -> int:
                return self.entries[key].index if key in self.entries else self.index

            while index and now() <= index and time.monotonic() < deadline:
                self.changed.wait(deadline - time.monotonic())
            return now(), self.entries.get(key)

    def list(
        self, prefix: str, *, index: int = 0, wait_seconds: float = 0
    ) -> tuple[int, list[Entry]]:
        """Return the index and all keys below `prefix`."""
        with self.changed:
            if index and index >= self.index:
                self.changed.wait(wait_seconds)
            found = [self.entries[key] for key in sorted(self.entries) if key.startswith(prefix)]
            return self.index, found

    def transact(self, *operations: Operation) -> dict[str, int]:
        """Do all operations or none."""
        with self.changed:
            before = dict(self.entries)
            self.index += 1
            try:
                for operation in operations:
                    self._do(**operation.body["KV"])
            except Conflict:
                self.entries = before
                raise
            self.changed.notify_all()
            keys = [operation.body["KV"]["Key"] for operation in operations]
            return {key: self.index for key in keys if key in self.entries}

    def create_session(self, _name: str) -> str:
        """Return a new session."""
        session = str(uuid.uuid4())
        self.sessions.add(session)
        return session

    def renew_session(self, session: str) -> bool:
        """Say whether the session is known."""
        return session in self.sessions

    def destroy_session(self, session: str) -> None:
        """End a session and release what it holds."""
        with self.changed:
            self.sessions.discard(session)
            for key, entry in self.entries.items():
                if entry.session == session:
                    self.entries[key] = Entry(key, entry.value, self.index)
            self.changed.notify_all()

    def release(self, key: str, value: str, session: str) -> bool:
        """Give up a lock."""
        with self.changed:
            entry = self.entries.get(key)
            if entry is None or entry.session != session:
                return False
            self.index += 1
            self.entries[key] = Entry(key, value, self.index)
            self.changed.notify_all()
            return True

    def _do(self, Verb: str, Key: str, Value: str = "", Index: int = 0, Session: str = "") -> None:
        entry = self.entries.get(Key)
        value = base64.b64decode(Value).decode()
        found, holder = (entry.index, entry.session) if entry else (0, "")
        conflict = {
            "cas": found != Index,
            "delete-cas": found != Index,
            "check-session": not holder or holder != Session,
            "check-not-exists": entry is not None,
            "lock": Session not in self.sessions or holder not in ("", Session),
        }
        if conflict.get(Verb):
            raise Conflict(f"{Verb} of {Key}: it does not hold")
        if Verb in ("set", "cas"):
            self.entries[Key] = Entry(Key, value, self.index, holder)
        elif Verb == "lock":
            self.entries[Key] = Entry(Key, value, self.index, Session)
        elif Verb in ("delete", "delete-cas"):
            self.entries.pop(Key, None)
        elif Verb == "delete-tree":
            below = [key for key in self.entries if key.startswith(Key)]
            for key in below:
                del self.entries[key]
