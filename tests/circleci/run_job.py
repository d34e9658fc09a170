"""Runs a job's commands as CircleCI would: in order, one bash each, sharing what they export.

`python tests/circleci/run_job.py CONFIG JOB` prints the commands; a test calls `run_job`.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]


@dataclass(frozen=True)
class Step:
    """One `run` of a job, its parameters filled in."""

    name: str
    command: str
    environment: dict[str, str] = field(default_factory=dict)
    background: bool = False
    when: str = "on_success"


@dataclass(frozen=True)
class Result:
    """What one step did; a background step has no code."""

    name: str
    code: int | None
    output: str


def load(file: Path) -> Json:
    """Return a configuration."""
    return dict(yaml.safe_load(file.read_text()))


def steps(config: Json, job: str, parameters: Mapping[str, Any] | None = None) -> list[Step]:
    """Return the `run` steps of a job, those of its own commands included."""
    body = config["jobs"][job]
    return expand(config, body["steps"], parameters or {}, body.get("environment", {}))


def expand(
    config: Json, listed: list[Any], parameters: Mapping[str, Any], environment: dict[str, str]
) -> list[Step]:
    """Replace commands by their steps; `checkout` and what only keeps results are left out."""
    found = []
    for item in listed:
        name, value = (item, {}) if isinstance(item, str) else next(iter(item.items()))
        if name == "run":
            run: Json = {"command": value} if isinstance(value, str) else value
            command = fill(run["command"], parameters)
            found.append(
                Step(
                    fill(run.get("name", command.splitlines()[0]), parameters),
                    command,
                    environment | run.get("environment", {}),
                    run.get("background", False),
                    run.get("when", "on_success"),
                )
            )
        elif name in config.get("commands", {}):
            called = config["commands"][name]
            declared = called.get("parameters", {}).items()
            values = {key: spec["default"] for key, spec in declared if "default" in spec}
            values |= {key: fill(str(text), parameters) for key, text in (value or {}).items()}
            found += expand(config, called["steps"], values, environment)
    return found


def fill(text: str, parameters: Mapping[str, Any]) -> str:
    """Replace `<< parameters.x >>`; a missing one is a KeyError, as CircleCI refuses it."""
    return re.sub(r"<<\s*parameters\.([\w-]+)\s*>>", lambda m: str(parameters[m[1]]), text)


def run_job(
    file: Path,
    job: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    within: Sequence[str] = (),
    without: Collection[str] = (),
    timeout: float = 900,
) -> list[Result]:
    """Run a job's commands in `folder`, a checkout; stop at the first that fails.

    What a command appends to $BASH_ENV holds for the ones after it. Background steps are ended
    with the job. `within` begins each command, to run it on another machine; the steps that
    `without` names are left out.
    """
    variables = {**environment, "CI": "true", "CIRCLECI": "true", "CIRCLE_JOB": job}
    bash_env = Path(variables.setdefault("BASH_ENV", str(folder / ".git" / "bash_env")))
    bash_env.touch()
    results: list[Result] = []
    behind: list[subprocess.Popen[bytes]] = []
    failed = False
    try:
        for step in steps(load(file), job):
            if step.name in without:
                continue
            if step.when != "always" and failed != (step.when == "on_fail"):
                continue
            whole = variables | step.environment
            if step.background:
                behind.append(
                    subprocess.Popen(
                        [*within, *SHELL, "-c", step.command],
                        cwd=folder,
                        env=whole,
                        stdout=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
                results.append(Result(step.name, None, ""))
                continue
            done = subprocess.run(
                [*within, *SHELL, "-c", step.command],
                cwd=folder,
                env=whole,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
                check=False,
            )
            results.append(Result(step.name, done.returncode, done.stdout))
            failed = failed or done.returncode != 0
    finally:
        for process in behind:
            end(process)
    return results


def end(process: subprocess.Popen[bytes]) -> None:
    """End a background step with all it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=30)


if __name__ == "__main__":
    for one in steps(load(Path(sys.argv[1])), sys.argv[2]):
        print(json.dumps({"name": one.name, "background": one.background}))
        print(one.command)
