"""What Nomad's words for an allocation mean: pure questions, the same wherever they are asked.

`ClientStatus` is what the node saw last, `DesiredStatus` what Nomad's servers want of it
(nomad/structs/structs.go, AllocClientStatus and AllocDesiredStatus).
"""

from collections.abc import Mapping
from typing import Any

Allocation = Mapping[str, Any]
OVER = ("complete", "failed", "lost")


def is_over(allocation: Allocation) -> bool:
    """Say whether nothing of it runs or will run; its logs may still be there."""
    return allocation["ClientStatus"] in OVER


def is_wanted(allocation: Allocation) -> bool:
    """Say whether Nomad wants it to go on."""
    return bool(allocation["DesiredStatus"] == "run")


def is_alive(allocation: Allocation) -> bool:
    """Say whether it is wanted, and runs or is about to."""
    return is_wanted(allocation) and not is_over(allocation)


def is_running(allocation: Allocation) -> bool:
    """Say whether it is wanted and runs."""
    return is_wanted(allocation) and allocation["ClientStatus"] == "running"
