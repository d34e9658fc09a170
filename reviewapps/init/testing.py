"""Which tests a project has, and what a CircleCI job needs to run them."""

import re
from dataclasses import dataclass, field

from reviewapps.init import database
from reviewapps.init.evidence import Evidence

SPLIT = "circleci tests run --split-by=timings"


@dataclass(frozen=True)
class Tests:
    """How the tests run: image, environment, steps of name and command, and what they need."""

    image: str
    steps: list[tuple[str, str]]
    environment: dict[str, str] = field(default_factory=dict)
    results: bool = False
    split: bool = True


def find(evidence: Evidence) -> Tests:
    """Return how this project's tests run, as far as its files tell."""
    folder = evidence.folder
    if evidence.gems:
        return ruby(evidence)
    if evidence.python or evidence.is_django:
        return python(evidence)
    if "test" in evidence.scripts:
        install = "npm ci" if folder.has("package-lock.json") else "npm install"
        steps = [("Install what the tests need", install), ("Test", "npm test")]
        return Tests("cimg/node:lts", steps, split=False)
    folder.note("no tests were found: the CircleCI job `build` has a place for them")
    return Tests("cimg/base:current", [("Test", "echo 'Put your tests here.'")], split=False)


def ruby(evidence: Evidence) -> Tests:
    """Return how RSpec or Minitest runs, split over the job's machines."""
    version = version_in(evidence, ("Gemfile.lock", r"^ +ruby (\d+\.\d+)"), (".ruby-version", ""))
    install = ("Install what the tests need", "bundle install --jobs 4")
    environment = {"RAILS_ENV": "test"} if evidence.is_rails else {"RACK_ENV": "test"}
    prepare = [("Make the database", "bin/rails db:test:prepare")] if evidence.is_rails else []
    results = "rspec_junit_formatter" in evidence.gems
    if "rspec-core" in evidence.gems or evidence.folder.has(".rspec"):
        report = " --format RspecJunitFormatter --out test-results/rspec.xml" if results else ""
        command = f"xargs bundle exec rspec --format progress{report}"
        test = f"circleci tests glob 'spec/**/*_spec.rb' |\n  {SPLIT} --command='{command}'"
    else:
        runner = "bin/rails test" if evidence.is_rails else "-n 1 bundle exec ruby -Itest"
        test = f"circleci tests glob 'test/**/*_test.rb' |\n  {SPLIT} --command='xargs {runner}'"
        results = False
    steps = [install, *prepare, ("Test", test)]
    return Tests(f"cimg/ruby:{version or '3.3'}", steps, environment, results)


def python(evidence: Evidence) -> Tests:
    """Return how pytest or Django's own runner runs."""
    version = version_in(evidence, (".python-version", ""), ("runtime.txt", ""))
    files = evidence.folder.find("requirements*.txt", "requirements/*.txt")
    install = " ".join(f"--requirement {file}" for file in files) or "."
    steps = [("Install what the tests need", f"pip install {install}")]
    image = f"cimg/python:{version or '3.12'}"
    if "pytest" in evidence.python or evidence.folder.first("pytest.ini", "conftest.py"):
        command = "xargs pytest --junitxml=test-results/pytest.xml"
        glob = "circleci tests glob '**/test_*.py'"
        steps.append(("Test", f"{glob} |\n  {SPLIT} --command='{command}'"))
        return Tests(image, steps, results=True)
    runner = "python manage.py test" if evidence.is_django else "python -m unittest"
    return Tests(image, [*steps, ("Test", runner)], split=False)


def version_in(evidence: Evidence, *places: tuple[str, str]) -> str:
    """Return the first version, as major.minor, that one of the files names."""
    for file, form in places:
        if match := re.search(form or r"(\d+\.\d+)", evidence.folder.text(file), re.M):
            return match[1]
    return ""


def services(evidence: Evidence) -> list[tuple[str, dict[str, str]]]:
    """Return the images that the tests want beside them, with their environment."""
    kind, _ = database.engine(evidence)
    found: list[tuple[str, dict[str, str]]] = []
    if kind == "postgresql":
        trust = {"POSTGRES_USER": "app", "POSTGRES_DB": "app_test"}
        found.append(("cimg/postgres:16.4", trust | {"POSTGRES_HOST_AUTH_METHOD": "trust"}))
    if kind == "mysql":
        found.append(("cimg/mysql:8.0", {"MYSQL_DATABASE": "app_test"}))
    return found


def database_url(evidence: Evidence) -> str:
    """Return the URL of the database that `services` starts, "" without one."""
    kind, _ = database.engine(evidence)
    scheme = "mysql2" if evidence.gems else "mysql"
    return {
        "postgresql": "postgresql://app@127.0.0.1/app_test",
        "mysql": f"{scheme}://root@127.0.0.1/app_test",
    }.get(kind, "")
