"""`reviewapps status`: the whole of what it prints, and the next command."""

import json

from reviewapps.progress import Event
from reviewapps.store import keys
from reviewapps.store.record import Outcome
from tests.cli.stand_in import AT, COMMIT, Consul, consul, record, run


def test_a_running_app_is_told_whole() -> None:
    result = run("status", "blue", consul=consul(record()))
    assert result.stdout == (
        "deploy-blue (blue-ajjyeh): running, release 1 serves\n"
        "  url       http://blue-ajjyeh.localhost:8080\n"
        "  wanted    release 1\n"
        "  image     guestbook:blue-ajjyeh-e8142ff1aee0\n"
        f"  commit    {COMMIT}\n"
        f"  asked by  ada@laptop at {AT}\n"
        "  09:16:32  unicorn: done in 3.1 s\n"
    )


def test_a_failed_app_tells_cause_output_and_next_command() -> None:
    failed = record(
        state="failed",
        serving=0,
        cause="migrate failed: it crashed with exit code 1",
        steps=(Event(AT, "migrate", "failed", "it crashed with exit code 1", 2.0),),
        events=(),
        outcomes={"migrate": Outcome("release 1", "failed", log="no\x1b[2J such table\n")},
    )
    lines = run("status", "blue", consul=consul(failed)).stdout.splitlines()
    assert lines[0] == "deploy-blue (blue-ajjyeh): failed, nothing serves"
    assert lines[-4:] == [
        "  cause     migrate failed: it crashed with exit code 1",
        "  migrate's output:",
        "  | no\\x1b[2J such table",
        "  Next: reviewapps logs blue-ajjyeh migrate --all",
    ]


def test_an_interrupted_deploy_tells_how_it_goes_on() -> None:
    lines = run("status", "blue", consul=consul(record(state="deploying"))).stdout.splitlines()
    assert lines[-1] == "  Next: reviewapps deploy deploy-blue goes on; it was interrupted"


def test_who_works_on_the_app_is_told_instead() -> None:
    held = Consul(consul(record(state="deploying")).values, session="5f3a")
    held.values[keys.lock("blue-ajjyeh")] = json.dumps({"pid": 42, "host": "ci"})
    lines = run("status", "blue", consul=held).stdout.splitlines()
    assert "  working   process 42 on ci" in lines
    assert not lines[-1].startswith("  Next:")


def test_an_interrupted_destroy_tells_how_it_goes_on() -> None:
    left = record(state="failed", wanted="gone")
    lines = run("status", "blue", consul=consul(left)).stdout.splitlines()
    assert lines[2] == "  wanted    gone"
    assert lines[-1] == (
        "  Next: reviewapps destroy blue-ajjyeh goes on; it was interrupted or failed"
    )


def test_json_adds_steps_events_outcomes_and_releases() -> None:
    told = json.loads(run("status", "blue", "--json", consul=consul(record())).stdout)
    assert told["slug"] == "blue-ajjyeh"
    assert told["working"] == ""
    assert (told["steps"], told["outcomes"]) == ([], {})
    assert told["events"] == [
        {"at": AT, "step": "unicorn", "state": "done", "detail": "", "seconds": 3.14}
    ]
    assert told["releases"] == [
        {"number": 1, "image": "guestbook:blue-ajjyeh-e8142ff1aee0", "commit": COMMIT}
    ]
