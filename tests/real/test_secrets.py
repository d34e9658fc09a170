"""A project's own secrets, from a person's hand to its apps and nowhere else."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from reviewapps import project_secrets
from reviewapps.store import keys
from tests.real.apps import Done, Place

pytestmark = pytest.mark.real
KEY = "-----BEGIN KEY-----\nünï \"quoted\" 'x' $HOME ${node.name} {{ env `PATH` }} \\n <&>\n#end="


@pytest.fixture(autouse=True)
def _none_kept(place: Place) -> Iterator[None]:
    place.only()
    yield
    place.clients.nomad.delete_variable(project_secrets.path(place.project["project"]))


def keep(place: Place, name: str, value: str) -> Done:
    """Run `reviewapps secret set` with the value on its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "reviewapps.cli", "secret", "set", name],
        cwd=place.folder,
        env=place.environment(),
        input=value.encode(),
        capture_output=True,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), 0)


def listed(place: Place) -> list[dict[str, object]]:
    shapes: list[dict[str, object]] = json.loads(place.run("secret", "list", "--json").out)
    return shapes


def test_an_app_gets_what_its_file_names_and_nothing_else_has_it(place: Place) -> None:
    assert keep(place, "MASTER_KEY", KEY + "\n").code == 0
    assert keep(place, "OTHER", "not-for-this-app").code == 0
    place.write_whole(secrets=["MASTER_KEY"])

    done = place.deploy()

    assert done.code == 0, done.said
    assert place.get("/env/MASTER_KEY") == KEY
    assert place.get("/env/OTHER") == "(unset)"
    job_id = f"{place.slug}--unicorn"
    nomad = place.clients.nomad
    told = [json.dumps(nomad.job(job_id)), done.said, place.run("secret", "list").said]
    told += [each.value for each in place.clients.consul.list(keys.ROOT)[1]]
    assert not [each for each in told if "BEGIN KEY" in each or "not-for-this" in each]
    assert listed(place) == [
        {"name": "MASTER_KEY", "set": True, "named": True},
        {"name": "OTHER", "set": True, "named": False},
    ]


def test_a_new_value_comes_beside_the_old_process(place: Place) -> None:
    keep(place, "TOKEN", "one")
    place.write_whole(secrets=["TOKEN"])
    assert place.deploy().code == 0
    first = place.allocations("unicorn")[0]["ID"]
    assert "has that TOKEN already" in keep(place, "TOKEN", "one").out
    keep(place, "TOKEN", "two")
    assert place.get("/env/TOKEN") == "one"

    done = place.deploy()

    assert done.code == 0, done.said
    assert place.get("/env/TOKEN") == "two"
    states = place.clients.nomad.allocation(first)
    assert states
    restarts = {each["Restarts"] for each in states["TaskStates"].values()}
    assert restarts == {0}, "the old process was restarted under its requests"


def test_a_secret_that_is_not_set_stops_the_deploy_before_anything_is_changed(place: Place) -> None:
    place.write_whole(secrets=["ABSENT"])

    failed = place.deploy()

    assert failed.code == 2
    assert failed.error == (
        f"reviewapps.yml names secrets that {place.project['project']} does not have: ABSENT"
    )
    assert "Next: reviewapps secret set ABSENT" in failed.err
    assert not place.has_record()


def test_what_no_variable_can_hold_is_refused(place: Place) -> None:
    for name, value, why in (
        ("1A", "x", "letters, digits and _"),
        ("DATABASE_URL", "x", "is set by reviewapps itself"),
        ("EMPTY", "\n", "is empty"),
        ("NUL", "a\0b", "NUL byte"),
        ("BIG", "x" * 40_000, "larger than 32 KiB"),
    ):
        refused = keep(place, name, value)
        assert refused.code == 2, name
        assert why in refused.error
        assert value not in refused.said or len(value) < 4
    assert listed(place) == []


def test_unset_forgets_and_refuses_what_the_file_names(place: Place) -> None:
    keep(place, "TOKEN", "one")
    place.write_whole(secrets=["TOKEN"])
    refused = place.run("secret", "unset", "TOKEN")
    assert (refused.code, "take it out of secrets" in refused.err) == (2, True)
    place.write_whole(secrets=[])
    assert place.run("secret", "unset", "TOKEN").out.endswith(" no longer keeps TOKEN.\n")
    again = place.run("secret", "unset", "TOKEN")
    assert again.error.endswith(" has no secret TOKEN")
