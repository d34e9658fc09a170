"""The runner does what CircleCI does; the file's own jobs run with a recording reviewapps."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from reviewapps import packages
from tests.circleci.run_job import Result, run_job

FILE = packages.folder("circleci") / "config.yml"
SCRIPT = """\
version: 2.1
commands:
  greet:
    parameters:
      whom: {type: string, default: nobody}
    steps:
      - run: {name: Greet, command: "echo hello << parameters.whom >>"}
jobs:
  trial:
    machine: true
    environment: {COLOUR: blue}
    steps:
      - checkout
      - greet: {whom: "$COLOUR"}
      - greet
      - run: {name: Keep, command: "echo 'export KEPT=yes' >> $BASH_ENV"}
      - run: {name: Behind, background: true, command: "sleep 300"}
      - run: {name: Tell, command: "echo kept $KEPT"}
      - run: {name: Fail, command: "false | true"}
      - run: {name: Never, command: "echo never"}
      - run: {name: Always, when: always, command: "echo always"}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def test_a_job_runs_as_circleci_runs_it(checkout: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(SCRIPT)
    results = run_job(file, "trial", checkout, {"PATH": os.environ["PATH"]})
    assert results == [
        Result("Greet", 0, "hello blue\n"),
        Result("Greet", 0, "hello nobody\n"),
        Result("Keep", 0, ""),
        Result("Behind", None, ""),
        Result("Tell", 0, "kept yes\n"),
        Result("Fail", 1, ""),
        Result("Always", 0, "always\n"),
    ]


def test_a_job_runs_on_another_machine_and_without_some_steps(
    checkout: Path, tmp_path: Path
) -> None:
    file = tmp_path / "config.yml"
    file.write_text(SCRIPT)
    there = ["env", "COLOUR=red"]
    environment = {"PATH": os.environ["PATH"]}
    results = run_job(file, "trial", checkout, environment, within=there, without={"Fail"})
    assert [(each.name, each.output) for each in results if each.name != "Behind"] == [
        ("Greet", "hello red\n"),
        ("Greet", "hello nobody\n"),
        ("Keep", ""),
        ("Tell", "kept yes\n"),
        ("Never", "never\n"),
        ("Always", "always\n"),
    ]


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """Return a wheel whose `reviewapps` writes down how it was called."""
    info = "reviewapps-0.dist-info"
    files = {
        "recorder.py": "import json, os, sys\n"
        "def main():\n"
        "    told = {'argv': sys.argv[1:], 'role': os.environ.get('AWS_ROLE_ARN')}\n"
        "    print(json.dumps(told))\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: reviewapps\nVersion: 0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nreviewapps = recorder:main\n",
        f"{info}/RECORD": "",
    }
    wheel = tmp_path / "reviewapps-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("deploy", '{"argv": ["deploy", "deploy-$(touch hacked)\\"; #"], "role": "arn:deploy"}'),
        ("prune", '{"argv": ["prune"], "role": null}'),
    ],
)
def test_the_file_s_jobs_call_reviewapps(
    checkout: Path, recorder: Path, tmp_path: Path, job: str, said: str
) -> None:
    """The role of the other job is not taken; a hostile branch name stays one argument."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "REVIEWAPPS_PACKAGE": str(recorder),
        "PIP_NO_INDEX": "1",
        "CIRCLE_BRANCH": 'deploy-$(touch hacked)"; #',
        "CIRCLE_OIDC_TOKEN_V2": "header.body.signature",
        "CIRCLE_BUILD_NUM": "7",
        "REVIEWAPPS_DEPLOY_ROLE": "arn:deploy",
    }
    results = run_job(FILE, job, checkout, environment)
    assert all(result.code in (0, None) for result in results), results
    assert results[-1].output.strip() == said
    assert not (checkout / "hacked").exists()
    token = tmp_path / "aws-token"
    if job == "deploy":
        assert token.read_text() == "header.body.signature"
        assert token.stat().st_mode & 0o077 == 0


def test_what_is_installed_has_to_be_said(checkout: Path, tmp_path: Path) -> None:
    """A name that somebody else may own at the package index is never taken by default."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    results = run_job(FILE, "deploy", checkout, environment)
    assert [(result.name, result.code != 0) for result in results] == [("Install reviewapps", True)]
    assert "REVIEWAPPS_PACKAGE: is not set" in results[0].output


def test_the_file_from_terraform_is_read_before_anything_is_installed(
    checkout: Path, recorder: Path, tmp_path: Path
) -> None:
    (checkout / ".circleci").mkdir()
    lines = f"export REVIEWAPPS_PACKAGE='{recorder}'\nexport REVIEWAPPS_PRUNE_ROLE='arn:prune'\n"
    (checkout / ".circleci" / "reviewapps.env").write_text(lines)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "CIRCLE_OIDC_TOKEN_V2": "t",
        "CIRCLE_BUILD_NUM": "7",
    }
    results = run_job(FILE, "prune", checkout, environment)
    assert results[-1].output.strip() == '{"argv": ["prune"], "role": "arn:prune"}'
