"""Static files of the image, to the CDN: only those with a digest in their name, each once.

A name with a digest never changes its content, so two releases' files live side by side and one
that is there is not written again. Files without a digest are served by the app itself.
"""

import contextlib
import re
from collections.abc import Generator
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
    """Upload the files that the bucket lacks, side by side, while the image is read."""
    known = context.clients.bucket.fresh(key_prefix(app), FRESH_DAYS)
    context.say("uploading the files that the CDN lacks")
    with contextlib.closing(_files(app, context)) as files:
        count = context.clients.bucket.upload(each for each in files if each.key not in known)
    context.say(f"{count} files uploaded")
    outcome = Outcome(app.release.image, "done", log=f"{count} files uploaded")

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


def _files(app: ReviewApp, context: Context) -> Generator[Asset]:
    spec = app.project.assets
    assert spec is not None  # noqa: S101 - the engine asks `wanted` first
    _fetch(app, context)
    for path, content in context.clients.docker.files(app.release.image, spec.directory):
        context.check()
        if DIGEST.search(PurePosixPath(path).name):
            yield Asset(key_prefix(app) + path, content)


def _fetch(app: ReviewApp, context: Context) -> None:
    """Pull the image where another machine has built it."""
    image, clients = app.release.image, context.clients
    is_ours = app.release.built and clients.settings.docker.registry
    if is_ours and not clients.docker.image_exists(image):
        context.say(f"pulling {image}")
        clients.registry.pull(image, on_line=lambda _line: context.check())
