"""An application that fails on a real cluster: the cause comes first, and what served goes on."""

import subprocess
import time
from typing import Any

import pytest

from tests.real.apps import TINY, Place, docker, until

pytestmark = pytest.mark.real

# What is wrong with the web process, and the sentence that says so.
WEB_TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "crash": (
        {"env": {"TROUBLE": "crash"}},
        "unicorn failed: it crashed with exit code 3; "
        'its last words: "tiny: the setting MAIL_SERVER is missing"',
    ),
    "ends": (
        {"env": {"TROUBLE": "ends"}},
        "unicorn failed: it ended by itself with exit code 0, and should go on running",
    ),
    "500": (
        {"env": {"TROUBLE": "500"}, "boot_seconds": 4},
        "unicorn failed: its health check fails: it answers HTTP 500: no such table: users",
    ),
    "silent": (
        {"env": {"TROUBLE": "silent"}, "boot_seconds": 4},
        "unicorn failed: its health check fails: nothing listens on its port (connection refused)",
    ),
    "hungry": (
        {"env": {"TROUBLE": "hungry"}},
        "unicorn failed: it was killed",
    ),
    "command": (
        {"command": "/tiny/absent"},
        "unicorn failed: the command /tiny/absent is not in the image",
    ),
    "room": (
        {"memory_mb": 100_000},
        "unicorn failed: no node has room: out of memory on 1 node",
    ),
}


@pytest.mark.parametrize("trouble", ["crash", "500", "hungry", "room"])
def test_a_failing_release_says_why_and_the_old_one_goes_on(place: Place, trouble: str) -> None:
    place.only()
    good = dict(place.project["unicorn"])
    assert place.deploy().code == 0
    values, sentence = WEB_TROUBLES[trouble]
    place.write(unicorn=values)

    failed = place.deploy()

    assert failed.code == 1, failed.said
    assert failed.error.startswith(sentence), failed.said
    record = place.record()
    assert (record.state, record.serving, record.release) == ("failed", 1, 2)
    assert record.cause.startswith(sentence)
    assert place.get() == "release 1"
    assert ("raise unicorn.memory_mb" in failed.err) == (trouble == "hungry")

    place.project["unicorn"] = good
    place.write(unicorn={"env": {"FIXED": "yes"}})
    fixed = place.deploy()
    assert fixed.code == 0, fixed.said
    assert place.get("/env/FIXED") == "yes"
    assert place.record().cause == ""


@pytest.mark.parametrize("trouble", ["ends", "silent", "command", "room"])
def test_a_first_release_that_fails_leaves_nothing_that_restarts_for_ever(
    place: Place, trouble: str
) -> None:
    """What serves nobody is stopped, so the next deploy starts afresh and fails anew or works."""
    place.only()
    good = dict(place.project["unicorn"])
    values, sentence = WEB_TROUBLES[trouble]
    place.write(unicorn=values)
    for _ in range(2 if trouble in ("command", "room") else 1):
        failed = place.deploy()
        assert (failed.code, failed.error) == (1, sentence), failed.said
        job = place.clients.nomad.job(f"{place.slug}--unicorn")
        assert job
        assert job["Stop"]
        assert place.route() == ""

    place.project["unicorn"] = good
    place.write()
    fixed = place.deploy()
    assert fixed.code == 0, fixed.said
    job = place.clients.nomad.job(f"{place.slug}--unicorn")
    assert job
    wanted = [each for each in place.allocations("unicorn") if each["DesiredStatus"] == "run"]
    assert [each["JobVersion"] for each in wanted] == [job["Version"]], (
        "Nomad replaced the process that the route leads to"
    )
    assert place.get() == "release 2"


def test_an_app_that_has_died_is_started_again_by_the_same_command(place: Place) -> None:
    """It crashed more often than Nomad restarts it in place, and would come back after a while."""
    place.only()
    assert place.deploy().code == 0
    allocation = place.allocations("unicorn")[0]["ID"]

    def is_dead() -> bool:
        subprocess.run(
            ["docker", "kill", f"unicorn-{allocation}"], check=False, capture_output=True
        )
        found = place.clients.nomad.allocation(allocation)
        return found is not None and found["ClientStatus"] == "failed"

    until(is_dead, "the end of Nomad's restarts")
    done = place.deploy()
    assert done.code == 0, done.said
    assert place.get() == "release 1"
    assert place.allocations("unicorn")[0]["ID"] != allocation


def is_unwell(place: Place, allocation: str) -> bool:
    checks = place.clients.nomad.checks(allocation)
    return bool(checks) and all(each["Status"] == "failure" for each in checks)


def test_an_app_that_answers_no_more_is_replaced_by_the_same_command(place: Place) -> None:
    place.only()
    place.write(unicorn={"boot_seconds": 4})
    assert place.deploy().code == 0
    allocation = place.allocations("unicorn")[0]["ID"]
    assert place.run("exec", place.branch, "--", "touch", "/tmp/ill").code == 0
    until(lambda: is_unwell(place, allocation), "the first check that fails")

    done = place.deploy()

    assert done.code == 0, done.said
    assert "it answers no more: starting another in its place" in done.said
    assert place.get("/up") == "release 1"
    assert place.allocations("unicorn")[0]["ID"] != allocation


def test_an_app_that_stays_unwell_is_told_long_before_the_deploy_s_limit(place: Place) -> None:
    place.only()
    ill_from = int(time.time()) + 20
    place.write(unicorn={"boot_seconds": 8, "env": {"TROUBLE": f"until={ill_from}"}})
    assert place.deploy().code == 0
    allocation = place.allocations("unicorn")[0]["ID"]
    until(lambda: is_unwell(place, allocation), "the first check that fails")

    failed = place.deploy()

    assert failed.code == 1
    sentence = "unicorn failed: its health check fails: it answers HTTP 500: no such table: users"
    assert failed.error == sentence, failed.said
    assert place.record().cause == sentence


def test_an_image_that_does_not_exist_works_once_it_does(place: Place) -> None:
    place.only()
    missing = f"reviewapps-test/{place.slug}:1"
    failed = place.deploy(image=missing)
    assert failed.code == 1
    assert failed.error.startswith(f"unicorn failed: the image {missing} can't be had:")
    docker("tag", TINY, missing)
    try:
        fixed = place.deploy(image=missing)
        assert fixed.code == 0, fixed.said
        assert place.get() == "release 1"
    finally:
        place.destroy()
        docker("rmi", missing)


def test_a_migration_that_fails_touches_nothing_that_comes_after_it(place: Place) -> None:
    place.only("database", "migrate")
    assert place.deploy().code == 0
    serving = place.route()
    place.write(migrate={"env": {"TROUBLE": "migration"}}, unicorn={"env": {"NEW": "yes"}})

    failed = place.deploy()

    sentence = 'migrate failed: it crashed with exit code 1; its last words: "tiny: column stamp'
    assert failed.code == 1
    assert failed.error.startswith(sentence), failed.said
    assert (place.get(), place.route()) == ("release 1", serving)
    outcome = place.record().outcomes["migrate"]
    assert (outcome.result, outcome.log) == (
        "failed",
        "tiny migrates\ntiny: column stamp does not exist",
    )
    job = place.clients.nomad.job(f"{place.slug}--unicorn")
    assert job
    assert job["Version"] == 0, "the web process was touched although the migration failed"

    place.write(migrate={"env": {}})
    fixed = place.deploy()
    assert fixed.code == 0, fixed.said
    assert place.get("/env/NEW") == "yes"
    assert place.record().outcomes["migrate"].result == "done"


def test_a_task_that_takes_too_long_is_stopped(place: Place) -> None:
    place.only("database", "migrate")
    place.write(migrate={"env": {"MIGRATE_SECONDS": "60"}, "timeout_seconds": 2})
    failed = place.deploy()
    assert (failed.code, failed.error) == (1, "migrate failed: it ran longer than 2 s")
    place.write(migrate={"env": {}})
    assert place.deploy().code == 0


def test_a_worker_that_crashes_is_told_while_the_site_goes_on(place: Place) -> None:
    place.only("resque")
    assert place.deploy().code == 0
    place.write(resque={"env": {"TROUBLE": "worker-crash"}})
    failed = place.deploy()
    assert failed.code == 1
    sentence = 'resque failed: it crashed with exit code 4; its last words: "tiny: no queue"'
    assert failed.error.startswith(sentence), failed.said
    assert place.get().startswith("release ")
    place.write(resque={"env": {}})
    assert place.deploy().code == 0
