"""Where an app's passwords are, and that no app reaches what is another's."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps.store import keys
from tests.real.apps import Place, docker

pytestmark = pytest.mark.real
CONTROL_PORTS = {"Nomad": 4646, "Nomad's RPC": 4647, "Consul": 8500, "Consul's RPC": 8300}


class CommandLines:
    """Remembers the command lines of all processes while the block runs."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self) -> "CommandLines":
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.thread.join()

    def look(self) -> None:
        """Read /proc again and again."""
        while not self.over.wait(0.05):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(entry.read_bytes().decode(errors="replace"))
                except OSError:
                    continue


def test_passwords_are_nowhere_but_in_nomads_variables_and_the_app(place: Place) -> None:
    """Not in a job, an event, a key, a command line, a log, or in what the commands print."""
    with CommandLines() as lines:
        done = place.deploy()
        status = place.run("status", "--json", "--", place.branch)
        listed = place.run("list", "--json")
    assert done.code == 0, done.said
    secrets = [place.password("database"), place.password("redis")]
    assert all(len(each) >= 32 for each in secrets)
    assert place.get("/env/DATABASE_URL").count(secrets[0]) == 1, "the app has its password"

    nomad = place.clients.nomad
    places = {"a command line": "\n".join(lines.seen)}
    places["what the commands print"] = done.said + status.said + listed.said
    places["Consul"] = "\n".join(each.value for each in place.clients.consul.list(keys.ROOT)[1])
    for step in ("redis", "migrate", "seed", "unicorn", "resque"):
        job_id = f"{place.slug}--{step}"
        found = [nomad.job(job_id), nomad.evaluations(job_id), nomad.deployment(job_id)]
        places[f"Nomad's job {step}"] = json.dumps(found)
        allocations = place.allocations(step)
        whole = [nomad.allocation(each["ID"]) for each in allocations]
        places[f"Nomad's allocations of {step}"] = json.dumps(whole)
        for kind in ("stdout", "stderr"):
            places[f"the {kind} of {step}"] = nomad.logs(allocations[0]["ID"], step, kind)
    folder = place.cluster.folder
    for log in (*folder.glob("server/*.log"), *folder.glob("nodes/*/*.log")):
        places[str(log)] = log.read_text(errors="replace")
    told = [where for where, text in places.items() if any(each in text for each in secrets)]
    assert told == []


def test_docker_knows_an_apps_environment_and_no_label_or_argument_has_it(place: Place) -> None:
    """A container's environment can be read by whoever may ask the node's Docker, as always."""
    assert place.deploy().code == 0
    secret = place.password("database")
    found = place.inspect("unicorn")
    assert any(secret in each for each in found["Config"]["Env"])
    found["Config"].pop("Env")
    assert secret not in json.dumps(found)
    assert place.password("redis") not in json.dumps(place.inspect("redis"))


@pytest.fixture
def inside(place: Place) -> Iterator[str]:
    """The container of a running app's web process."""
    done = place.deploy()
    assert done.code == 0, done.said
    yield str(place.inspect("unicorn")["Id"])


def run_in(container: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script inside a container, as the app's own user."""
    command = ["docker", "exec", container, "sh", "-c", script]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_an_app_reaches_no_control_port_and_no_other_apps_things(place: Place, inside: str) -> None:
    """It is unprivileged, has no token, and sees nothing of the node."""
    address = place.cluster.address
    knock = (
        "perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("
        "PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Timeout => 2)' {} {}"
    )
    assert run_in(inside, knock.format(address, 5432)).returncode == 0, "its database is near"
    for what, port in CONTROL_PORTS.items():
        knocked = run_in(inside, knock.format(address, port))
        assert knocked.returncode != 0, f"{what} answers a container at {address}:{port}"

    ask = (
        'perl -MIO::Socket::UNIX -e \'$s = IO::Socket::UNIX->new(Peer => "/secrets/api.sock")'
        ' or exit 1; print $s "GET /v1/vars HTTP/1.0\\r\\n\\r\\n"; print <$s>\''
    )
    said = run_in(inside, ask).stdout
    assert said == "" or " 401 " in said.splitlines()[0], "Nomad answers a task without a token"
    environment = run_in(inside, "env").stdout
    assert "NOMAD_TOKEN" not in environment
    assert "CONSUL_HTTP_TOKEN" not in environment
    found = json.loads(docker("inspect", inside))[0]
    assert found["HostConfig"]["Privileged"] is False
    assert found["HostConfig"]["NetworkMode"] not in ("host", "none")
    assert "no-new-privileges:true" in found["HostConfig"]["SecurityOpt"]
    mounts = {each["Destination"] for each in found["Mounts"] if each["Type"] == "bind"}
    assert mounts <= {"/alloc", "/local", "/secrets"}, mounts
    assert "docker.sock" not in json.dumps(found["Mounts"])


def test_redis_answers_nobody_without_its_own_password(place: Place, inside: str) -> None:
    url = re.search(r"REDIS_URL=redis://default:(\w+)@([\d.]+):(\d+)", run_in(inside, "env").stdout)
    assert url
    password, host, port = url.groups()
    ask = (
        "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(PeerAddr => $ARGV[0], "
        'PeerPort => $ARGV[1], Timeout => 5) or die; print $s "$ARGV[2]PING\\r\\nQUIT\\r\\n"; '
        f"print <$s>' {host} {port} "
    )
    assert run_in(inside, f"{ask} ''").stdout.startswith("-NOAUTH")
    for guess in ("AUTH wrong", "AUTH default wrong"):
        refused = run_in(inside, f"{ask} \"$(printf '{guess}\\r\\n.')\"").stdout
        assert refused.startswith("-WRONGPASS")
        assert "PONG" not in refused
    assert password == place.password("redis")


def test_an_app_can_not_log_in_to_another_apps_database(
    place: Place, inside: str, tmp_path: Path
) -> None:
    other = Place(tmp_path / "other", place.cluster, branch="deploy-other")
    other.write_whole(project="other", unicorn={**other.project["unicorn"]})
    other.commit("1")
    try:
        assert other.deploy().code == 0
        theirs = f"{other.slug}--db"
        entered = run_in(inside, f'psql "${{DATABASE_URL%/*}}/{theirs}" -c "SELECT * FROM runs"')
        assert entered.returncode != 0
        assert "permission denied for database" in entered.stderr, entered.stderr
        listed = run_in(inside, 'psql "$DATABASE_URL" -Atc "SELECT datname FROM pg_database"')
        assert listed.returncode == 0, listed.stderr
        for lobby in ("postgres", "template1"):
            entered = run_in(inside, f'psql "${{DATABASE_URL%/*}}/{lobby}" -c "SELECT 1"')
            assert "permission denied for database" in entered.stderr, (
                f"every app may enter the database {lobby}"
            )
    finally:
        other.destroy()
