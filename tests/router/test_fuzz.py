"""A hundred thousand hostile requests: no 5xx of ours, no dead worker, no answer of another app."""

import random

import pytest

from tests.router.conftest import World
from tests.router.fuzz import Fuzz, build, verdict

NUMBER = 100_000


@pytest.mark.slow
def test_hostile_requests_do_no_harm(make_world, certificate: tuple[str, str]) -> None:  # type: ignore[no-untyped-def]
    seed = random.randrange(1 << 30)
    world: World = make_world(start=False)
    tls = build(world, certificate)
    workers = world.router.workers()
    fuzz = Fuzz(world, seed)
    fuzz.plain(NUMBER)
    fuzz.tls(tls, 1000)
    faults = verdict(world, fuzz, workers)
    world.helper.terminate()
    world.helper.wait()
    assert not faults, f"seed {seed}: " + "\n".join(faults)
    assert fuzz.answers >= NUMBER
    assert {200, 400, 403, 404, 421} <= set(fuzz.statuses)
