"""Uploading many assets, the first and the second time, by reviewapps and by `aws s3 sync`.

    python bench/assets.py [--aws PATH] [--files 2000] [--rounds 3]

Both upload the same files, with a digest in each name, into an empty bucket of one S3 (moto's
server on loopback), in random order, and then once more. reviewapps takes them from a Docker image,
as a deploy does, and compresses text; `aws` finds them in a folder. The last line is the ratio
of the medians, aws / reviewapps, for both times: in seconds and in seconds of processor time, which
says more on a machine that does other things too.
"""

import argparse
import contextlib
import hashlib
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import requests

from reviewapps import settings
from reviewapps.clients import Clients
from reviewapps.project import Assets, Project
from reviewapps.review_app import Release, ReviewApp
from reviewapps.step import Context
from reviewapps.steps import assets

IMAGE = "reviewapps-bench-assets:1"
LOGIN = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
KINDS = (("js", 6), ("css", 2), ("png", 2))  # of ten files
SIZES = (2_000, 8_000, 40_000)  # bytes, in turn


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--aws", default="aws")
    options.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    options.add_argument("--files", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    if given.ours:
        reviewapps_upload(*given.ours)
        return
    os.environ |= LOGIN | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "public"
        write(folder, given.files)
        docker = Clients(settings.Settings()).docker
        (Path(scratch) / "Dockerfile").write_text("FROM scratch\nCOPY public /public\n")
        docker.build_folder(Path(scratch), IMAGE)
        server = Server(Path(scratch))
        try:
            compare(given, folder, server)
        finally:
            server.stop()
            docker.remove(IMAGE)


def write(folder: Path, count: int) -> None:
    """Write scripts, styles and pictures, each with its digest in its name."""
    endings = [kind for kind, share in KINDS for _ in range(share)]
    for number in range(count):
        kind = endings[number % len(endings)]
        random.seed(number)
        size = SIZES[number % len(SIZES)]
        words = " ".join(f"word{random.randrange(999)}" for _ in range(size // 8))
        content = random.randbytes(size) if kind == "png" else words.encode()[:size]
        digest = hashlib.sha256(content).hexdigest()[:20]
        file = folder / f"part{number % 20}" / f"file{number}-{digest}.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class Server:
    """moto's S3 in a process of its own, so that it competes with nobody for Python's lock."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "requests.log"
        code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
        with self.log.open("w") as log:
            command = [sys.executable, "-c", code]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while not self.is_there():
            time.sleep(0.2)

    def is_there(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/moto-api/data.json", timeout=30).ok
        return False

    def requests(self) -> int:
        """Return how many requests it has answered, whoever asked."""
        return self.log.read_text().count("HTTP/1.1")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def compare(given: argparse.Namespace, folder: Path, server: Server) -> None:
    s3 = boto3.client("s3", endpoint_url=server.url)
    ours = [sys.executable, __file__, "--ours", server.url]
    contenders: dict[str, Callable[[str], list[str]]] = {
        "reviewapps": lambda bucket: [*ours, bucket],
        "aws s3 sync": lambda bucket: aws_command(given.aws, folder, server.url, bucket),
    }
    seconds: dict[tuple[str, str], list[float]] = {}
    works: dict[tuple[str, str], list[float]] = {}
    for number in range(given.rounds):
        for name in random.sample(list(contenders), len(contenders)):
            bucket = f"bench-{number}-{name.split()[0]}"
            s3.create_bucket(Bucket=bucket)
            for when in ("first", "second"):
                before, began, cpu = server.requests(), time.perf_counter(), processor_seconds()
                subprocess.run(contenders[name](bucket), check=True)
                took, work = time.perf_counter() - began, processor_seconds() - cpu
                seconds.setdefault((name, when), []).append(took)
                works.setdefault((name, when), []).append(work)
                made = server.requests() - before
                told = f"{took:6.2f} s, processor {work:5.2f} s, {made} requests"
                print(f"round {number + 1}: {name:12} {when:6} {told}")
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            found = sum(len(page["Contents"]) for page in pages)
            assert found == given.files, f"{name} has written {found} files"
    print(f"ratio aws s3 sync / reviewapps: {ratios(seconds)}; processor {ratios(works)}")


def ratios(times: dict[tuple[str, str], list[float]]) -> str:
    middle = {key: statistics.median(each) for key, each in times.items()}
    return ", ".join(
        f"{when} {middle['aws s3 sync', when] / middle['reviewapps', when]:.2f}"
        for when in ("first", "second")
    )


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def reviewapps_upload(url: str, bucket: str) -> None:
    """Do what the step does, in a process of its own as `aws` is."""
    where = settings.Aws(endpoint=url, assets_bucket=bucket)
    clients = Clients(settings.Settings(aws=where))
    project = Project(project="bench", assets=Assets(directory="/public", prefix="/assets"))
    release = Release(1, IMAGE, "0" * 40, False, project.as_dict())
    app = ReviewApp(project, "deploy-a", "a-abcdef", "a.localhost", "http://a", release)
    record = SimpleNamespace(update=lambda _change: None)
    context = Context(clients, cast(Any, record), lambda _: None, lambda: None)
    assets.apply(app, context)


def aws_command(program: str, folder: Path, url: str, bucket: str) -> list[str]:
    """Return `aws s3 sync`, told that files of one size are the same: their names have digests."""
    command = [program, "s3", "sync", str(folder), f"s3://{bucket}/bench/assets"]
    return [*command, "--size-only", "--only-show-errors", "--endpoint-url", url]


if __name__ == "__main__":
    main()
