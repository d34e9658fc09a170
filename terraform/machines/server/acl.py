"""Gives the cluster its access rules: policies and tokens, each as small as can be.

Runs on the first server after its agents; run again, it changes nothing that is right.
"""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import aws

CONSUL = "http://127.0.0.1:8500/v1"
NOMAD = "http://127.0.0.1:4646/v1"
LIBRARY = Path(__file__).parent
WAIT_SECONDS = 600
CONSUL_TOKENS = ("agent", "router", "deploy")


def main():
    """Make rules and tokens, and lay the tokens where their users look for them."""
    keys = aws.secret("servers")
    consul = Api(CONSUL, "X-Consul-Token", keys["consul_management"])
    nomad = Api(NOMAD, "X-Nomad-Token", keys["nomad_management"])
    consul.wait_for_leader()
    for name in CONSUL_TOKENS:
        consul_policy(consul, name)
        consul_token(consul, name, keys[f"consul_{name}"])
    nomad.wait_for_leader()
    bootstrap(nomad, keys["nomad_management"])
    rules = (LIBRARY / "nomad-deploy.hcl").read_text()
    nomad.call("POST", "/acl/policy/deploy", {"Name": "deploy", "Rules": rules})
    deploy = {"consul_token": keys["consul_deploy"], "nomad_token": deploy_token(nomad)}
    if aws.secret("deploy") != deploy:
        aws.put_secret("deploy", deploy)
    variable(nomad, "router", {"consul_token": keys["consul_router"]})
    variable(nomad, "controller", deploy)
    print("reviewapps: access rules are in place", flush=True)


class Api:
    """JSON over HTTP to an agent on this machine."""

    def __init__(self, base, header, token):
        self.base, self.header, self.token = base, header, token

    def call(self, method, path, body=None, token=None):
        """Return the answer; raise urllib's HTTPError when it is refused."""
        request = urllib.request.Request(  # noqa: S310 - always an agent on this machine
            self.base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={self.header: token or self.token, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            text = answer.read()
            return json.loads(text) if text else None

    def knows(self, token):
        """Say whether a token is in use already."""
        try:
            self.call("GET", "/acl/token/self", token=token)
        except urllib.error.HTTPError as error:
            if error.code not in (403, 404):
                raise
            return False
        return True

    def wait_for_leader(self):
        """Return when the servers have found each other."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                if self.call("GET", "/status/leader"):
                    return
                problem = "no leader"
            except OSError as error:  # an HTTPError is one, too
                problem = error
            if time.monotonic() >= deadline:
                raise SystemExit(f"reviewapps: {self.base}: {problem}")
            print(f"reviewapps: waiting for {self.base}: {problem}", flush=True)
            time.sleep(2)


def consul_policy(consul, name):
    """Make a policy say what its file says."""
    body = {"Name": name, "Rules": (LIBRARY / f"consul-{name}.hcl").read_text()}
    known = {policy["Name"]: policy["ID"] for policy in consul.call("GET", "/acl/policies")}
    if name in known:
        consul.call("PUT", f"/acl/policy/{known[name]}", body)
    else:
        consul.call("PUT", "/acl/policy", body)


def consul_token(consul, name, value):
    """Make the token that was chosen when the cluster's keys were made."""
    if not consul.knows(value):
        body = {"SecretID": value, "Description": name, "Policies": [{"Name": name}]}
        consul.call("PUT", "/acl/token", body)


def bootstrap(nomad, management):
    """Make the first token of Nomad, with the value chosen for it."""
    if not nomad.knows(management):
        nomad.call("POST", "/acl/bootstrap", {"BootstrapSecret": management})


def deploy_token(nomad):
    """Return CI's token for Nomad, which Nomad itself chooses; the one in use when there is one."""
    used = (aws.secret("deploy") or {}).get("nomad_token")
    if used and nomad.knows(used):
        return used
    made = nomad.call(
        "POST", "/acl/token", {"Name": "deploy", "Type": "client", "Policies": ["deploy"]}
    )
    return made["SecretID"]


def variable(nomad, job, items):
    """Lay secrets where only the tasks of `job` may read them, beside what else is there."""
    path = f"/var/nomad/jobs/{job}"
    try:
        found = nomad.call("GET", path)["Items"]
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        found = {}
    if found | items != found:
        body = {"Path": f"nomad/jobs/{job}", "Items": found | items}
        nomad.call("PUT", path, body)


if __name__ == "__main__":
    main()
