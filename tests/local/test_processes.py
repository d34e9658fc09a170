"""Processes are known by pid, start time and boot, and by a marker; never by pid alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps.errors import Failed
from reviewapps.local import processes
from reviewapps.local.processes import Process, marked, start_time

SLEEP = ["sleep", "600"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True);"
    "time.sleep(600)",
]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process("agent", tmp_path / "with space)")
    yield made
    made.stop(0.1)


def test_a_started_process_is_known_at_once(process: Process) -> None:
    process.start(SLEEP)
    pid = process.pid()
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00600\x00"
    assert os.getsid(pid) == pid


def test_stop_ends_it_and_a_second_stop_finds_nothing(process: Process) -> None:
    process.start(SLEEP)
    pid = process.pid()
    assert process.stop()
    assert start_time(pid) == ""
    assert not process.pid_file.exists()
    assert not process.stop()


def test_a_process_that_ignores_the_request_is_killed(process: Process) -> None:
    process.start(STUBBORN)
    process.wait(lambda: "on" in process.tail(), 10)
    assert process.stop(0.2)
    assert process.pid() == 0


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(process: Process) -> None:
    with subprocess.Popen(SLEEP) as foreign:
        process.folder.mkdir()
        boot = processes.BOOT.read_text().strip()
        for line in (f"{foreign.pid} 1 {boot}", f"{foreign.pid} {start_time(foreign.pid)} other"):
            process.pid_file.write_text(line)
            assert process.pid() == 0
            assert not process.stop()
            assert foreign.poll() is None
        foreign.kill()


@pytest.mark.parametrize("text", ["", "17", "x y z", "1 2 3 4", "99999999 1 b"])
def test_a_damaged_pid_file_means_that_nothing_runs(process: Process, text: str) -> None:
    process.folder.mkdir()
    process.pid_file.write_text(text)
    assert process.pid() == 0


def test_a_killed_process_is_not_running(process: Process) -> None:
    process.start(SLEEP)
    pid = process.pid()
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while process.pid() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid() == 0


def test_a_program_that_is_not_there_is_told(process: Process) -> None:
    with pytest.raises(Failed, match="agent") as raised:
        process.start(["/nowhere/agent"])
        process.wait(lambda: False, 5)
    assert "/nowhere/agent" in raised.value.details


def test_a_process_that_ends_while_waited_for_is_told_with_its_last_lines(process: Process) -> None:
    process.start(["sh", "-c", "sleep 0.2; echo no such option >&2; exit 1"])
    with pytest.raises(Failed, match="agent ended") as raised:
        process.wait(lambda: False, 10)
    assert raised.value.details == "no such option"


def test_helpers_that_an_agent_leaves_behind_are_found_and_ended(process: Process) -> None:
    process.start(["sh", "-c", "sleep 601 & sleep 602"])
    agent = process.pid()
    deadline = time.monotonic() + 5
    while len(marked(process.folder)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(agent, signal.SIGKILL)
    assert marked(process.folder)
    assert marked(process.folder.parent / "with space") == []
    processes.end_marked(process.folder)
    assert marked(process.folder) == []


def test_agents_get_no_variables_of_the_users(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/ca.pem")
    monkeypatch.setenv("NOMAD_TOKEN", "secret")
    process.start(["sh", "-c", "env; sleep 600"])
    process.wait(lambda: "PATH=" in process.tail(), 10)
    names = {line.partition("=")[0] for line in process.tail().splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "PWD", processes.MARKER}
