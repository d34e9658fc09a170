"""Fits the CircleCI file that ships with reviewapps to a project: its tests, branch and folder."""

import re
import shlex

from reviewapps.init import testing
from reviewapps.init.evidence import Evidence
from reviewapps.init.testing import Tests
from reviewapps.init.writing import flow

FILE = ".circleci/config.yml"
BUILD = re.compile(r"^  build:\n(?:(?:    .*)?\n)*?(?=^  deploy:\n)", re.M)
OURS = re.compile(r'^( +command: reviewapps (?:deploy "\$CIRCLE_BRANCH"|prune))$', re.M)


def fit(shipped: str, evidence: Evidence) -> str:
    """Return the shipped text with the job `build`, the main branch and the folder of a project."""
    text = BUILD.sub(lambda _: build(evidence), shipped, count=1)
    main = main_branch(evidence)
    text = text.replace('pipeline.git.branch == "main"', f'pipeline.git.branch == "{main}"')
    text = re.sub(r"^( +only:) main$", rf"\g<1> {main}", text, flags=re.M)
    if evidence.below != ".":
        text = OURS.sub(lambda match: f"{match[1]} --project {shlex.quote(evidence.below)}", text)
    return text


def build(evidence: Evidence) -> str:
    """Return the job that runs the project's tests."""
    tests = testing.find(evidence)
    lines = ["  build:", "    docker:", *images(tests, evidence), "    resource_class: medium"]
    lines += ["    parallelism: 2"] if tests.split else []
    lines += ["    steps:", "      - checkout"]
    for name, command in tests.steps:
        lines += ["      - run:", f"          name: {name}"]
        if evidence.below != ".":
            lines.append(f"          working_directory: {flow(evidence.below)}")
        if "\n" in command:
            lines.append("          command: |")
            lines += [f"            {line}" for line in command.splitlines()]
        else:
            lines.append(f"          command: {flow(command)}")
    if tests.results:
        results = "test-results" if evidence.below == "." else f"{evidence.below}/test-results"
        lines += ["      - store_test_results:", f"          path: {flow(results)}"]
    return "\n".join(lines) + "\n\n"


def images(tests: Tests, evidence: Evidence) -> list[str]:
    """Return the list of images: the first runs the steps, the others stand beside it."""
    url = testing.database_url(evidence)
    environment = tests.environment | ({"DATABASE_URL": url} if url else {})
    lines = []
    for image, variables in [(tests.image, environment), *testing.services(evidence)]:
        lines.append(f"      - image: {image}")
        lines += ["        environment:"] if variables else []
        lines += [f"          {name}: {flow(value)}" for name, value in variables.items()]
    return lines


def main_branch(evidence: Evidence) -> str:
    """Return the name of the main branch as git knows it, `main` if it does not."""
    if evidence.repository is None:
        return "main"
    git = evidence.repository / ".git"
    try:
        head = (git / "refs/remotes/origin/HEAD").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return "master" if (git / "refs/heads/master").is_file() else "main"
    match = re.fullmatch(r"ref: refs/remotes/origin/([A-Za-z0-9._/-]+)\n?", head)
    return match[1] if match else "main"
