"""Waits until Nomad's client on this machine is well, then lets the group put it into service."""

import json
import os
import sys
import time
import urllib.request

import aws

HEALTH = "http://127.0.0.1:4646/v1/agent/health?type=client"
WAIT_SECONDS = 300


def is_well():
    """Say whether the client has a server and sends its heartbeats."""
    try:
        with urllib.request.urlopen(HEALTH, timeout=3) as answer:
            return bool(json.load(answer)["client"]["ok"])
    except (OSError, ValueError, KeyError):
        return False


def main():
    """Answer the group's launch hook, either way."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_well():
        if time.monotonic() >= deadline:
            aws.complete(os.environ["HOOK_JOINED"], "ABANDON")
            sys.exit(f"reviewapps: Nomad's client is not well after {WAIT_SECONDS} s")
        time.sleep(1)
    aws.complete(os.environ["HOOK_JOINED"])


if __name__ == "__main__":
    main()
