"""Runs the machine's own commands, and looks for those that the cluster needs before it starts."""

import os
import shutil
import subprocess

from reviewapps.errors import Failed, UserError

PACKAGES = {
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "docker": "docker.io",
}


def run(*command: str) -> str:
    """Run a command and return its output; a failure is an error with the command's last words."""
    done = attempt(*command)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or [f"code {done.returncode}"]
        raise Failed(f"`{' '.join(command)}` failed: {words[-1]}")
    return done.stdout


def attempt(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def require_machine() -> None:
    """Raise UserError when this user or machine can't run a cluster."""
    if os.geteuid():
        raise UserError(
            "the local cluster makes network devices and needs root",
            hint="sudo reviewapps local up",
        )
    missing = sorted({package for name, package in PACKAGES.items() if not shutil.which(name)})
    if missing:
        raise UserError(
            f"this machine lacks {', '.join(missing)}",
            hint=f"apt-get install {' '.join(missing)}",
        )


def require_docker() -> None:
    """Raise UserError when no Docker daemon answers."""
    if attempt("docker", "info").returncode:
        raise UserError(
            "no Docker daemon answers on this machine",
            hint="systemctl start docker, or `make demo` in a checkout, which starts one",
        )
