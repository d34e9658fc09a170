"""The CircleCI file that ships, fitted to real-shaped projects: valid, and with their own tests."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reviewapps import packages
from reviewapps.init import circleci
from reviewapps.init.evidence import gather
from tests.init import folders
from tests.init.folders import Files, lay_out

SHIPPED = (packages.folder("circleci") / "config.yml").read_text("utf-8")


def fitted(folder: Path, files: Files, below: str = ".") -> str:
    """Return the file for a folder named `shop`, or for one below it."""
    return circleci.fit(SHIPPED, gather(lay_out(folder / "shop", files) / below))


def build_of(text: str) -> dict[str, Any]:
    """Return the job `build`."""
    job: dict[str, Any] = yaml.safe_load(text)["jobs"]["build"]
    return job


def commands(job: dict[str, Any]) -> list[str]:
    """Return the commands of a job's steps."""
    return [step["run"]["command"].strip() for step in job["steps"] if "run" in step]


def test_the_shipped_file_has_what_is_fitted() -> None:
    """Whoever changes the shipped file sees here what init looks for in it."""
    assert circleci.BUILD.search(SHIPPED)
    assert len(circleci.OURS.findall(SHIPPED)) == 2
    assert SHIPPED.count('pipeline.git.branch == "main"') == 1
    assert SHIPPED.count("only: main\n") == 1


@pytest.mark.parametrize("name", folders.ALL)
def test_it_is_valid_for_every_project(tmp_path: Path, name: str) -> None:
    text = fitted(tmp_path, folders.ALL[name])
    file = tmp_path / "config.yml"
    file.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.circle-ci"]
    checked = subprocess.run(
        [*command, str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stdout
    before, after = yaml.safe_load(SHIPPED), yaml.safe_load(text)
    before["jobs"]["build"] = after["jobs"]["build"]
    assert after == before, "only the job build changes"


def test_rails_tests_get_their_database(tmp_path: Path) -> None:
    job = build_of(fitted(tmp_path, folders.RAILS_POSTGRESQL_RESQUE))
    assert job["parallelism"] == 2
    assert job["docker"] == [
        {
            "image": "cimg/ruby:3.3",
            "environment": {
                "RAILS_ENV": "test",
                "DATABASE_URL": "postgresql://app@127.0.0.1/app_test",
            },
        },
        {
            "image": "cimg/postgres:16.4",
            "environment": {
                "POSTGRES_USER": "app",
                "POSTGRES_DB": "app_test",
                "POSTGRES_HOST_AUTH_METHOD": "trust",
            },
        },
    ]
    assert commands(job) == [
        "bundle install --jobs 4",
        "bin/rails db:test:prepare",
        "circleci tests glob 'test/**/*_test.rb' |\n"
        "  circleci tests run --split-by=timings --command='xargs bin/rails test'",
    ]


def test_rspec_reports_its_timings_when_it_can(tmp_path: Path) -> None:
    lock = "GEM\n  specs:\n    rspec-core (3.13.0)\n    rspec_junit_formatter (0.6.0)\n"
    files: Files = {"Gemfile.lock": lock, ".ruby-version": "ruby-3.2.4\n"}
    job = build_of(fitted(tmp_path / "with", files))
    assert job["docker"][0]["image"] == "cimg/ruby:3.2"
    assert "--format RspecJunitFormatter --out test-results/rspec.xml" in commands(job)[-1]
    assert job["steps"][-1] == {"store_test_results": {"path": "test-results"}}
    files = {"Gemfile.lock": "GEM\n  specs:\n    rspec-core (3.13.0)\n"}
    job = build_of(fitted(tmp_path / "without", files))
    assert "RspecJunitFormatter" not in commands(job)[-1]
    assert "store_test_results" not in str(job)


def test_django_runs_its_own_tests(tmp_path: Path) -> None:
    job = build_of(fitted(tmp_path, folders.DJANGO))
    assert commands(job) == [
        "pip install --requirement requirements.txt",
        "python manage.py test",
    ]
    assert "parallelism" not in job


def test_pytest_is_split_by_timings(tmp_path: Path) -> None:
    files: Files = {"requirements.txt": "flask\npytest\n", ".python-version": "3.11.9\n"}
    job = build_of(fitted(tmp_path, files))
    assert (job["docker"][0]["image"], job["parallelism"]) == ("cimg/python:3.11", 2)
    assert commands(job)[-1].startswith("circleci tests glob '**/test_*.py' |")


def test_a_project_without_tests_still_has_the_job(tmp_path: Path) -> None:
    job = build_of(fitted(tmp_path, folders.PLAIN_DOCKERFILE))
    assert commands(job) == ["echo 'Put your tests here.'"]


def test_in_a_monorepo_the_commands_name_the_folder(tmp_path: Path) -> None:
    text = fitted(tmp_path, folders.MONOREPO, "apps/shop")
    jobs = yaml.safe_load(text)["jobs"]
    assert commands(jobs["deploy"]) == ['reviewapps deploy "$CIRCLE_BRANCH" --project apps/shop']
    assert commands(jobs["prune"]) == ["reviewapps prune --project apps/shop"]
    runs = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert {run["working_directory"] for run in runs} == {"apps/shop"}


@pytest.mark.parametrize(
    ("files", "main"),
    [
        ({}, "main"),
        ({".git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/develop\n"}, "develop"),
        ({".git/refs/heads/master": "0" * 40}, "master"),
        ({".git/refs/remotes/origin/HEAD": 'ref: refs/remotes/origin/x" or true\n'}, "main"),
        ({".git/refs/remotes/origin/HEAD": b"\xff"}, "main"),
    ],
)
def test_the_main_branch_is_gits(tmp_path: Path, files: Files, main: str) -> None:
    workflows = yaml.safe_load(
        fitted(tmp_path, folders.PLAIN_DOCKERFILE | {".git/config": ""} | files)
    )["workflows"]
    assert workflows["main"]["jobs"][0]["prune"]["filters"] == f'pipeline.git.branch == "{main}"'
    (trigger,) = workflows["half-hourly"]["triggers"]
    assert trigger["schedule"]["filters"]["branches"]["only"] == main
