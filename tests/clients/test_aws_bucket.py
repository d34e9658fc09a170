"""The bucket's client against moto's S3: side by side, little at once, and the first error."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from reviewapps.clients.aws.bucket import AHEAD, Asset, Bucket
from reviewapps.clients.aws.session import Aws, Refused
from tests.fakes.account import account


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with account() as where:
        boto3.client("s3", endpoint_url=where.endpoint).create_bucket(Bucket="assets")
        made = Bucket(Aws(where))
        made.name = "assets"
        yield made


def assets(count: int) -> Iterator[Asset]:
    for number in range(count):
        yield Asset(f"shop/assets/file{number}.js", b"x")


def test_all_are_written_and_are_fresh_then(bucket: Bucket) -> None:
    count = AHEAD + 10
    assert bucket.upload(assets(count)) == count
    assert bucket.fresh("shop/assets/", days=1) == {each.key for each in assets(count)}
    assert bucket.fresh("blog/", days=1) == set()


def test_few_are_read_before_the_first_is_written(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content of a large image is never held whole."""
    read = 0
    ahead: list[int] = []
    put = bucket._put

    def counting() -> Iterator[Asset]:
        nonlocal read
        for each in assets(3 * AHEAD):
            read += 1
            yield each

    def note(asset: Asset) -> None:
        put(asset)
        number = int(asset.key.removeprefix("shop/assets/file").removesuffix(".js"))
        ahead.append(read - number)

    monkeypatch.setattr(bucket, "_put", note)
    bucket.upload(counting())
    assert len(ahead) == 3 * AHEAD
    assert max(ahead) <= 2 * AHEAD


def test_the_first_error_ends_it_and_no_more_is_read(bucket: Bucket) -> None:
    bucket.name = "not-there"
    rest = assets(10 * AHEAD)
    with pytest.raises(Refused, match="not exist"):
        bucket.upload(rest)
    assert next(rest).key != f"shop/assets/file{10 * AHEAD - 1}.js"


def test_a_file_is_sent_without_asking_first(bucket: Bucket) -> None:
    sent: list[Any] = []
    events = bucket._api.meta.events
    events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.headers))
    bucket.upload(assets(1))
    (headers,) = sent
    assert "Expect" not in headers
