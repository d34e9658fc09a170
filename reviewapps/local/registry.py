"""The image registry that every node pulls from, where a team's cloud has ECR.

Debian's docker-registry, with a certificate of its own that Docker is told to trust for this one
address: /etc/docker/certs.d is read at each pull, so no Docker needs a restart.
"""

import json
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from reviewapps.local import debian, leftovers, ports
from reviewapps.local.cluster import Cluster, replace
from reviewapps.local.processes import Process

PORT = 5443
READY_SECONDS = 30
TRUSTED = Path("/etc/docker/certs.d")
DAYS = 3650


def state(cluster: Cluster) -> str:
    """Say what is missing, "" when nothing is."""
    if not process(cluster).pid():
        return "it does not run"
    if not trusted_file(cluster).exists():
        return "Docker does not trust its certificate"
    return "" if answers(cluster) else "it runs but does not answer"


def start(cluster: Cluster) -> None:
    """Make the certificate, start the registry and let Docker trust it."""
    if not ca_file(cluster).exists():
        make_certificate(cluster)
    server = process(cluster)
    if not server.pid():
        debian.install("docker-registry", say=print)
        ports.require_free(cluster.address, [PORT], "the registry")
        file = folder(cluster) / "config.json"  # which is YAML too
        replace(file, json.dumps(config(cluster)))
        server.start(["docker-registry", "serve", str(file)])
    replace(trusted_file(cluster), ca_file(cluster).read_text())
    server.wait(lambda: answers(cluster), READY_SECONDS)


def stop(cluster: Cluster) -> None:
    """Stop the registry; Docker forgets its certificate."""
    process(cluster).stop()
    leftovers.remove_folder(trusted_file(cluster).parent)


def process(cluster: Cluster) -> Process:
    """Return the registry's process."""
    return Process("registry", cluster.server_folder)


def host(cluster: Cluster) -> str:
    """Return the registry as it stands before an image's name."""
    return f"{cluster.address}:{PORT}"


def folder(cluster: Cluster) -> Path:
    """Return where the images are kept."""
    return cluster.folder / "registry"


def ca_file(cluster: Cluster) -> Path:
    """Return the certificate that says who the registry is."""
    return folder(cluster) / "ca.crt"


def trusted_file(cluster: Cluster) -> Path:
    """Return where Docker looks for it."""
    return TRUSTED / host(cluster) / "ca.crt"


def settings(cluster: Cluster) -> dict[str, str]:
    """Return what the cluster's settings say of the registry."""
    return {"registry": host(cluster), "registry_ca_file": str(ca_file(cluster))}


def config(cluster: Cluster) -> dict[str, Any]:
    """Return the registry's configuration."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder(cluster) / "data")},
            "delete": {"enabled": True},
        },
        "http": {
            "addr": host(cluster),
            "tls": {"certificate": str(ca_file(cluster)), "key": str(key_file(cluster))},
        },
    }


def key_file(cluster: Cluster) -> Path:
    """Return the certificate's key."""
    return folder(cluster) / "key.pem"


def make_certificate(cluster: Cluster) -> None:
    """Write a certificate for the registry's address, and its key first."""
    from cryptography import x509  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"reviewapps {cluster.name}")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(cluster.address))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(pem, form, serialization.NoEncryption()).decode()
    replace(key_file(cluster), text, mode=0o600)
    replace(ca_file(cluster), certificate.public_bytes(pem).decode())


def answers(cluster: Cluster) -> bool:
    """Say whether the registry answers over TLS, as its certificate says."""
    trust = ssl.create_default_context(cafile=str(ca_file(cluster)))
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with urllib.request.build_opener(*handlers).open(f"https://{host(cluster)}/v2/", timeout=3):
            return True
    except OSError:
        return False
