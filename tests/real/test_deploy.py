"""Deploying, deploying again and destroying the tiny application on a real cluster."""

from pathlib import Path

import pytest

from tests.real.apps import Place, leftovers, until

pytestmark = pytest.mark.real


def test_a_branch_becomes_a_running_app_and_disappears_without_a_trace(
    place: Place,
) -> None:
    done = place.deploy()
    assert done.code == 0, done.said
    assert place.record().url in done.out
    assert place.get() == "release 1"
    assert place.query("SELECT step, release FROM runs ORDER BY step") == [
        ("migrate", "1"),
        ("seed", "1"),
    ]
    record = place.record()
    assert (record.state, record.release, record.serving, record.cause) == ("running", 1, 1, "")

    gone = place.destroy()
    assert gone.code == 0, gone.said
    assert f"{place.branch} is gone." in gone.out
    assert leftovers(place) == []


def effects(place: Place, log: Path) -> list[str]:
    """Deploy the branch and return what that changed outside, without the lock."""
    log.write_text("")
    done = place.deploy(module="tests.real.effects", env={"EFFECT_LOG": str(log)})
    assert done.code == 0, done.said
    named = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    lock = ("consul create_session", "consul destroy_session", "consul release", "consul lock ")
    giving_back = f"check-not-exists reviewapps/apps/{place.slug}"
    return [each for each in named if not each.startswith(lock) and giving_back not in each]


@pytest.mark.parametrize("sections", [(), ("database", "redis", "migrate", "seed", "resque")])
def test_the_second_run_changes_nothing(
    place: Place, tmp_path: Path, sections: tuple[str, ...]
) -> None:
    place.only(*sections)
    assert effects(place, tmp_path / "first")
    assert effects(place, tmp_path / "second") == []


def test_the_old_release_serves_until_the_new_one_is_healthy(place: Place) -> None:
    place.only()
    assert place.deploy().code == 0
    first = place.route()
    place.write(unicorn={"env": {"TROUBLE": "slow=3"}})
    running = place.start_deploy()
    seen: list[tuple[str, str, str]] = []
    while running.process.poll() is None:
        seen.append((place.route(), place.get(), place.route()))
    done = running.done()
    assert done.code == 0, done.said
    assert place.route() != first
    assert seen[0] == (first, "release 1", first)
    assert {said for _, said, route in seen if route == first} == {"release 1"}
    assert place.get() == "release 2"

    def only_one_runs() -> bool:
        found = place.allocations("unicorn")
        return [each["ClientStatus"] for each in found].count("running") == 1

    until(only_one_runs, "the old release's end")


def test_destroying_twice_and_what_never_was_succeeds(place: Place) -> None:
    place.only()
    never = place.destroy()
    assert (never.code, never.err) == (0, "")
    assert "nothing to destroy" in never.out
    assert place.deploy().code == 0
    assert place.destroy().code == 0
    again = place.destroy()
    assert again.code == 0
    assert "nothing to destroy" in again.out
    assert leftovers(place) == []


def test_an_app_that_was_destroyed_comes_back_with_fresh_data(place: Place) -> None:
    place.only("database", "migrate", "seed")
    assert place.deploy().code == 0
    assert place.destroy().code == 0
    done = place.deploy()
    assert done.code == 0, done.said
    assert place.query("SELECT step FROM runs ORDER BY step") == [("migrate",), ("seed",)]


def test_what_a_project_no_longer_wants_goes(place: Place) -> None:
    """Its domain changes, its database, Redis and workers go, and no key or role is left."""
    assert place.deploy().code == 0
    place.write_whole(domain="other.localhost")
    place.only()

    done = place.deploy()

    assert done.code == 0, done.said
    host = f"{place.slug}.other.localhost"
    assert sorted(leftovers(place)) == sorted(
        [
            f"Consul key reviewapps/apps/{place.slug}",
            f"Consul key reviewapps/hosts/{host}",
            f"Consul key reviewapps/locks/{place.slug}",
            f"Consul key reviewapps/routes/{host}",
            f"Nomad job {place.slug}--unicorn",
            f"Nomad service {place.slug}--unicorn",
            f"Variable nomad/jobs/{place.slug}--unicorn",
            *[each for each in leftovers(place) if each.startswith("container of ")],
        ]
    )
    assert place.destroy().code == 0
    assert leftovers(place) == []


def test_images_of_older_releases_stay_until_the_app_goes(place: Place) -> None:
    place.only()
    assert place.deploy(image="").code == 0
    built = place.record().wanted_release.image
    assert place.deploy().code == 0
    assert built in [each.tag for each in place.clients.docker.images(place.slug)]
    assert place.destroy().code == 0
    assert leftovers(place) == []
