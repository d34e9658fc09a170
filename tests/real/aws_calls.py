"""The command line that also writes down which rights in AWS its calls need, one in a line.

CALLS_FILE names the file. Requests of the image registry are written as the rights that ECR asks
for them; docker's own, of a push and a pull, are not seen here.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from botocore.client import BaseClient

from reviewapps.clients import registry

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
OTHERWISE = {"s3:ListObjectsV2": "s3:ListBucket"}
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html#registry_auth_http
ECR = {
    ("HEAD", "manifests"): "ecr:BatchGetImage",
    ("GET", "manifests"): "ecr:BatchGetImage",
    ("GET", "tags"): "ecr:ListImages",
}
Note = Callable[[str], None]


@contextmanager
def noted(note: Note) -> Iterator[None]:
    """Hand over each right that this process's calls need, before the call is made."""
    real_call: Any = BaseClient._make_api_call
    real_send = httpx.Client.send

    def call(self: Any, operation: str, parameters: Any) -> Any:
        name = f"{self.meta.service_model.signing_name}:{operation}"
        note(OTHERWISE.get(name, name))
        return real_call(self, operation, parameters)

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        if request.url.path.startswith("/v2/"):
            note(ECR[request.method, request.url.path.split("/")[-2]])
        return real_send(self, request, **options)

    BaseClient._make_api_call = call
    httpx.Client.send = send  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        BaseClient._make_api_call = real_call
        httpx.Client.send = real_send  # type: ignore[method-assign]


def main() -> None:
    """Run the command line; the local registry counts as ECR, whose API moto has."""
    file = Path(os.environ["CALLS_FILE"])
    registry.ECR = re.compile(r".*:5443\Z")

    def note(right: str) -> None:
        with file.open("a") as lines:
            lines.write(f"{right}\n")

    from reviewapps import cli  # noqa: PLC0415 - only the program needs it

    with noted(note):
        cli.main()
