"""What the routers show and enforce for a host, as the JSON that they read."""

import json
from typing import Any

from reviewapps.store.record import Record


def page(record: Record) -> str:
    """Return the value of `reviewapps/hosts/<host>` for a record.

    A failed redeploy leaves the older release serving, so its state is running for visitors.
    """
    state = record.state
    if state in ("failed", "deploying") and record.serving:
        state = "running"
    project = record.wanted_release.project if record.releases else {}
    return json.dumps(
        {
            "schema": 1,
            "slug": record.slug,
            "branch": record.branch,
            "state": state,
            "since": record.asked_at,
            "steps": [
                {
                    "name": event.step,
                    "state": event.state,
                    "detail": event.detail,
                    "seconds": round(event.seconds, 1),
                }
                for event in record.steps
            ],
            "estimate_seconds": record.estimate_seconds,
            "cause": record.cause,
            "subdomains": bool(project.get("subdomains")),
            "access": access(record),
        }
    )


def access(record: Record) -> dict[str, Any]:
    """Return whom the routers let in; until the app has its password that is nobody.

    What kind it is, and for whom a sign-in is enough, says the project of the wanted release, and
    only that; links are in the record.
    """
    project = record.wanted_release.project if record.releases else {}
    asked = project.get("access") or {}
    kind = asked.get("kind", "public")
    if kind == "public":
        return {"kind": "public"}
    if kind == "sign-in":
        named = {key: asked[key] for key in ("groups", "emails") if asked.get(key)}
        grants = record.access.get("grants")
        return {"kind": kind, **named, **({"grants": grants} if grants else {})}
    return record.access if record.access.get("kind") == kind else {"kind": kind}
