"""Nomad's HTTP API: the calls we need, over python-nomad's transport, with our errors.

python-nomad 2.1.0 has no parse with variables, no blocking queries, no checks and no exec, checks
no TLS certificate unless told to, and drops the namespace of some calls; so only its `request` is
used. Paths and forms: https://developer.hashicorp.com/nomad/api-docs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import nomad
import requests
from nomad.api import exceptions

from reviewapps import settings
from reviewapps.errors import Conflict, ServiceError, Unreachable

TIMEOUT_SECONDS = 15.0
LEADER_SECONDS = 5.0
NO_LEADER = ("No cluster leader", "rpc error", "leadership lost", "not the leader")
Json = dict[str, Any]


class Nomad:
    """One Nomad region, as `settings.nomad` names it. Safe to use from several threads."""

    def __init__(self, where: settings.Nomad) -> None:
        self.where = where
        session = requests.Session()
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        self._agent = nomad.Nomad(
            address=where.address,
            token=where.token or None,
            verify=where.ca_file or True,
            session=session,
        ).agent
        self.requests = 0

    # jobs

    def parse(self, hcl: str) -> Json:
        """Return the job that Nomad reads from `hcl`, canonical. Raises ServiceError."""
        return self._call("post", "jobs/parse", json={"JobHCL": hcl, "Canonicalize": True})

    def plan(self, job: Json) -> Json:
        """Return what registering `job` would do; nothing is changed."""
        return self._call("put", f"job/{job['ID']}/plan", json={"Job": job, "Diff": False})

    def job(self, job_id: str) -> Json | None:
        """Return the registered job, or None."""
        return self._find(f"job/{job_id}")

    def jobs(self, prefix: str = "") -> list[Json]:
        """Return a stub, with meta, of each job whose name begins with `prefix`."""
        return self._call("get", "jobs", params={"prefix": prefix, "meta": "true"})

    def register(self, job: Json, expected_index: int) -> str:
        """Register `job` and return the evaluation's id.

        `expected_index` is the JobModifyIndex last seen, 0 when there was no job. Raises Conflict
        when somebody else has changed it since.
        """
        body = {"Job": job, "EnforceIndex": True, "JobModifyIndex": expected_index}
        return str(self._call("put", "jobs", json=body).get("EvalID", ""))

    def stop(self, job_id: str, *, purge: bool = False) -> None:
        """Stop a job; with `purge` Nomad forgets it too. A job that is gone is no error."""
        self._find(f"job/{job_id}", method="delete", params={"purge": str(purge).lower()})

    def evaluations(self, job_id: str) -> list[Json]:
        """Return the job's evaluations, newest first."""
        found = self._find(f"job/{job_id}/evaluations") or []
        return sorted(found, key=lambda each: -int(each["CreateIndex"]))

    # deployments and allocations

    def deployment(self, job_id: str) -> Json | None:
        """Return the job's latest deployment, or None."""
        return self._find(f"job/{job_id}/deployment")

    def promote(self, deployment_id: str) -> None:
        """Promote the canaries: Nomad stops what they replace."""
        body = {"DeploymentID": deployment_id, "All": True}
        self._call("put", f"deployment/promote/{deployment_id}", json=body)

    def fail(self, deployment_id: str) -> None:
        """Mark a deployment as failed, so that Nomad goes back to the last stable version."""
        self._call("put", f"deployment/fail/{deployment_id}", json={})

    def allocations(
        self, job_id: str, *, index: int = 0, wait_seconds: float = 0
    ) -> tuple[int, list[Json]]:
        """Return the job's allocations, newest first, and the index to wait on.

        With `index` the call returns when something has changed since, or after `wait_seconds`.
        """
        params: Json = {"task_states": "true"}
        if index and wait_seconds:
            params |= {"index": index, "wait": f"{int(wait_seconds * 1000)}ms"}
        path = f"job/{job_id}/allocations"
        timeout = TIMEOUT_SECONDS + wait_seconds * 17 / 16
        response = self._request("get", path, params=params, timeout=timeout)
        found = sorted(response.json() or [], key=lambda each: -int(each["CreateIndex"]))
        return int(response.headers.get("X-Nomad-Index", 0)), found

    def all_allocations(self, *, index: int = 0, wait_seconds: float = 0) -> tuple[int, list[Json]]:
        """Return the allocations of all jobs, and the index to wait on, as `allocations` does."""
        params = {"index": index, "wait": f"{int(wait_seconds * 1000)}ms"} if index else {}
        timeout = TIMEOUT_SECONDS + wait_seconds * 17 / 16
        response = self._request("get", "allocations", params=params, timeout=timeout)
        return int(response.headers.get("X-Nomad-Index", 0)), response.json() or []

    def allocation(self, allocation_id: str) -> Json | None:
        """Return one allocation in full, with its resources and addresses, or None."""
        return self._find(f"allocation/{allocation_id}")

    def stop_allocation(self, allocation_id: str) -> None:
        """Stop an allocation; Nomad starts another in its place. One that is gone is no error."""
        self._find(f"allocation/{allocation_id}/stop", method="put")

    def checks(self, allocation_id: str) -> list[Json]:
        """Return the results of an allocation's health checks; none when its node is gone."""
        found = self._find(f"client/allocation/{allocation_id}/checks", quiet=True) or {}
        return list(found.values())

    def logs(self, allocation_id: str, task: str, kind: str, tail_bytes: int = 8192) -> str:
        """Return the last `tail_bytes` of a task's output (`kind`: stdout or stderr)."""
        params = {"task": task, "type": kind, "plain": "true"}
        params |= {"origin": "end", "offset": str(tail_bytes)}
        try:
            path = f"client/fs/logs/{allocation_id}"
            return self._request("get", path, params=params).content.decode("utf-8", "replace")
        except ServiceError:
            return ""

    def follow(
        self, allocation_id: str, task: str, kind: str, *, tail_bytes: int | None = 8192
    ) -> Iterator[bytes]:
        """Yield a task's output, from its last `tail_bytes` on or whole (None), until it ends.

        Raises Unreachable when the connection breaks off.
        """
        params = {"task": task, "type": kind, "plain": "true", "follow": "true"}
        params |= {"origin": "start" if tail_bytes is None else "end"}
        params |= {"offset": str(tail_bytes or 0)}
        path = f"client/fs/logs/{allocation_id}"
        with self._request("get", path, params=params, stream=True, timeout=None) as response:
            try:
                yield from response.iter_content(chunk_size=None)
            except requests.RequestException as error:
                raise Unreachable(
                    f"Nomad at {self.where.address} hung up", hint="reviewapps doctor"
                ) from error

    def nodes(self) -> list[Json]:
        """Return the nodes with their resources."""
        found: list[Json] = self._call("get", "nodes", params={"resources": "true"})
        return found

    def node(self, node_id: str) -> Json:
        """Return one node in full, with its attributes and meta."""
        return self._call("get", f"node/{node_id}")

    def node_allocations(self, node_id: str) -> list[Json]:
        """Return all allocations that a node has or had."""
        return self._call("get", f"node/{node_id}/allocations")

    def set_eligible(self, node_id: str, eligible: bool) -> None:
        """Let Nomad place new allocations on a node, or no longer."""
        word = "eligible" if eligible else "ineligible"
        self._call("put", f"node/{node_id}/eligibility", json={"Eligibility": word})

    def purge_node(self, node_id: str) -> None:
        """Forget a node that is down for ever; one that is forgotten already is no error."""
        self._find(f"node/{node_id}/purge", method="put", json={})

    def blocked_jobs(self) -> list[str]:
        """Return the jobs of which something finds no place."""
        found = self._call("get", "evaluations", params={"status": "blocked"})
        return sorted({str(each["JobID"]) for each in found})

    # variables

    def variable(self, path: str) -> dict[str, str]:
        """Return the items of a Variable; empty when there is none."""
        return self.variable_with_index(path)[0]

    def variable_with_index(self, path: str) -> tuple[dict[str, str], int]:
        """Return the items of a Variable and what grows with each change, 0 when there is none."""
        found = self._find(f"var/{path}") or {}
        return dict(found.get("Items") or {}), int(found.get("ModifyIndex", 0))

    def put_variable(
        self, path: str, items: Mapping[str, str], *, expected_index: int | None = None
    ) -> None:
        """Write a Variable whole. Its values are secrets: they go nowhere else.

        With the `expected_index` last seen, 0 for none, raises Conflict when it has changed since.
        """
        params = {} if expected_index is None else {"cas": expected_index}
        body = {"Path": path, "Items": dict(items)}
        self._call("put", f"var/{path}", params=params, json=body)

    def delete_variable(self, path: str) -> None:
        """Delete a Variable; one that is gone is no error, and nothing is written then."""
        if self._find(f"var/{path}") is not None:
            self._find(f"var/{path}", method="delete")

    def variables(self, prefix: str) -> list[str]:
        """Return the paths of the Variables below `prefix`."""
        return [each["Path"] for each in self._call("get", "vars", params={"prefix": prefix})]

    # transport

    def leader(self) -> str:
        """Return the leader's address; raises Unreachable when there is none."""
        return str(self._call("get", "status/leader", timeout=LEADER_SECONDS))

    def version(self) -> str:
        """Return the server's version; raises Unreachable when there is none."""
        return str(self._call("get", "agent/self")["config"]["Version"]["Version"])

    def _find(self, path: str, *, method: str = "get", quiet: bool = False, **options: Any) -> Any:
        try:
            return self._call(method, path, **options)
        except _NotFound:
            return None
        except ServiceError:
            if quiet:
                return None
            raise

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._request(method, path, **options)
        return response.json() if response.content else {}

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        self.requests += 1
        options.setdefault("timeout", TIMEOUT_SECONDS)
        try:
            return self._agent._request(method=method, endpoint=f"v1/{path}", **options)
        except (exceptions.BaseNomadException, exceptions.TimeoutNomadException) as error:
            raise self._translated(error, method, path) from error

    def _translated(self, error: Any, method: str, path: str) -> ServiceError | Conflict:
        response = getattr(error, "nomad_resp", None)
        if not isinstance(response, requests.Response):
            return Unreachable(
                f"Nomad at {self.where.address} does not answer ({_kind(response)})",
                hint="reviewapps doctor",
            )
        text = response.text.strip()[:2000]
        if response.status_code == 404:
            return _NotFound(f"Nomad knows no {path}")
        if response.status_code == 409 or "Enforcing job modify index" in text:
            # a Variable's conflict comes with its items: they are not for the message
            return Conflict(f"somebody else changed {path} at Nomad meanwhile", hint="try again")
        if response.status_code >= 500 and any(words in text for words in NO_LEADER):
            return Unreachable(
                f"Nomad at {self.where.address} has no leader now", hint="reviewapps doctor"
            )
        if response.status_code == 403:
            return ServiceError(
                f"Nomad refuses {method.upper()} {path}: the token lacks the right",
                hint="set NOMAD_TOKEN to a token with the reviewapps policy",
            )
        return ServiceError(f"Nomad refuses {method.upper()} {path}: {text}")


class _NotFound(ServiceError):
    """Nomad knows no such thing."""


def _kind(cause: Any) -> str:
    return type(cause).__name__ if isinstance(cause, Exception) else "no answer"
