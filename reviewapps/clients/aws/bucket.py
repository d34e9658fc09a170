"""The bucket that the CDN serves assets from: what it has, and uploads side by side."""

import gzip
import mimetypes
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.handlers import add_expect_header

from reviewapps.clients.aws.session import CONNECTIONS, Aws, errors

WORKERS = CONNECTIONS
AHEAD = 4 * WORKERS  # assets that are read before the first of them must be written
GZIP_LEVEL = 6  # 9 takes twice as long for a hundredth less
CACHE = "public, max-age=31536000, immutable"
COMPRESSED = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True)
class Asset:
    """One file: its key in the bucket and its content."""

    key: str
    content: bytes


class Bucket:
    """The bucket that `settings.aws.assets_bucket` names."""

    def __init__(self, aws: Aws) -> None:
        self.name = aws.where.assets_bucket
        self._api = aws.client("s3")
        # Small files are sent at once: asking first whether they may be costs a round trip each.
        self._api.meta.events.unregister("before-call.s3", add_expect_header)

    def fresh(self, prefix: str, days: int) -> set[str]:
        """Return the keys below `prefix` that were written in the last `days` days.

        Older ones are written again: the bucket's lifecycle expires what nobody wrote for long.
        """
        since = datetime.now(UTC) - timedelta(days=days)
        keys = set()
        with errors(f"list the bucket {self.name}"):
            for page in self._api.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            ):
                found = page.get("Contents", [])
                keys |= {each["Key"] for each in found if each["LastModified"] >= since}
        return keys

    def upload(self, assets: Iterable[Asset]) -> int:
        """Write assets side by side and return how many; raises the first error.

        They are taken as they are needed: of the content of a large image little is held at once.
        """
        count = 0
        with ThreadPoolExecutor(WORKERS) as pool:
            at_work: deque[Future[None]] = deque()
            for asset in assets:
                at_work.append(pool.submit(self._put, asset))
                count += 1
                if len(at_work) >= AHEAD:
                    at_work.popleft().result()
            for each in at_work:
                each.result()
        return count

    def _put(self, asset: Asset) -> None:
        kind = mimetypes.guess_type(asset.key)[0] or "application/octet-stream"
        encoding = {}
        content = asset.content
        if kind.startswith(COMPRESSED):
            content = gzip.compress(content, GZIP_LEVEL, mtime=0)
            encoding = {"ContentEncoding": "gzip"}
        with errors(f"write {asset.key} into the bucket {self.name}"):
            self._api.put_object(
                Bucket=self.name,
                Key=asset.key,
                Body=content,
                ContentType=kind,
                CacheControl=CACHE,
                **encoding,
            )
