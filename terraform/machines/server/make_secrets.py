"""Makes every key, certificate and first token of the cluster, once, on the first server.

They are made here and not by Terraform, so that its state holds none of them. The one secret
`servers` holds all and is written in one step: whatever fails before leaves nothing, and what
follows from it can be written again.
"""

import base64
import secrets
import subprocess
import tempfile
import uuid
from pathlib import Path

import aws

DAYS = "3650"
NODE_KEYS = ("consul_gossip", "consul_agent")

# What `consul tls` and `nomad tls` call their files.
FILES = {
    "consul": {
        "ca.pem": "consul-agent-ca.pem",
        "ca_key.pem": "consul-agent-ca-key.pem",
        "cert.pem": "dc1-server-consul-0.pem",
        "key.pem": "dc1-server-consul-0-key.pem",
        "client_cert.pem": "dc1-client-consul-0.pem",
        "client_key.pem": "dc1-client-consul-0-key.pem",
    },
    "nomad": {
        "ca.pem": "nomad-agent-ca.pem",
        "ca_key.pem": "nomad-agent-ca-key.pem",
        "cert.pem": "global-server-nomad.pem",
        "key.pem": "global-server-nomad-key.pem",
        "client_cert.pem": "global-client-nomad.pem",
        "client_key.pem": "global-client-nomad-key.pem",
    },
}


def main():
    """Fill the secrets that are empty."""
    keys = aws.secret("servers")
    if keys is None:
        keys = new_tokens() | new_certificates()
        aws.put_secret("servers", keys)
        print("reviewapps: made the cluster's keys", flush=True)
    for_nodes = {key: keys[key] for key in NODE_KEYS}
    for agent in ("consul", "nomad"):
        for part in ("cert.pem", "key.pem"):
            for_nodes[f"{agent}_{part}"] = keys[f"{agent}_client_{part}"]
        for_nodes[f"{agent}_ca.pem"] = keys[f"{agent}_ca.pem"]
    if aws.secret("node") != for_nodes:
        aws.put_secret("node", for_nodes)


def new_tokens():
    """Return gossip keys, and tokens whose value we choose before Consul and Nomad know them."""
    made = {f"{agent}_gossip": gossip_key() for agent in ("consul", "nomad")}
    for token in (
        "consul_management",
        "consul_agent",
        "consul_router",
        "consul_deploy",
        "nomad_management",
    ):
        made[token] = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
    return made


def gossip_key():
    """Return 32 random bytes, as the agents want them."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def new_certificates():
    """Return an authority for each of Consul and Nomad with a server's and a client's certificate.

    The authority's key stays in the servers' secret, to sign anew before the certificates end.
    """
    made = {}
    with tempfile.TemporaryDirectory() as folder:  # it is readable by its owner only
        for agent, place in (("consul", ["-dc", "dc1"]), ("nomad", ["-region", "global"])):
            run(folder, agent, "ca", "create", "-days", DAYS)
            for kind in ("server", "client"):
                run(folder, agent, "cert", "create", f"-{kind}", *place, "-days", DAYS)
            for part, name in FILES[agent].items():
                made[f"{agent}_{part}"] = Path(folder, name).read_text()
    return made


def run(folder, agent, *arguments):
    """Run the agent's own maker of certificates, which knows the names that the agent checks."""
    subprocess.run([agent, "tls", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
