"""Watches for the notice that AWS takes this machine away, and moves the apps before it does.

A spot machine hears it two minutes ahead. Stopping Nomad's agent drains the node, with 90 s for it.
"""

import json
import os
import subprocess
import sys
import time

import aws

POLL_SECONDS = float(os.environ.get("POLL_SECONDS", "5"))


def notice():
    """Return why this machine must go: "" while it need not."""
    action = aws.metadata("spot/instance-action")
    if action:
        return f"spot: {json.loads(action)['action']} at {json.loads(action)['time']}"
    if aws.metadata("autoscaling/target-lifecycle-state") == "Terminated":
        return "the group terminates it"
    return ""


def leave_balancer():
    """Take this machine's router out of the balancer: new requests go elsewhere from now on."""
    aws.client("elbv2").deregister_targets(
        TargetGroupArn=os.environ["TARGET_GROUP"], Targets=[{"Id": aws.metadata("instance-id")}]
    )


def leave_nomad():
    """Stop Nomad's agent, which drains the node first; return when it has stopped."""
    subprocess.run(["systemctl", "stop", "nomad"], check=True)


def attempt(step):
    """Do one step; the next one counts even when this one fails, for time is short."""
    try:
        step()
    except Exception as error:  # whatever it is, the apps have to move
        print(f"reviewapps: {step.__name__}: {error!r}", flush=True)


def main():
    """Watch until the notice comes, act on it, and end."""
    while True:
        try:
            why = notice()
        except (OSError, ValueError, KeyError) as error:
            print(f"reviewapps: the metadata service: {error!r}", flush=True)
            why = ""
        if why:
            break
        time.sleep(POLL_SECONDS)
    print(f"reviewapps: this machine goes ({why}): leaving the balancer, draining", flush=True)
    attempt(leave_balancer)
    attempt(leave_nomad)
    aws.complete(os.environ["HOOK_DRAINED"])
    print("reviewapps: drained", flush=True)


if __name__ == "__main__":
    sys.exit(main())
