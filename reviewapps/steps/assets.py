"""Static files of the image, to the CDN: only those with a digest in their name, each once.

A name with a digest never changes its content, so two releases' files live side by side and one
that is there is not written again. Files without a digest are served by the app itself.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from reviewapps.clients.aws.bucket import Asset
from reviewapps.review_app import ReviewApp
from reviewapps.step import Context
from reviewapps.store.record import Outcome, Record

NEEDS: tuple[str, ...] = ("image",)
DIGEST = re.compile(r"[-.][0-9a-f]{8,64}\.[A-Za-z0-9.]+\Z")
FRESH_DAYS = 15


def wanted(app: ReviewApp) -> bool:
    """Whether the project file has an assets section."""
    return app.project.assets is not None


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether this image's files have not been uploaded yet."""
    if not context.clients.settings.aws.assets_bucket:
        return ""
    done = context.record.read().outcomes.get("assets")
    return "" if done and done.of == app.release.image else "not uploaded yet"


def apply(app: ReviewApp, context: Context) -> None:
    """Upload the files that the bucket lacks, side by side."""
    spec = app.project.assets
    assert spec is not None  # noqa: S101 - the engine asks `wanted` first
    prefix = key_prefix(app)
    known = context.clients.bucket.fresh(prefix, FRESH_DAYS)
    found = [each for each in _files(app, context) if each.key not in known]
    context.say(f"uploading {len(found)} files")
    context.clients.bucket.upload(found)
    outcome = Outcome(app.release.image, "done", log=f"{len(found)} files uploaded")

    def change(record: Record) -> Record:
        return replace(record, outcomes=record.outcomes | {"assets": outcome})

    context.record.update(change)


def undo(app: ReviewApp, context: Context) -> None:
    """The files are shared by the project's releases: the bucket's lifecycle expires old ones."""


def host(app: ReviewApp, context: Context) -> str:
    """Return the asset host for the app's pages, "" when it serves its files itself."""
    aws = context.clients.settings.aws
    if app.project.assets is None or not aws.assets_bucket or not aws.assets_host:
        return ""
    return f"https://{aws.assets_host}/{app.project.project}"


def key_prefix(app: ReviewApp) -> str:
    """Return what all keys of the project's assets begin with."""
    prefix = app.project.assets.prefix.strip("/") if app.project.assets else ""
    return f"{app.project.project}/{prefix}/"


def _files(app: ReviewApp, context: Context) -> Iterator[Asset]:
    spec = app.project.assets
    assert spec is not None  # noqa: S101 - as above
    for path, content in context.clients.docker.files(app.release.image, spec.directory):
        if DIGEST.search(PurePosixPath(path).name):
            yield Asset(key_prefix(app) + path, content)
