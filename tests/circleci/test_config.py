"""The CircleCI file is valid, names only what exists, and each branch starts the right jobs."""

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reviewapps import packages
from tests.circleci.run_job import Json, load, steps

FILE = packages.folder("circleci") / "config.yml"
BUILT_IN = {"checkout", "run", "store_test_results", "setup_remote_docker", "store_artifacts"}
EXPRESSION = re.compile(r'pipeline\.git\.branch (starts-with|==) "([^"]+)"')


@pytest.fixture
def config() -> Json:
    return load(FILE)


def faults(config: Json) -> list[str]:
    """Return names that are used and not defined: CircleCI's schema does not look at them."""
    found = []
    commands, executors = config.get("commands", {}), config.get("executors", {})
    for place, body in [*config["jobs"].items(), *commands.items()]:
        if isinstance(body.get("executor"), str) and body["executor"] not in executors:
            found.append(f"{place}: no executor {body['executor']}")
        for item in body["steps"]:
            name, given = (item, {}) if isinstance(item, str) else next(iter(item.items()))
            if name not in BUILT_IN and name not in commands:
                found.append(f"{place}: no command {name}")
            elif name in commands:
                declared = commands[name].get("parameters", {})
                found += [f"{place}: {name} has no {key}" for key in given if key not in declared]
                found += [
                    f"{place}: {name} needs {key}"
                    for key, spec in declared.items()
                    if key not in given and "default" not in spec
                ]
    for name, workflow in config["workflows"].items():
        listed = {}
        for item in workflow["jobs"]:
            job, options = (item, {}) if isinstance(item, str) else next(iter(item.items()))
            listed[job] = options
            if job not in config["jobs"]:
                found.append(f"{name}: no job {job}")
        for job, options in listed.items():
            missing = [need for need in options.get("requires", []) if need not in listed]
            found += [f"{name}: {job} requires {need}, which is not there" for need in missing]
    return found


def jobs_for(config: Json, workflow: str, branch: str) -> set[str]:
    """Return the jobs that run for a branch, as CircleCI reads filters and requires."""
    running: set[str] = set()
    for item in config["workflows"][workflow]["jobs"]:
        job, options = (item, {}) if isinstance(item, str) else next(iter(item.items()))
        match = EXPRESSION.fullmatch(options.get("filters", 'pipeline.git.branch starts-with "."'))
        assert match, f"an expression that this test cannot read: {options['filters']}"
        kind, text = match.groups()
        passes = branch.startswith(text) if kind == "starts-with" else branch == text
        if ("filters" not in options or passes) and running.issuperset(options.get("requires", [])):
            running.add(job)
    return running


def test_it_fits_circleci_s_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.circle-ci"]
    done = subprocess.run([*command, FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_name_in_it_is_defined(config: Json) -> None:
    assert faults(config) == []


def test_a_missing_name_is_noticed(config: Json) -> None:
    broken = copy.deepcopy(config)
    broken["workflows"]["branch"]["jobs"][1]["deploy"]["requires"] = ["biuld"]
    broken["jobs"]["prune"]["executor"] = "machin"
    broken["jobs"]["prune"]["steps"][1] = {"reach-the-cluster": {"rol": "X"}}
    broken["jobs"]["deploy"]["steps"][1] = "reach-cluster"
    assert len(faults(broken)) == 5


@pytest.mark.parametrize(
    ("branch", "jobs"),
    [
        ("deploy-checkout", {"build", "deploy"}),
        ("deploy-", {"build", "deploy"}),
        ("main", {"build"}),
        ("feature/deploy-x", {"build"}),
        ("Deploy-x", {"build"}),
    ],
)
def test_only_deploy_branches_are_deployed(config: Json, branch: str, jobs: set[str]) -> None:
    assert jobs_for(config, "branch", branch) == jobs


def test_prune_runs_on_main_and_by_the_clock(config: Json) -> None:
    assert jobs_for(config, "main", "main") == {"prune"}
    assert jobs_for(config, "main", "deploy-checkout") == set()
    (trigger,) = config["workflows"]["half-hourly"]["triggers"]
    assert trigger["schedule"]["cron"] == "5,35 * * * *"
    assert trigger["schedule"]["filters"]["branches"] == {"only": "main"}


def test_one_deploy_of_a_branch_at_a_time(config: Json) -> None:
    deploy = config["workflows"]["branch"]["jobs"][1]["deploy"]
    assert deploy["serial-group"].endswith("/review-<< pipeline.git.branch >>")


def test_tests_run_on_two_machines_split_by_timings(config: Json) -> None:
    assert config["jobs"]["build"]["parallelism"] == 2
    (test,) = [step for step in steps(config, "build") if step.name == "Test"]
    assert "--split-by=timings" in test.command
    kept = [
        s["store_test_results"]
        for s in config["jobs"]["build"]["steps"]
        if "store_test_results" in s
    ]
    assert kept[0]["path"] in test.command, "without results there are no timings"


def test_there_are_no_keys_in_it() -> None:
    text = FILE.read_text()
    assert not re.search(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)", text)
    assert "CIRCLE_OIDC_TOKEN_V2" in text, "the old token does not name the branch"


@pytest.mark.parametrize("job", ["build", "deploy", "prune"])
def test_its_shell_is_sound(config: Json, job: str, tmp_path: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on PATH: apt-get install shellcheck")
    script = tmp_path / "step.sh"
    for step in steps(config, job):
        script.write_text(f"#!/bin/bash\nset -eo pipefail\n{step.command}\n")
        done = subprocess.run(
            ["shellcheck", "--exclude=SC1091,SC2016", script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "", step.name


def test_the_branch_s_name_is_never_shell() -> None:
    """Branch names may hold quotes and `$()`: only a quoted variable may carry them."""
    for step in [*steps(load(FILE), "deploy"), *steps(load(FILE), "prune")]:
        assert "<< pipeline.git" not in step.command
        assert all(
            '"$CIRCLE_BRANCH"' in line
            for line in step.command.splitlines()
            if "CIRCLE_BRANCH" in line
        )
    assert yaml.safe_load(FILE.read_text())["jobs"]["deploy"]["steps"][-1]["run"]["command"] == (
        'reviewapps deploy "$CIRCLE_BRANCH"'
    )


def test_terraform_prints_every_variable_it_reads() -> None:
    """`terraform output` makes .circleci/reviewapps.env: what it lacks would be empty."""
    outputs = (packages.folder("terraform") / "outputs.tf").read_text()
    ours = set(re.findall(r"\bREVIEWAPPS_[A-Z_]+", FILE.read_text())) - {"REVIEWAPPS_PACKAGE"}
    assert len(ours) == 5
    for variable in ours:
        assert re.search(rf"^ +{variable} += ", outputs, re.MULTILINE), variable
