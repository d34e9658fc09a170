"""The bucket that the CDN serves assets from: what it has, and uploads side by side."""

import gzip
import mimetypes
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reviewapps.clients.aws.session import Aws, errors

WORKERS = 16
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
        """Write assets side by side and return how many; the first error is raised at the end."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return sum(pool.map(self._put, assets))

    def _put(self, asset: Asset) -> int:
        kind = mimetypes.guess_type(asset.key)[0] or "application/octet-stream"
        encoding = {}
        content = asset.content
        if kind.startswith(COMPRESSED):
            content = gzip.compress(content, mtime=0)
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
        return 1
