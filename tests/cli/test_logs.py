"""`reviewapps logs`: both streams, what Nomad forgot, and what programs read."""

import json

from reviewapps.cli.output import tail
from reviewapps.store.record import Outcome
from tests.cli.stand_in import Nomad, consul, record, run

RUNNING = {
    "ID": "5f3a0000-aaaa",
    "ClientStatus": "running",
    "DesiredStatus": "run",
    "NodeName": "node-1",
}
STOPPING = RUNNING | {"ID": "7c2d0000-cccc", "DesiredStatus": "stop"}
FAILED = RUNNING | {"ID": "0b1c0000-bbbb", "ClientStatus": "failed"}
OUTPUT = {"stdout": "GET /\nGET /posts\n", "stderr": "listening\n"}


def test_each_stream_goes_to_its_own() -> None:
    result = run("logs", "blue", consul=consul(record()), nomad=Nomad([RUNNING], OUTPUT))
    assert (result.stdout, result.stderr) == ("GET /\nGET /posts\n", "listening\n")


def test_only_what_runs_is_told_unless_all_is_asked_for() -> None:
    services = {"consul": consul(record()), "nomad": Nomad([RUNNING, FAILED], OUTPUT)}
    told = json.loads(run("logs", "blue", "--json", **services).stdout)
    assert [each["id"] for each in told["allocations"]] == ["5f3a0000-aaaa"]
    result = run("logs", "blue", "--all", "-n", "1", **services)
    assert result.stdout == "GET /posts\n" * 2
    assert result.stderr.splitlines() == [
        "==> failed, release 2, 0b1c0000 <==",
        "listening",
        "==> running, release 2, 5f3a0000 <==",
        "listening",
    ]


def test_of_a_step_that_has_only_failed_the_newest_try_is_told() -> None:
    nomad = Nomad([FAILED], OUTPUT)
    assert run("logs", "blue", consul=consul(record()), nomad=nomad).stdout == OUTPUT["stdout"]


def test_what_nomad_has_forgotten_comes_from_the_record() -> None:
    known = record(outcomes={"migrate": Outcome("release 1", "done", log="schema 7")})
    result = run("logs", "blue", "migrate", consul=consul(known), nomad=Nomad())
    assert result.stdout == "schema 7\n"
    assert result.stderr == (
        "Nomad has forgotten migrate of deploy-blue; the record kept its end:\n"
    )
    told = run("logs", "blue", "migrate", "--json", consul=consul(known), nomad=Nomad()).stdout
    assert json.loads(told) == {
        "step": "migrate",
        "source": "record",
        "allocations": [
            {
                "id": "",
                "status": "done",
                "node": "",
                "release": 0,
                "stdout": "schema 7\n",
                "stderr": "",
            }
        ],
    }


def test_a_step_that_never_ran_says_so() -> None:
    result = run("logs", "blue", "seed", consul=consul(record()), nomad=Nomad())
    assert result.exit_code == 3
    assert result.stderr == (
        "Error: seed of deploy-blue has not run\n  Next: reviewapps status blue-ajjyeh\n"
    )


def test_json_has_one_shape() -> None:
    nomad = Nomad([RUNNING], OUTPUT)
    told = run("logs", "blue", "--json", consul=consul(record()), nomad=nomad).stdout
    assert json.loads(told) == {
        "step": "unicorn",
        "source": "nomad",
        "allocations": [
            {
                "id": "5f3a0000-aaaa",
                "status": "running",
                "node": "node-1",
                "release": 2,
                **OUTPUT,
            }
        ],
    }


def test_a_tail_is_whole_lines_the_last_one_ended() -> None:
    assert tail("a\nb\nc", 2) == "b\nc\n"
    assert tail("a\nb", 0) == ""
    assert tail("", 5) == ""


def test_what_is_stopping_is_not_told() -> None:
    services = {"consul": consul(record()), "nomad": Nomad([RUNNING, STOPPING], OUTPUT)}
    told = json.loads(run("logs", "blue", "--json", **services).stdout)
    assert [each["id"] for each in told["allocations"]] == ["5f3a0000-aaaa"]
