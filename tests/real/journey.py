"""The whole way from a push to a URL, as a team has it: remote, developer, CircleCI, GitHub.

The remote is a bare repository, CircleCI is its file's own commands in a checkout of their own, and
`reviewapps` is what `pip` installs from the wheel of this tree.
"""

import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from reviewapps import naming, settings
from reviewapps.clients import Clients
from reviewapps.clients import git as reading
from reviewapps.local.cluster import Cluster
from reviewapps.settings import Settings
from reviewapps.store.record import Record
from reviewapps.store.records import Records
from tests import repositories
from tests.circleci.run_job import SHELL, Result, load, run_job, steps
from tests.github.stand_in import StandIn
from tests.real.ci_machine import Machine
from tests.real.cloud import Account, token
from tests.repositories import git

ROOT = Path(__file__).parents[2]
FILE = ".circleci/config.yml"
# Where `REVIEWAPPS_SERVERS` is set this brings the router that the cloud has; here it is the local
# cluster's own, and tests/real/test_machines.py runs the cloud's.
NOT_HERE = ("Update the platform",)
CLONES = {"full": (), "blobless": ("--filter=blob:none",), "shallow": ("--depth=1",)}


def build_wheel(folder: Path) -> Path:
    """Return the wheel of this tree, as a package registry would have it."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run([*pip, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def install(folder: Path, wheel: Path) -> Path:
    """Install the wheel as the file does, once for all jobs; return the home that has it."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "reviewapps")], check=True)
    pip = [str(folder / "reviewapps/bin/pip"), "install", "--quiet", str(wheel)]
    subprocess.run(pip, check=True, env=offline(folder), capture_output=True)
    return folder


def offline(home: Path) -> dict[str, str]:
    """Return an environment in which pip finds what the wheel needs among our own packages."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": site.getsitepackages()[0],
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **repositories.PLAIN,
    }


@dataclass
class Running:
    """A command that is still at work, with all that it started."""

    process: subprocess.Popen[str]
    say: Callable[[str], None]

    def cancel(self, number: int) -> None:
        """Send a signal to the whole group, as CircleCI does."""
        os.killpg(self.process.pid, number)

    def done(self) -> tuple[int, str]:
        """Wait for its end; return exit code and output."""
        output, _ = self.process.communicate(timeout=300)
        for line in output.splitlines():
            self.say(f"    {line}")
        return self.process.returncode, output


@dataclass
class Team:
    """A team with one repository, and what happens to it."""

    folder: Path
    cluster: Cluster
    home: Path
    github: StandIn | None = None
    account: Account | None = None
    machine: Machine | None = None
    say: Callable[[str], None] = print
    builds: int = 0
    checkouts: list[Path] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The settings of the cluster."""
        return settings.load({"REVIEWAPPS_SETTINGS": str(self.cluster.settings_file)})

    @property
    def remote(self) -> Path:
        """The bare repository that stands for GitHub's."""
        return self.folder / "github" / "acme" / "shop.git"

    @property
    def work(self) -> Path:
        """The developer's clone."""
        return self.folder / "developer" / "shop"

    def begin(
        self, files: Path, *, without: tuple[str, ...] = (), more: Mapping[str, str] | None = None
    ) -> None:
        """Put an application into a repository on `main`, with `more` files, and push it."""
        self.remote.parent.mkdir(parents=True)
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git(self.remote, "config", "uploadpack.allowFilter", "true")
        git(self.remote, "config", "uploadpack.allowAnySHA1InWant", "true")
        shutil.copytree(files, self.work, ignore=shutil.ignore_patterns(*without))
        git(self.work, "init", "--quiet", "--initial-branch=main")
        git(self.work, "remote", "add", "origin", str(self.remote))
        self.push("main", more or {})

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        """Commit files on a branch, which may be new, and push it; return the commit."""
        if git(self.work, "branch", "--show-current") != branch:
            known = branch in reading.branches(self.work)
            git(self.work, "checkout", "--quiet", *([] if known else ["-b"]), branch)
        commit = repositories.commit(self.work, files)
        git(self.work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        self.say(f"\n# git push origin {branch}   ({commit[:12]})")
        return commit

    def delete(self, branch: str) -> None:
        """Delete a branch at the remote, as its pull request's merge does."""
        git(self.work, "push", "--quiet", "origin", "--delete", f"refs/heads/{branch}")
        if self.github:
            self.github.close(branch)
        self.say(f"\n# the branch {branch} is deleted")

    def checkout(self, branch: str, commit: str = "", *, how: str = "full") -> Path:
        """Return a fresh checkout as CircleCI's: a clone, and a branch made at the commit."""
        self.builds += 1
        folder = self.folder / f"build-{self.builds}" / "project"
        folder.parent.mkdir()
        ours = [*CLONES[how], *(["--branch", branch] if how == "shallow" else [])]
        url = f"file://{self.remote}"
        git(self.folder, "clone", "--quiet", "--no-checkout", *ours, url, str(folder))
        git(folder, "checkout", "--force", "-B", branch, commit or f"refs/remotes/origin/{branch}")
        return folder

    def detach(self, folder: Path, branch: str, commit: str) -> None:
        """Check out a commit and no branch, as other CI systems do."""
        git(folder, "checkout", "--quiet", "--detach", commit)
        git(folder, "update-ref", "-d", f"refs/heads/{branch}")

    def environment(self, branch: str, **more: str) -> dict[str, str]:
        """Return what CircleCI and the team's settings put into a job's environment."""
        known = offline(self.home) | {
            "REVIEWAPPS_SETTINGS": str(self.cluster.settings_file),
            "REVIEWAPPS_PACKAGE": str(next(self.home.glob("*.whl"))),
            "CIRCLE_BRANCH": branch,
            "CIRCLE_BUILD_NUM": str(self.builds),
            "CIRCLE_BUILD_URL": f"https://circleci.com/gh/acme/shop/{self.builds}",
            "CIRCLE_OIDC_TOKEN_V2": token(branch),
        }
        if self.account:  # all else stands in the repository, as docs/aws.md has it
            del known["REVIEWAPPS_SETTINGS"], known["REVIEWAPPS_PACKAGE"]
            known |= {"AWS_ENDPOINT_URL": self.account.url, "AWS_EC2_METADATA_DISABLED": "true"}
        if self.github:
            known |= {
                "GITHUB_TOKEN": self.github.token,
                "GITHUB_REPOSITORY": self.github.repository,
                "GITHUB_API_URL": self.github.url,
            }
        return known | more

    def job(self, name: str, branch: str, *, commit: str = "", how: str = "full") -> list[Result]:
        """Run a job of the branch's own CircleCI file, all its commands, as CircleCI would."""
        folder = self.checkout(branch, commit, how=how)
        self.say(f"\n# CircleCI: job {name} of {branch}, build {self.builds}")
        machine = self.machine.within(folder) if self.machine and name != "build" else []
        results = run_job(
            folder / FILE,
            name,
            folder,
            self.environment(branch),
            within=machine,
            without=NOT_HERE if machine else (),
        )
        for result in results:
            self.say(f"  $ {result.name}: exit code {result.code}")
            for line in result.output.splitlines():
                self.say(f"    {line}")
        return results

    def start(self, name: str, branch: str, *, commit: str = "") -> Running:
        """Start the last command of a job, which can then be cancelled in the middle."""
        folder = self.checkout(branch, commit)
        step = steps(load(folder / FILE), name)[-1]
        self.say(f"\n# CircleCI: {step.name} of {branch}, build {self.builds}")
        environment = self.environment(branch)
        environment["PATH"] = f"{self.home / 'reviewapps/bin'}:{environment['PATH']}"
        process = subprocess.Popen(
            [*SHELL, "-c", step.command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Running(process, self.say)

    def reviewapps(
        self, *arguments: str, folder: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed `reviewapps` in a checkout, the developer's unless given."""
        program = self.home / "reviewapps/bin/reviewapps"
        environment = self.environment(more.pop("branch", "main"), **more)
        if self.account:
            environment |= self.account.operator(self.folder)
        self.say(f"\n$ reviewapps {' '.join(arguments)}")
        done = subprocess.run(
            [program, *arguments],
            cwd=folder or self.work,
            env=environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=600,
        )
        for line in (done.stdout + done.stderr).splitlines()[:60]:
            self.say(f"  {line}")
        return done

    def slug(self, branch: str, project: str = "shop") -> str:
        """Return the slug of a branch's app."""
        return naming.slug(project, branch)

    def record(self, branch: str) -> Record | None:
        """Return the record of a branch's app."""
        return Records(Clients(self.settings).consul).find(self.slug(branch))

    def open(self, url: str, path: str = "/") -> httpx.Response:
        """Ask the router for a URL: its host is looked up here and not in DNS."""
        host = httpx.URL(url).host
        router = f"http://{self.cluster.loopback}:{self.settings.url_port}{path}"
        return httpx.get(router, headers={"Host": host}, timeout=30)

    def doctor(self) -> dict[str, Any]:
        """Return what `reviewapps doctor --json` says."""
        found: dict[str, Any] = json.loads(self.reviewapps("doctor", "--json").stdout)
        return found
