"""The machine that a CircleCI job runs on: a network, /etc and programs of its own.

What it lacks of CircleCI's is the internet. So two things are stand-ins: `curl`, which hands out
the two files that the job downloads, and in one of them Session Manager's plugin, which joins the
ends of a connection instead of speaking AWS's protocol over the web. `sudo` is there too.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reviewapps.local.cluster import Cluster
from reviewapps.local.commands import attempt, run

HOST = 9  # of the cluster's network; nodes begin at 11
OWN = ("/etc", "/usr/local", "/var/lib/dpkg")
SUDO = '#!/bin/sh\nexec "$@"\n'
CURL = """\
#!/bin/sh
for word in "$@"; do
    case $last in --output) file=$word ;; esac
    last=$word
done
case $last in
https://s3.amazonaws.com/session-manager-downloads/*/session-manager-plugin.deb) from=plugin.deb ;;
https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem) from=bundle.pem ;;
*) echo "curl: (6) Could not resolve host: $last" >&2; exit 6 ;;
esac
exec cp "{downloads}/$from" "$file"
"""
CONTROL = """\
Package: session-manager-plugin
Version: 1.2.764.0
Architecture: all
Maintainer: reviewapps' tests
Description: joins the ends of a connection, where the real one speaks to AWS
"""
SETUP = """\
mount -t tmpfs none "$0"
for place in "$@"; do
    mkdir -p "$0$place/upper" "$0$place/work"
    mount -t overlay overlay -o "lowerdir=$place,upperdir=$0$place/upper,workdir=$0$place/work" \\
        "$place"
done
cp "$DOWNLOADS/sudo" "$DOWNLOADS/curl" /usr/local/bin/
echo ready
exec sleep infinity
"""


@dataclass(frozen=True)
class Machine:
    """A machine that is up; `pid` is a process on it."""

    pid: int
    address: str

    def within(self, folder: Path) -> list[str]:
        """Return what begins a command that runs in `folder` on this machine."""
        enter = ["nsenter", f"--target={self.pid}", "--net", "--mount"]
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(folder)]


@contextmanager
def machine(cluster: Cluster, folder: Path, database_port: int) -> Iterator[Machine]:
    """Start a machine beside a cluster; what it changes of its files is forgotten with it.

    It reaches the database only through the tunnel, as in AWS, where the job's own `/etc/hosts`
    leads there; here the settings have an address, so a rule does.
    """
    name = f"{cluster.bridge}-ci"
    address = cluster.address.rpartition(".")[0] + f".{HOST}"
    downloads = make_downloads(folder)
    attempt("ip", "netns", "delete", name)  # of a run that was killed
    attempt("ip", "link", "delete", name)
    run("ip", "netns", "add", name)
    try:
        inside = ["nsenter", f"--net=/run/netns/{name}"]
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", name, "master", cluster.bridge, "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "address", "add", f"{address}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        to_database = ["-d", cluster.address, "-p", "tcp", "--dport", str(database_port)]
        chain = [*inside, "iptables", "-t", "nat", "-A", "OUTPUT", *to_database]
        run(*chain, "-j", "REDIRECT", "--to-ports", str(database_port))
        scratch = folder / "scratch"
        scratch.mkdir()
        with subprocess.Popen(
            [*inside, "unshare", "--mount", "sh", "-ec", SETUP, str(scratch), *OWN],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DOWNLOADS": str(downloads)},
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout
            try:
                assert holder.stdout.readline() == "ready\n"
                yield Machine(holder.pid, address)
            finally:
                holder.kill()
    finally:
        attempt("ip", "netns", "delete", name)
        attempt("ip", "link", "delete", name)


def make_downloads(folder: Path) -> Path:
    """Make what the internet would give: the plugin's package, and a bundle of certificates."""
    package = folder / "package"
    plugin = package / "usr/local/sessionmanagerplugin/bin/session-manager-plugin"
    link = package / "usr/local/bin/session-manager-plugin"
    for file in (plugin, link, package / "DEBIAN/control"):
        file.parent.mkdir(parents=True)
    plugin.write_text((Path(__file__).parent / "session_manager_plugin.py").read_text())
    plugin.chmod(0o755)
    link.symlink_to(f"/{plugin.relative_to(package)}")
    (package / "DEBIAN/control").write_text(CONTROL)
    downloads = folder / "downloads"
    downloads.mkdir()
    run("dpkg-deb", "--build", "--root-owner-group", str(package), str(downloads / "plugin.deb"))
    (downloads / "bundle.pem").write_text("the local PostgreSQL speaks no TLS\n")
    for name, text in (("sudo", SUDO), ("curl", CURL.replace("{downloads}", str(downloads)))):
        (downloads / name).write_text(text)
        (downloads / name).chmod(0o755)
    return downloads
