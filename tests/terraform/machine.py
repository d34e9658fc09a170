"""A fresh Debian machine with systemd, as cloud-init leaves it: in a container, else real."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reviewapps import packages
from reviewapps.local import binaries

IMAGE = "reviewapps-test/machine:1"
DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends systemd systemd-sysv dbus ca-certificates python3-boto3 docker.io \
      amazon-ecr-credential-helper iptables iproute2 procps \
 && rm -rf /var/lib/apt/lists/*
CMD ["/lib/systemd/systemd"]
"""
LIBRARY = "/usr/local/lib/reviewapps"

# All that a machine has but CAP_SYS_RESOURCE, which a container host may lack itself.
RIGHTS = [
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--volume=/var/lib/docker",
]


def docker(*arguments: str, text: str | None = None) -> str:
    """Run docker; return its output."""
    done = subprocess.run(
        ["docker", *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def build_image() -> None:
    """Build the image of a fresh machine, unless it is there."""
    docker("build", "--quiet", "--network=host", f"--tag={IMAGE}", "-", text=DOCKERFILE)


@dataclass(frozen=True)
class Machine:
    """One machine: its container's name and its address."""

    name: str
    address: str

    @classmethod
    def start(cls, name: str, network: str, address: str, settings: dict[str, str]) -> "Machine":
        """Start a machine and put in place what cloud-init would have written."""
        agents = [
            f"--volume={binaries.ensure(agent)}:/usr/local/bin/{agent}:ro"
            for agent in ("nomad", "consul")
        ]
        place = [f"--name={name}", f"--hostname={name}", f"--network={network}", f"--ip={address}"]
        docker("run", "--detach", *place, *RIGHTS, *agents, IMAGE)
        machine = cls(name, address)
        machine.sh(f"mkdir -p {LIBRARY} /etc/reviewapps")
        folder = packages.folder("terraform") / "machines"
        for part in ("common", settings["ROLE"]):
            docker("cp", f"{folder / part}/.", f"{name}:{LIBRARY}")
        lines = "".join(f"{key}='{value}'\n" for key, value in settings.items())
        machine.write("/etc/reviewapps/machine.env", lines)
        return machine

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        docker("exec", "--interactive", self.name, "tee", path, text=text)

    def sh(self, command: str) -> str:
        """Run a command there; it has to succeed."""
        return docker("exec", self.name, "bash", "-euo", "pipefail", "-c", command)

    def code(self, command: str) -> int:
        """Run a command there; return its exit code."""
        line = ["docker", "exec", self.name, "bash", "-c", command]
        return subprocess.run(line, capture_output=True, check=False).returncode

    def boot(self) -> str:
        """Run what cloud-init runs at the first boot."""
        return self.sh(f"bash {LIBRARY}/machine.sh")

    def api(self, url: str, token: str = "", method: str = "GET", body: Any = None) -> Any:
        """Ask an agent on that machine's loopback; return JSON, or the status when refused."""
        script = (
            "import json,sys,urllib.request,urllib.error\n"
            "url,token,method,body=json.load(sys.stdin)\n"
            "headers={'X-Nomad-Token':token,'X-Consul-Token':token} if token else {}\n"
            "data=None if body is None else json.dumps(body).encode()\n"
            "request=urllib.request.Request(url,data,headers,method=method)\n"
            "try:\n"
            "    print(urllib.request.urlopen(request,timeout=20).read().decode() or 'null')\n"
            "except urllib.error.HTTPError as error:\n"
            "    print(error.code)\n"
        )
        asked = json.dumps([url, token, method, body])
        told = docker("exec", "-i", self.name, "python3", "-c", script, text=asked)
        return json.loads(told)

    def nomad(self, path: str, token: str = "", method: str = "GET", body: Any = None) -> Any:
        """Ask Nomad there."""
        return self.api(f"http://127.0.0.1:4646/v1{path}", token, method, body)

    def consul(self, path: str, token: str = "", method: str = "GET", body: Any = None) -> Any:
        """Ask Consul there."""
        return self.api(f"http://127.0.0.1:8500/v1{path}", token, method, body)

    def load_image(self, image: str, scratch: Path) -> None:
        """Copy one of this machine's images into that machine's own Docker."""
        archive = scratch / "image.tar"
        docker("save", f"--output={archive}", image)
        docker("cp", str(archive), f"{self.name}:/root/image.tar")
        self.sh("docker load --quiet --input /root/image.tar && rm /root/image.tar")
