"""Several commands on one app at once: one winner, no leftovers, and each ends with the truth."""

import os
import signal
from pathlib import Path

import pytest

from tests.real.apps import Place, Running, leftovers, until

pytestmark = [pytest.mark.real, pytest.mark.slow]


def started(place: Place, step: str) -> bool:
    """Say whether the deploy under way has begun with a step."""
    return place.has_record() and any(each.step == step for each in place.record().steps)


def test_two_deploys_of_the_same_do_it_once_and_both_succeed(place: Place) -> None:
    running = [place.start_deploy(), place.start_deploy()]
    for each in running:
        done = each.done()
        assert done.code == 0, done.said
        assert f"{place.branch} runs release 1" in done.out
    assert place.query("SELECT step FROM runs ORDER BY step") == [("migrate",), ("seed",)]
    assert place.record().release == 1


def test_the_newer_of_two_deploys_wins_and_the_older_says_so(place: Place) -> None:
    place.only("database", "migrate")
    place.write(migrate={"env": {"MIGRATE_SECONDS": "3"}})
    older = place.start_deploy()
    until(lambda: started(place, "migrate"), "the first deploy's migration")
    place.write(unicorn={"env": {"NEWER": "yes"}})
    newer = place.start_deploy()

    left = older.done()
    won = newer.done()

    assert won.code == 0, won.said
    assert left.code == 4, left.said
    assert f"{place.slug} is to be deployed anew, as asked by" in left.error
    assert place.get("/env/NEWER") == "yes"
    assert place.record().serving == 2


def test_destroy_during_deploy_wins_and_leaves_nothing(place: Place) -> None:
    place.write(migrate={"env": {"MIGRATE_SECONDS": "20"}})
    deploying = place.start_deploy()
    until(lambda: started(place, "migrate"), "the migration")
    destroyed = place.destroy()
    left = deploying.done()
    assert destroyed.code == 0, destroyed.said
    assert f"{place.branch} is gone." in destroyed.out
    assert left.code == 4, left.said
    assert f"{place.slug} is to be destroyed, as asked by" in left.error
    assert leftovers(place) == []


def test_deploy_during_destroy_wins_and_runs(place: Place) -> None:
    assert place.deploy().code == 0
    destroying = place.start("destroy", "--", place.branch)
    until(lambda: started(place, "unicorn") and place.record().wanted == "gone", "the removal")
    deployed = place.deploy()
    left = destroying.done()
    assert deployed.code == 0, deployed.said
    assert left.code == 4, left.said
    assert f"{place.slug} is to be deployed anew, as asked by" in left.error
    assert place.get().startswith("release ")
    assert place.query("SELECT count(*) FROM runs WHERE step = 'seed'") == [(1,)]
    assert place.destroy().code == 0
    assert leftovers(place) == []


def test_two_destroys_at_once_both_succeed_and_leave_nothing(place: Place) -> None:
    assert place.deploy().code == 0
    running = [place.start("destroy", "--", place.branch) for _ in range(2)]
    for each in running:
        done = each.done()
        assert done.code == 0, done.said
    assert leftovers(place) == []


def test_an_interrupted_deploy_goes_on_with_the_same_command(place: Place) -> None:
    place.only("database", "migrate")
    place.write(migrate={"env": {"MIGRATE_SECONDS": "3"}})
    deploying = place.start_deploy()
    until(lambda: started(place, "migrate"), "the migration")
    deploying.process.send_signal(signal.SIGINT)
    left = deploying.done()
    assert left.code == 130, left.said
    assert "The same command goes on" in left.err
    done = place.deploy()
    assert done.code == 0, done.said
    assert place.query("SELECT step FROM runs ORDER BY step") == [("migrate",)]


@pytest.mark.parametrize("effect", ["nomad put jobs", "set reviewapps/routes/"])
def test_a_holder_that_slept_past_its_lock_can_write_nothing(
    place: Place, tmp_path: Path, effect: str
) -> None:
    """It is stopped right before an effect; when it wakes up, another has done the work."""
    place.only()
    sleeper = place.start_deploy(
        module="tests.real.effects",
        env={
            "EFFECT_NUMBER": "1",
            "EFFECT_SIGNAL": "STOP",
            "EFFECT_WHEN": "before",
            "EFFECT_PATTERN": effect,
        },
    )
    until(lambda: is_stopped(sleeper), "the holder to fall asleep")
    other = place.deploy()
    assert other.code == 0, other.said
    before = place.clients.consul.list("reviewapps/")[1]
    job = place.clients.nomad.job(f"{place.slug}--unicorn")

    os.kill(sleeper.process.pid, signal.SIGCONT)
    left = sleeper.done()

    assert left.code == 4, left.said
    assert f"the lock of {place.slug} was lost" in left.error
    mine = [each for each in before if place.slug in each.key]
    now = [each for each in place.clients.consul.list("reviewapps/")[1] if place.slug in each.key]
    assert now == mine, "a holder without the lock has written"
    after = place.clients.nomad.job(f"{place.slug}--unicorn")
    assert job
    assert after
    assert after["Version"] == job["Version"]
    assert place.get() == "release 1"


def is_stopped(running: Running) -> bool:
    """Say whether a process is stopped by a signal."""
    stat = Path(f"/proc/{running.process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"
