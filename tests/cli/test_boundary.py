"""Every error is a sentence, the next command to try and an exit code; never a trace-back."""

import json
from pathlib import Path

import pytest

from reviewapps import settings
from tests.cli.stand_in import Silent, consul, record, run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REVIEWAPPS_SETTINGS", str(tmp_path / "settings.yml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("dploy", "there is no command 'dploy'; did you mean: reviewapps deploy"),
        ("lst", "there is no command 'lst'; did you mean: reviewapps list"),
        (
            "deploy-blue",
            "there is no command 'deploy-blue'; did you mean: reviewapps deploy deploy-blue",
        ),
        ("xyzzy", "there is no command 'xyzzy'"),
    ],
)
def test_an_unknown_command_names_the_near_one(typed: str, message: str) -> None:
    result = run(typed, consul=consul())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"Error: {message}"


def test_an_error_is_a_sentence_and_the_next_command() -> None:
    result = run("status", "deploy-bleu", consul=consul(record()))
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == (
        "Error: there is no app of 'deploy-bleu'\n"
        "  Next: did you mean deploy-blue? reviewapps list shows all apps\n"
    )


def test_with_json_an_error_is_one_object_on_the_standard_output() -> None:
    result = run("status", "nobody", "--json", consul=consul())
    assert (result.exit_code, result.stderr) == (3, "")
    assert json.loads(result.stdout) == {
        "error": {
            "kind": "NotFound",
            "message": "there is no app of 'nobody'",
            "hint": "there are no apps yet: reviewapps deploy BRANCH",
            "details": "",
            "exit_code": 3,
        }
    }


def test_with_json_a_wrong_option_is_an_object_too() -> None:
    result = run("list", "--json", "--colour", consul=consul())
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["kind"], error["exit_code"]) == (2, "UsageError", 2)


def test_a_json_of_the_command_to_run_is_not_ours() -> None:
    result = run("exec", "nobody", "--", "ls", "--json", consul=consul())
    assert result.stderr.startswith("Error: there is no app of 'nobody'\n")


def test_a_service_that_is_down_is_one_sentence() -> None:
    result = run("list", consul=Silent())
    assert result.exit_code == 5
    assert result.stderr == (
        "Error: Consul at http://127.0.0.1:8500 does not answer\n  Next: try later\n"
    )


def test_without_settings_the_next_command_starts_a_local_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REVIEWAPPS_SETTINGS", *settings.ENVIRONMENT):
        monkeypatch.delenv(name, raising=False)
    result = run("list", consul=Silent())
    assert result.stderr.splitlines()[1] == (
        "  Next: reviewapps local up starts a cluster on this machine; for another one set "
        "REVIEWAPPS_SETTINGS to its settings file"
    )


def test_a_bug_shows_no_trace_back_and_keeps_it_in_a_file(home: Path) -> None:
    result = run("list", consul=None, nomad=None)
    assert result.exit_code == 70
    first, second = result.stderr.splitlines()
    assert first.startswith("Error: this is a bug of reviewapps: AttributeError:")
    log = home / ".reviewapps/error.log"
    assert second == f"  Next: report it with the trace-back in {log}"
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("where", [("--verbose", "list"), ("list", "--verbose")])
def test_verbose_shows_the_trace_back_wherever_it_is_typed(where: tuple[str, ...]) -> None:
    assert "Traceback" in run(*where, consul=Silent()).stderr


def test_ctrl_c_is_exit_code_130_and_silent() -> None:
    class Interrupted:
        def list(self, _prefix: str) -> None:
            raise KeyboardInterrupt

    result = run("list", consul=Interrupted())
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_hostile_names_reach_no_terminal() -> None:
    result = run("status", "\x1b]0;owned\x07", consul=consul())
    assert "\x1b" not in result.stderr
    assert "\x07" not in result.stderr
