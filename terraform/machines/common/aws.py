"""AWS as a machine needs it: who it is, and clients that a test can lead elsewhere."""

import json
import os
import time
import urllib.error
import urllib.request

import boto3
from botocore.exceptions import BotoCoreError, ClientError

IMDS = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
TOKEN_SECONDS = 300
_token = {"value": "", "until": 0.0}  # IMDSv2's session; a module is all the object it needs


def client(service):
    """Return a boto3 client; older boto3 does not read AWS_ENDPOINT_URL by itself."""
    return boto3.client(
        service,
        region_name=os.environ["AWS_REGION"],
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None,
    )


def metadata(path):
    """Return what the metadata service says about this machine; None when it says nothing."""
    if time.monotonic() >= _token["until"]:
        _token["value"] = _imds("/latest/api/token", "PUT", ttl=TOKEN_SECONDS)
        _token["until"] = time.monotonic() + TOKEN_SECONDS - 30
    try:
        return _imds(f"/latest/meta-data/{path}", token=_token["value"])
    except urllib.error.HTTPError as error:
        if error.code == 401:
            _token["until"] = 0.0
        if error.code == 404:
            return None
        raise


def _imds(path, method="GET", ttl=None, token=""):
    headers = {"X-aws-ec2-metadata-token": token} if token else {}
    if ttl:
        headers["X-aws-ec2-metadata-token-ttl-seconds"] = str(ttl)
    request = urllib.request.Request(  # noqa: S310 - always the metadata service
        IMDS + path, method=method, headers=headers
    )
    with urllib.request.urlopen(request, timeout=3) as answer:  # noqa: S310 - the same
        return answer.read().decode()


def secret(name, wait_seconds=0):
    """Return a secret of this stack as a dict; None when it has no value yet.

    With `wait_seconds`, wait for the first server to fill it.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            found = client("secretsmanager").get_secret_value(SecretId=secret_name(name))
            return json.loads(found["SecretString"])
        except ClientError as error:
            # A secret without a value and one that is not there are told alike.
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                problem = error
            elif not wait_seconds:
                return None
            else:
                problem = f"{secret_name(name)} is still empty"
        except BotoCoreError as error:
            problem = error
        if time.monotonic() >= deadline:
            raise SystemExit(f"reviewapps: cannot read {secret_name(name)}: {problem}")
        print(f"reviewapps: waiting for {secret_name(name)}: {problem}", flush=True)
        time.sleep(5)


def put_secret(name, value):
    """Fill a secret, in one step."""
    client("secretsmanager").put_secret_value(
        SecretId=secret_name(name), SecretString=json.dumps(value)
    )


def secret_name(name):
    """Return a secret's whole name."""
    return f"{os.environ['STACK']}/{name}"


def complete(hook, result="CONTINUE"):
    """Answer a lifecycle hook of this machine; one that does not wait is no error."""
    try:
        client("autoscaling").complete_lifecycle_action(
            AutoScalingGroupName=os.environ["GROUP"],
            LifecycleHookName=hook,
            LifecycleActionResult=result,
            InstanceId=metadata("instance-id"),
        )
    except Exception as error:  # it may wait for nothing; the machine's work goes on either way
        print(f"reviewapps: hook {hook} was not answered: {error}", flush=True)
