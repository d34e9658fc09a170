"""SIGKILL after an effect, again and again: the same command goes on, and nothing is left over.

The switch that kills is tests/real/effects.py; what counts as an effect is each call that changes
Nomad, Consul, Docker or PostgreSQL, so a kill also falls between the effects of one step.
"""

import itertools
import signal
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.real.apps import Done, Place, leftovers

pytestmark = [pytest.mark.real, pytest.mark.slow]
MOST_ROUNDS = 80
# Everything but the sentences that a deploy tells while it works.
REAL = r"^(?!consul check-session \S+ cas \S+ set \S+/hosts/\S+$)"


def with_kills(command: Callable[..., Done], between: Callable[[], Any] = lambda: None) -> int:
    """Run a command that is killed after its 1st effect, its 2nd …, until one comes to its end.

    Returns how many were killed.
    """
    for number in itertools.count(1):
        assert number < MOST_ROUNDS, "the command never came to its end"
        done = command(module="tests.real.effects", env={"EFFECT_NUMBER": str(number)})
        between()
        if done.code != -signal.SIGKILL:
            assert done.code == 0, done.said
            return number - 1
    raise AssertionError("unreachable")


def test_deploy_redeploy_and_destroy_go_on_after_every_kill(place: Place) -> None:
    """Each run gets one effect further than the one before, on what that one left."""
    killed = with_kills(place.deploy)
    assert killed >= 5
    assert place.get() == "release 1"
    assert place.query("SELECT step FROM runs ORDER BY step") == [("migrate",), ("seed",)]

    place.commit("2")
    place.write(unicorn={"env": {"VERSION": "2"}})

    def old_or_new_serves() -> None:
        assert place.get("/env/REVIEWAPPS_RELEASE") in ("1", "2")

    killed = with_kills(lambda **options: place.deploy(image="", **options), old_or_new_serves)
    assert killed >= 5
    assert place.get("/env/VERSION") == "2"
    assert place.query("SELECT step, release FROM runs ORDER BY step, release") == [
        ("migrate", "1"),
        ("migrate", "2"),
        ("seed", "1"),
    ]
    second = place.deploy(image="")
    assert "nothing to do" in second.out

    killed = with_kills(place.destroy)
    assert killed >= 5
    assert leftovers(place) == []


@pytest.mark.parametrize("number", [1, 3, 5, 8, 13, 18, 21, 25])
def test_a_deploy_that_was_killed_can_be_destroyed(place: Place, number: int) -> None:
    """A fresh deploy is killed after its n-th real effect; destroy then removes all it made."""
    switch = {"EFFECT_NUMBER": str(number), "EFFECT_PATTERN": REAL}
    done = place.deploy(module="tests.real.effects", env=switch)
    assert done.code == -signal.SIGKILL
    gone = place.destroy()
    assert gone.code == 0, gone.said
    assert leftovers(place) == []


def test_a_killed_destroy_never_leaves_a_route_to_what_has_stopped(place: Place) -> None:
    assert place.deploy().code == 0
    address = place.route()
    for number in itertools.count(1):
        env = {"EFFECT_NUMBER": str(number), "EFFECT_PATTERN": REAL}
        done = place.destroy(module="tests.real.effects", env=env)
        if place.route():
            assert requests.get(f"http://{address}/", timeout=5).ok
        if done.code == 0:
            break
    assert leftovers(place) == []
