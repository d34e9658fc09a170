"""What the doctor says: a sentence for each thing, and the command that mends it."""

from click import unstyle

from reviewapps.cli.doctor import Diagnosis, lines, shape
from reviewapps.health import Finding, is_wrong
from reviewapps.leftovers import Leftover

WELL = Finding("consul", True, "Consul at http://127.0.0.1:8500, version 1.22.7")
DOWN = Finding("nomad", False, "Nomad does not answer", "reviewapps local up")
JOB = Leftover("red-bnhn2s", "Nomad job", "red-bnhn2s--redis", "reviewapps destroy red-bnhn2s")
KEY = Leftover("red-bnhn2s", "lock", "red-bnhn2s", "reviewapps destroy red-bnhn2s")
IMAGES = [
    Leftover("a-bbbbbb", "image", f"shop:a-bbbbbb-{n}", f"docker image rm {n}", shared=True)
    for n in (1, 2)
]


def told(diagnosis: Diagnosis) -> list[str]:
    return [unstyle(line) for line in lines(diagnosis)]


def test_when_all_is_well_it_says_so() -> None:
    assert told(Diagnosis([WELL], [])) == [
        "ok     consul       Consul at http://127.0.0.1:8500, version 1.22.7",
        "All is well.",
    ]


def test_each_trouble_comes_with_its_mend_once() -> None:
    assert told(Diagnosis([WELL, DOWN], [JOB, KEY])) == [
        "ok     consul       Consul at http://127.0.0.1:8500, version 1.22.7",
        "wrong  nomad        Nomad does not answer",
        "    Next: reviewapps local up",
        "wrong  leftover     the Nomad job red-bnhn2s--redis belongs to no app",
        "wrong  leftover     the lock red-bnhn2s belongs to no app",
        "    Next: reviewapps destroy red-bnhn2s",
        "3 things are wrong.",
    ]


def test_images_that_another_cluster_may_use_are_nothing_wrong() -> None:
    diagnosis = Diagnosis([WELL], IMAGES)
    assert diagnosis.ok
    assert told(diagnosis)[1:] == [
        "maybe  leftover     the image shop:a-bbbbbb-1 belongs to no app; "
        "maybe it is another cluster's",
        "maybe  leftover     the image shop:a-bbbbbb-2 belongs to no app; "
        "maybe it is another cluster's",
        "    Next: docker image rm shop:a-bbbbbb-1 shop:a-bbbbbb-2",
        "All is well.",
    ]


def test_json_has_one_shape() -> None:
    assert shape(Diagnosis([DOWN], [KEY])) == {
        "ok": False,
        "checks": [
            {
                "name": "nomad",
                "ok": False,
                "message": "Nomad does not answer",
                "mend": "reviewapps local up",
            }
        ],
        "leftovers": [
            {
                "slug": "red-bnhn2s",
                "kind": "lock",
                "name": "red-bnhn2s",
                "shared": False,
                "message": "the lock red-bnhn2s belongs to no app",
                "mend": "reviewapps destroy red-bnhn2s",
            }
        ],
    }


def test_what_needs_a_service_is_judged_by_that_service_s_own_check() -> None:
    assert is_wrong([WELL, DOWN], "nomad")
    assert not is_wrong([WELL, DOWN], "consul")
