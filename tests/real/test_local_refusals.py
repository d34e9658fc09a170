"""What a local node refuses to run: only unprivileged Docker, without the host's files."""

import time

import pytest

from reviewapps.clients.nomad import Json, Nomad
from reviewapps.settings import Settings

pytestmark = pytest.mark.real
JOB = """
job "bold" {
  type = "batch"
  group "bold" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts = 0
    }
    task "bold" {
      driver = "DRIVER"
      config {
        CONFIG
      }
      resources {
        memory = 32
      }
    }
  }
}
"""
DOCKER = 'image = "reviewapps/redis:7"\nentrypoint = ["true"]\n'


def job(nomad: Nomad, driver: str, config: str) -> Json:
    return nomad.parse(JOB.replace("DRIVER", driver).replace("CONFIG", config))


@pytest.mark.parametrize("driver", ["raw_exec", "exec", "java", "qemu"])
def test_no_other_driver_is_there(cluster: Settings, driver: str) -> None:
    nomad = Nomad(cluster.nomad)
    planned = nomad.plan(job(nomad, driver, 'command = "/bin/true"'))
    failed = planned["FailedTGAllocs"]["bold"]
    assert failed["ConstraintFiltered"] == {"missing drivers": 1}


@pytest.mark.parametrize(
    ("config", "refusal"),
    [
        ("privileged = true", "privileged mode is disabled"),
        ('volumes = ["/etc:/host"]', "volumes are not enabled"),
        ('cap_add = ["sys_admin"]', "capabilities"),
    ],
)
def test_a_container_gets_nothing_of_the_host(cluster: Settings, config: str, refusal: str) -> None:
    nomad = Nomad(cluster.nomad)
    try:
        nomad.register(job(nomad, "docker", DOCKER + config), 0)
        assert refusal in outcome(nomad)
    finally:
        nomad.stop("bold", purge=True)


def test_the_same_container_without_wishes_runs(cluster: Settings) -> None:
    """So that the refusals above are of the wish and not of the job."""
    nomad = Nomad(cluster.nomad)
    try:
        nomad.register(job(nomad, "docker", DOCKER), 0)
        assert "Exit Code: 0" in outcome(nomad)
    finally:
        nomad.stop("bold", purge=True)


def outcome(nomad: Nomad) -> str:
    """Return what Nomad tells of the job's newest allocation when that has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, found = nomad.allocations("bold")
        if found and found[0]["ClientStatus"] in ("failed", "complete"):
            events = found[0]["TaskStates"]["bold"]["Events"]
            return "\n".join(event["DisplayMessage"] for event in events)
        time.sleep(0.1)
    raise AssertionError("the job did not end")
