"""Writes the files of Consul and Nomad: the ones that came along, and what differs or is secret.

Prints the names of the agents for which something changed.
"""

import json
import os
import pwd
from pathlib import Path

import aws

LIBRARY = Path(__file__).parent
ETC = Path("/etc")
WAIT_SECONDS = 900
TLS = ("ca.pem", "cert.pem", "key.pem")


def main():
    """Write everything; the agents that are named are restarted by who called."""
    role = os.environ["ROLE"]
    keys = aws.secret("servers" if role == "server" else "node", WAIT_SECONDS)
    for agent, owner in (("consul", "consul"), ("nomad", "root")):
        settings = globals()[f"{agent}_settings"](role, keys)
        files = {f"tls/{part}": keys[f"{agent}_{part}"] for part in TLS}
        files[f"{agent}.hcl"] = (LIBRARY / f"{agent}.hcl").read_text()
        files["machine.json"] = json.dumps(settings, indent=2) + "\n"
        folder = ETC / f"{agent}.d"
        changes = [write(folder / name, text, owner) for name, text in files.items()]
        if any(changes):
            print(agent)


def consul_settings(role, keys):
    """Return what Consul's agent needs on this machine only."""
    servers = os.environ["SERVERS"].split()
    settings = {
        "retry_join": servers,
        "encrypt": keys["consul_gossip"],
        "acl": {"tokens": {"agent": keys["consul_agent"]}},
    }
    if role == "server":
        settings["bootstrap_expect"] = len(servers)
        settings["leave_on_terminate"] = says_goodbye(servers)
        settings["acl"]["tokens"]["initial_management"] = keys["consul_management"]
    return settings


def nomad_settings(role, keys):
    """Return what Nomad's agent needs on this machine only."""
    servers = os.environ["SERVERS"].split()
    if role == "node":
        return {"client": {"server_join": {"retry_join": servers}}}
    return {
        "leave_on_terminate": says_goodbye(servers),
        "server": {
            "bootstrap_expect": len(servers),
            "encrypt": keys["nomad_gossip"],
            "server_join": {"retry_join": servers},
        },
    }


def says_goodbye(servers):
    """Say whether a server that stops leaves the others, so that two of three are a majority.

    One that is alone must not: the clients would forget the only address they know.
    """
    return len(servers) > 1


def write(path, text, owner):
    """Write a file that only its owner can read, whole or not at all; say whether it changed."""
    if path.exists() and path.read_text() == text:
        return False
    user = pwd.getpwnam(owner)
    for folder in (path.parent.parent, path.parent):
        if folder != ETC:
            folder.mkdir(mode=0o750, exist_ok=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.chown(new, user.pw_uid, user.pw_gid)
    new.replace(path)
    return True


if __name__ == "__main__":
    main()
