"""Consul's KV, sessions and transactions over py-consul, with our errors.

py-consul 1.8.0 sends no token with a transaction and lets the environment override an explicit
token, so the token is set here. A transaction is all or nothing, at most 128 operations:
https://developer.hashicorp.com/consul/api-docs/txn.
"""

import base64
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import consul
import requests
from consul.callback import CB

from reviewapps import settings
from reviewapps.errors import Conflict, ServiceError, Unreachable

TIMEOUT_SECONDS = 10
SESSION_TTL_SECONDS = 10
LOCK_DELAY_SECONDS = 5
NO_LEADER = ("No cluster leader", "rpc error", "leadership lost", "not the leader")


@dataclass(frozen=True)
class Entry:
    """One key of the KV store with the index of its last change and who has it locked."""

    key: str
    value: str
    index: int
    session: str = ""


@dataclass(frozen=True)
class Operation:
    """One operation of a transaction, in the form the API takes."""

    body: dict[str, Any]


def put(key: str, value: str, expected_index: int | None = None) -> Operation:
    """Write a key; with `expected_index` only when its index is still that (0: when absent)."""
    return _write("set" if expected_index is None else "cas", key, value, expected_index)


def lock(key: str, value: str, session: str) -> Operation:
    """Write a key and take its lock for `session`, if nobody else has it."""
    operation = _write("lock", key, value, None)
    operation.body["KV"]["Session"] = session
    return operation


def delete(key: str) -> Operation:
    """Delete a key; one that is gone is no error."""
    return Operation({"KV": {"Verb": "delete", "Key": key}})


def delete_if(key: str, expected_index: int) -> Operation:
    """Delete a key if its index is still `expected_index`."""
    return Operation({"KV": {"Verb": "delete-cas", "Key": key, "Index": expected_index}})


def delete_below(prefix: str) -> Operation:
    """Delete all keys that begin with `prefix`."""
    return Operation({"KV": {"Verb": "delete-tree", "Key": prefix}})


def check_absent(key: str) -> Operation:
    """Let the transaction fail when there is such a key."""
    return Operation({"KV": {"Verb": "check-not-exists", "Key": key}})


def check_session(key: str, session: str) -> Operation:
    """Let the transaction fail unless `session` holds the lock of `key`."""
    return Operation({"KV": {"Verb": "check-session", "Key": key, "Session": session}})


def _write(verb: str, key: str, value: str, index: int | None) -> Operation:
    encoded = base64.b64encode(value.encode()).decode()
    body = {"Verb": verb, "Key": key, "Value": encoded}
    return Operation({"KV": body if index is None else body | {"Index": index}})


class Consul:
    """One Consul datacenter, as `settings.consul` names it. Safe to use from several threads."""

    def __init__(self, where: settings.Consul) -> None:
        self.where = where
        parts = urlsplit(where.address)
        self._api = consul.Consul(
            host=parts.hostname,
            port=parts.port or (443 if parts.scheme == "https" else 8500),
            scheme=parts.scheme,
            verify=where.ca_file or True,
            connections_timeout=TIMEOUT_SECONDS,
        )
        self._api.token = where.token or None
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=32)
        self._api.http.session.mount(f"{parts.scheme}://", adapter)
        if where.token:  # py-consul sends none when it asks for the agent itself
            self._api.http.session.headers["X-Consul-Token"] = where.token
        self.requests = 0

    def get(self, key: str, *, index: int = 0, wait_seconds: float = 0) -> tuple[int, Entry | None]:
        """Return the index to wait on and the key, or None where there is no such key.

        With `index` the call returns when the key has changed since, or after `wait_seconds`.
        """
        with self._errors():
            found_index, found = self._api.kv.get(key, **_blocking(index, wait_seconds))
        return int(found_index or 0), _entry(found) if found else None

    def list(
        self, prefix: str, *, index: int = 0, wait_seconds: float = 0
    ) -> tuple[int, list[Entry]]:
        """Return the index to wait on and all keys below `prefix`, in one read."""
        with self._errors():
            found_index, found = self._api.kv.get(
                prefix, recurse=True, **_blocking(index, wait_seconds)
            )
        return int(found_index or 0), [_entry(each) for each in found or []]

    def transact(self, *operations: Operation) -> dict[str, int]:
        """Do all `operations` or none; return the new index of each key that was written.

        Raises Conflict, with what Consul says of the failing operation, when one does not hold.
        """
        body = json.dumps([operation.body for operation in operations])
        headers = self._api.prepare_headers()
        with self._errors():
            answer = self._api.http.put(_txn_answer, "/v1/txn", data=body, headers=headers)
        if answer.get("Errors"):
            first = answer["Errors"][0]
            failed = operations[first["OpIndex"]].body["KV"]
            raise Conflict(f"{failed['Verb']} of {failed['Key']}: {first['What']}")
        results = [each["KV"] for each in answer.get("Results") or []]
        return {each["Key"]: int(each["ModifyIndex"]) for each in results}

    def create_session(self, name: str) -> str:
        """Return a new session that ends about 10 to 20 s after its last renewal."""
        with self._errors():
            return self._api.session.create(
                name, checks=[], lock_delay=LOCK_DELAY_SECONDS, ttl=SESSION_TTL_SECONDS
            )

    def renew_session(self, session: str) -> bool:
        """Renew a session; False when Consul no longer knows it."""
        try:
            with self._errors():
                self._api.session.renew(session)
        except _NotFound:
            return False
        return True

    def destroy_session(self, session: str) -> None:
        """End a session; what it holds is released, after the lock delay."""
        with self._errors():
            self._api.session.destroy(session)

    def release(self, key: str, value: str, session: str) -> bool:
        """Give up a key's lock at once, without the lock delay."""
        with self._errors():
            return bool(self._api.kv.put(key, value, release=session))

    def leader(self) -> str:
        """Return the leader's address, "" when there is none; raises Unreachable."""
        with self._errors():
            return str(self._api.status.leader())

    def version(self) -> str:
        """Return the agent's version."""
        with self._errors():
            return str(self._api.agent.self()["Config"]["Version"])

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        self.requests += 1
        try:
            yield
        except consul.NotFound as error:
            raise _NotFound(str(error)) from error
        except consul.ACLPermissionDenied as error:
            raise ServiceError(
                f"Consul at {self.where.address} refuses: the token lacks the right",
                hint="set CONSUL_HTTP_TOKEN to a token with the reviewapps policy",
            ) from error
        except consul.ConsulException as error:
            if any(words in str(error) for words in NO_LEADER):
                raise Unreachable(
                    f"Consul at {self.where.address} has no leader now", hint="reviewapps doctor"
                ) from error
            raise ServiceError(
                f"Consul at {self.where.address} refuses: {str(error)[:500]}",
                hint="reviewapps doctor",
            ) from error
        except requests.RequestException as error:
            raise Unreachable(
                f"Consul at {self.where.address} does not answer ({type(error).__name__})",
                hint="reviewapps doctor",
            ) from error


class _NotFound(ServiceError):
    """Consul knows no such thing."""


def _txn_answer(response: Any) -> dict[str, Any]:
    if response.code in (200, 409):
        answer: dict[str, Any] = json.loads(response.body)
        return answer
    CB._status(response)
    return {}


def _blocking(index: int, wait_seconds: float) -> dict[str, Any]:
    return {"index": index, "wait": f"{int(wait_seconds * 1000)}ms"} if index else {}


def _entry(found: dict[str, Any]) -> Entry:
    value = (found["Value"] or b"").decode("utf-8", "replace")
    return Entry(found["Key"], value, int(found["ModifyIndex"]), found.get("Session") or "")
