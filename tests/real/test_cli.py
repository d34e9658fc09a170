"""The commands on a real cluster: exec, logs, doctor, destroy of leftovers, and the live board."""

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from reviewapps.clients.consul import delete
from reviewapps.store import keys
from tests.real.apps import Place, leftovers, until
from tests.real.terminal import Terminal

pytestmark = pytest.mark.real


@pytest.fixture
def web(place: Place) -> Iterator[Place]:
    """A deployed app of a web process only."""
    for section in ("database", "redis", "migrate", "seed", "resque"):
        place.write(**{section: None})
    done = place.deploy()
    assert done.code == 0, done.said
    yield place


def test_exec_keeps_streams_arguments_and_exit_code(web: Place) -> None:
    script = 'echo "$REVIEWAPPS_SLUG"; echo "$1" >&2; exit 7'
    done = web.run("exec", web.branch, "--", "sh", "-c", script, "sh", "a  'b' $c")
    assert (done.code, done.out, done.err) == (7, f"{web.slug}\n", "a  'b' $c\n")
    told = json.loads(web.run("exec", web.branch, "--json", "--", "sh", "-c", script, "", "b").out)
    assert told == {"exit_code": 7, "stdout": f"{web.slug}\n", "stderr": "b\n"}


def test_exec_pipes_the_input_in_and_its_end(web: Place) -> None:
    data = b"\x00\xff" * 500_000
    done = subprocess.run(
        [sys.executable, "-m", "reviewapps.cli", "exec", web.branch, "--", "sha1sum"],
        cwd=web.folder,
        env=web.environment(),
        input=data,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.decode() == f"{hashlib.sha1(data).hexdigest()}  -\n", done.stderr


def test_exec_into_a_process_that_does_not_run_says_so(web: Place) -> None:
    done = web.run("exec", web.branch, "--step", "resque", "--", "true")
    assert (done.code, done.error) == (3, f"no resque of {web.branch} runs now")


def test_on_a_terminal_keys_and_window_go_to_the_command(web: Place) -> None:
    with Terminal(web, ("exec", web.branch, "--", "sh"), columns=91) as terminal:
        until(lambda: "30 91" in answer(terminal, "stty size"), "the size")
        terminal.resize(20, 55)
        until(lambda: "20 55" in answer(terminal, "stty size"), "the new size")
        terminal.type("trap 'echo caught' INT; echo be''gun; sleep 60\n")
        terminal.wait_for("begun")  # before that the shell would drop the line, not trap the key
        terminal.type("\x03")
        terminal.wait_for("caught")
        terminal.type("exit 5\n")
        assert terminal.end() == 5
        assert terminal.attributes() == terminal.before


def answer(terminal: Terminal, line: str) -> str:
    """Type a line and return what the shell says to it."""
    terminal.type(f"{line}; echo do''ne\n")
    return terminal.wait_for("done\r\n")


def test_logs_keep_streams_apart_and_follow_through_a_redeploy(web: Place) -> None:
    noisy = ["sh", "-c", "echo to-err >&2; exec /tiny/serve"]
    web.write(unicorn={"command": noisy, "env": {"ROUND": "1"}})
    assert web.deploy().code == 0
    done = web.run("logs", web.branch)
    assert (done.out, done.err) == ("tiny starts\ntiny listens\n", "to-err\n")
    following = web.start("logs", web.branch, "--follow", "--json")
    web.write(unicorn={"env": {"ROUND": "2"}})
    assert web.deploy().code == 0
    newest = web.allocations("unicorn")[0]["ID"]
    process = following.process
    assert process.stdout
    lines: list[dict[str, str]] = []
    while len([line for line in lines if line["allocation"] == newest]) < 3:
        lines.append(json.loads(process.stdout.readline()))
    process.send_signal(signal.SIGINT)
    ended = following.done()
    assert ended.code == 130
    assert "Traceback" not in ended.said
    told = {(each["stream"], each["line"]) for each in lines if each["allocation"] == newest}
    assert told == {
        ("stdout", "tiny starts"),
        ("stdout", "tiny listens"),
        ("stderr", "to-err"),
    }
    assert len({each["allocation"] for each in lines}) == 2


def test_logs_that_are_followed_end_with_the_app(web: Place) -> None:
    following = web.start("logs", web.branch, "--follow")
    assert following.process.stdout
    assert following.process.stdout.readline() == "tiny starts\n"
    assert web.destroy().code == 0
    ended = following.done()
    assert (ended.code, ended.err.splitlines()[-1]) == (0, f"The app {web.branch} is gone.")


def test_logs_of_a_release_that_failed_are_found_with_all(web: Place) -> None:
    web.write(unicorn={"env": {"TROUBLE": "crash"}})
    failed = web.deploy()
    assert failed.code == 1
    assert f"  Next: reviewapps logs {web.slug} unicorn --all" in failed.err
    assert f"Release 1 goes on serving at {web.record().url}" in failed.err
    told = json.loads(web.run("logs", web.branch, "--all", "--json").out)["allocations"]
    by_release = {each["release"]: each for each in told}
    assert "the setting MAIL_SERVER is missing" in by_release[2]["stderr"]
    assert by_release[1]["status"] == "running"


def test_logs_of_a_task_that_nomad_forgot_come_from_the_record(place: Place) -> None:
    assert place.deploy().code == 0
    place.clients.nomad.stop(f"{place.slug}--migrate", purge=True)
    done = place.run("logs", place.branch, "migrate")
    assert done.out == "tiny migrates\n"
    assert done.err.startswith("Nomad has forgotten migrate")


def test_hostile_output_does_not_reach_the_terminal_but_is_piped_whole(web: Place) -> None:
    script = "printf '\\033]0;owned\\007\\033[31mred\\n'; exec /tiny/serve"
    web.write(unicorn={"command": ["sh", "-c", script]})
    assert web.deploy().code == 0
    with Terminal(web, ("logs", web.branch)) as terminal:
        assert terminal.end() == 0
    assert "\\x1b]0;owned\\x07\x1b[31mred\x1b[0m" in terminal.screen
    assert "\x1b]" not in terminal.screen
    assert "\x1b]0;owned\x07\x1b[31mred\n" in web.run("logs", web.branch).out


def test_doctor_finds_all_that_is_left_without_a_record_and_destroy_removes_it(
    place: Place,
) -> None:
    assert place.deploy(image="").code == 0
    well = place.run("doctor", "--json")
    assert [each for each in json.loads(well.out)["leftovers"] if each["slug"] == place.slug] == []
    place.clients.consul.transact(delete(keys.app(place.slug)))
    standing = leftovers(place)
    done = place.run("doctor", "--json")
    assert done.code == 1
    told = [each for each in json.loads(done.out)["leftovers"] if each["slug"] == place.slug]
    assert set(leftovers(place)) == set(standing), "doctor changed something"
    kinds = {each["kind"] for each in told}
    assert kinds == {
        "Nomad job",
        "Nomad Variable",
        "PostgreSQL database",
        "image",
        "lock",
        "page",
        "route",
    }
    assert {each["mend"] for each in told} == {f"reviewapps destroy {place.slug}"}
    removed = place.destroy()
    assert removed.code == 0, removed.said
    first = removed.out.splitlines()[0]
    assert first == f"There is no record of {place.slug}; removing what was left of it:"
    assert leftovers(place) == []


def test_what_does_not_exist_is_destroyed_by_saying_so(place: Place) -> None:
    done = place.run("destroy", "deploy-blue")
    assert (done.code, done.out) == (0, "There is no app of 'deploy-blue': nothing to destroy.\n")
    assert json.loads(place.run("destroy", "deploy-blue", "--json").out) == {"destroyed": None}


def test_a_near_name_is_never_destroyed(web: Place) -> None:
    done = web.run("destroy", "blue")
    assert done.code == 0
    assert "did you mean deploy-blue?" in done.err
    assert web.record().state == "running"


def test_slug_host_and_url_name_the_app(web: Place) -> None:
    record = web.record()
    for name in (web.slug, record.host, f"{record.url}/posts?page=2", "blue"):
        assert json.loads(web.run("status", name, "--json").out)["slug"] == web.slug
    (listed,) = [
        each for each in json.loads(web.run("list", "--json").out) if each["slug"] == web.slug
    ]
    assert (listed["url"], listed["release"], listed["serving"]) == (record.url, 1, 1)
    assert json.loads(web.run("open", "blue", "--json").out) == {
        "url": record.url,
        "state": "running",
    }


def test_ctrl_c_leaves_the_terminal_sane_and_the_same_command_goes_on(place: Place) -> None:
    place.write(migrate={"env": {"MIGRATE_SECONDS": "6"}})
    arguments = ("deploy", place.file, "--image=reviewapps-test/tiny:1", place.branch)
    with Terminal(place, arguments, columns=60) as terminal:
        terminal.wait_for("running")
        terminal.resize(30, 30)
        terminal.type("\x03")
        terminal.wait_for("Stopped. The same command goes on from here.")
        assert terminal.end() == 130
        assert terminal.attributes() == terminal.before
    assert terminal.screen.rindex("\x1b[?25h") > terminal.screen.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.screen
    assert place.deploy().code == 0
    assert place.get() == "release 1"


def test_the_board_shows_each_step_once_it_is_over(place: Place) -> None:
    arguments = ("deploy", place.file, "--image=reviewapps-test/tiny:1", place.branch)
    with Terminal(place, arguments) as terminal:
        assert terminal.end() == 0
    text = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", terminal.screen)
    for step in ("redis", "database", "migrate", "seed", "unicorn", "resque", "route"):
        assert re.search(rf"✓ +{step} +\d+\.\d s", text), text


def test_services_that_are_down_are_one_sentence(place: Place) -> None:
    away = {"CONSUL_HTTP_ADDR": "127.0.0.1:1", "NOMAD_ADDR": "http://127.0.0.1:1"}
    done = place.run("list", env=away)
    assert (done.code, done.out) == (5, "")
    assert done.err == (
        "Error: Consul at http://127.0.0.1:1 does not answer (ConnectionError)\n"
        "  Next: reviewapps doctor\n"
    )
    checked = json.loads(place.run("doctor", "--json", env=away).out)
    wrong = [each["name"] for each in checked["checks"] if not each["ok"]]
    assert (checked["ok"], wrong) == (False, ["consul", "nomad"])


def test_an_interrupted_deploy_is_found_by_doctor(web: Place) -> None:
    running = web.start_deploy(image="reviewapps-test/nowhere:1")
    until(lambda: web.record().state == "deploying", "the wish")
    running.process.kill()
    running.done()
    found = json.loads(web.run("doctor", "--json").out)["checks"]
    mends = [each["mend"] for each in found if each["name"] == "records"]
    assert f"reviewapps deploy {web.branch}" in mends
