"""Runs terraform on a copy of our files, with the provider from where this machine keeps it."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reviewapps import packages

MIRROR_PATTERN = "registry.terraform.io/hashicorp/aws"
PLACES = ("/opt", "/usr/share", "/usr/local/share", str(Path.home() / ".terraform.d"))
VARIABLES = {
    "domain": '"previews.test"',
    "circleci_organization_id": '"11111111-1111-1111-1111-111111111111"',
    "projects": '{ shop = { repository = "acme/shop",'
    ' circleci_project_id = "22222222-2222-2222-2222-222222222222" } }',
}


def mirror() -> Path | None:
    """Return the folder that holds the provider: TF_PLUGIN_MIRROR, else where one is found."""
    named = os.environ.get("TF_PLUGIN_MIRROR")
    if named:
        return Path(named)
    for place in PLACES:
        for found in Path(place).glob(f"**/{MIRROR_PATTERN}"):
            return found.parents[2]
    return None


@dataclass
class Stack:
    """A copy of `terraform/` in a folder of its own, initialised."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run terraform there."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments],
            env=os.environ | {"TF_CLI_CONFIG_FILE": os.devnull} | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def change(self, file: str, old: str, new: str) -> None:
        """Change one place of one file of the copy."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))


def copy_of_stack(folder: Path) -> Stack:
    """Return a fresh copy; skip, and say why, where terraform or the provider is missing."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on PATH: the Terraform files are not tested here")
    plugins = mirror()
    if plugins is None:
        pytest.skip(
            "no mirror of hashicorp/aws: set TF_PLUGIN_MIRROR to `terraform providers mirror`'s"
        )
    shutil.copytree(
        packages.folder("terraform"),
        folder,
        ignore=shutil.ignore_patterns(".terraform*", "*tfstate*"),
    )
    stack = Stack(folder)
    stack.run("init", f"-plugin-dir={plugins}")
    return stack
