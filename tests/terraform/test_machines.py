"""What a machine runs at its first boot: sound shell, nothing secret, closed agents."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reviewapps import packages

MACHINES = packages.folder("terraform") / "machines"
SCRIPTS = sorted(MACHINES.glob("*/*.sh"))
CONFIGURATIONS = sorted([*MACHINES.glob("*/consul.hcl"), *MACHINES.glob("*/nomad.hcl")])


def test_shell_is_sound() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on PATH: apt-get install shellcheck")
    assert len(SCRIPTS) == 2
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_nothing_is_fetched_and_run_unchecked() -> None:
    for file in MACHINES.rglob("*.*"):
        assert not re.search(r"\b(curl|wget)\b", file.read_text()), file


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_agents_are_closed(file: Path) -> None:
    """HTTP on loopback only, access rules on, calls between machines only with certificates."""
    text = file.read_text()
    assert re.search(r"acl \{\s*\n\s*enabled\s*= true", text)
    assert re.search(r"verify_server_hostname = true", text)
    if file.name == "consul.hcl":
        assert 'client_addr = "127.0.0.1"' in text
        assert re.search(r'default_policy\s*= "deny"', text)
        assert re.search(r"verify_incoming\s*= true", text)
        assert re.search(r"disable_remote_exec\s*= true", text)
    else:
        assert re.search(r'addresses \{\n  http = "127\.0\.0\.1"\n\}', text)
        assert re.search(r"tls \{\n  rpc\s*= true", text)


def test_a_node_takes_no_dangerous_container() -> None:
    text = (MACHINES / "node" / "nomad.hcl").read_text()
    assert re.search(r'"driver\.allowlist"\s+= "docker"', text)
    assert "allow_privileged = false" in text
    assert re.search(r"volumes \{\n      enabled = false", text)
