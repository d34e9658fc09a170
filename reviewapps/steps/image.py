"""The image of the branch's commit, built once under the tag `ID-COMMIT`.

Where the settings name a registry it is pushed there, every node pulls it, and the jobs name it by
its digest: moving the tag changes nothing. Elsewhere it stays in this machine's Docker.
"""

import re
import time
from dataclasses import replace
from pathlib import Path

from reviewapps.clients.docker import USED
from reviewapps.clients.registry import name_of
from reviewapps.errors import Conflict, UserError
from reviewapps.review_app import Release, ReviewApp
from reviewapps.step import Context
from reviewapps.store.record import Record

NEEDS: tuple[str, ...] = ()
CONTAINERS_GO_SECONDS = 10.0
INSTRUCTION = re.compile(r"Step \d+/\d+ : |#\d+ \[")


def wanted(app: ReviewApp) -> bool:
    """Every app has one; those of older releases are kept, so that they can be deployed again."""
    return True


def missing(app: ReviewApp, context: Context) -> str:
    """Say whether the image is not there yet; one that others build is their business."""
    if not app.release.built:
        return ""
    image = app.release.image
    if not context.clients.settings.docker.registry:
        found = context.clients.docker.inspect(image)
        return "" if found and mark(image, context) in found["RepoTags"] else f"no image {image}"
    pinned = reference(app, context)
    if "@" not in pinned:
        return f"the registry is not known to have {image}"
    return "" if context.clients.registry.digest(pinned) else f"the registry has no {image}"


def apply(app: ReviewApp, context: Context) -> None:
    """Build the image from the commit, never from the work tree; push it where there is a registry.

    An image whose tag is there already is not built again.
    """
    image = app.release.image
    if not context.clients.settings.docker.registry:
        if not context.clients.docker.image_exists(image):
            _build(app, context)
        context.clients.docker.check("tag", image, mark(image, context))
        return
    digest = context.clients.registry.digest(image)
    if not digest:
        if not context.clients.docker.image_exists(image):
            _build(app, context)
        context.say(f"pushing {image}")
        seconds = app.project.limits.build_seconds
        context.clients.registry.push(
            image, on_line=lambda line: _tell_push(line, context), timeout_seconds=seconds
        )
        digest = context.clients.registry.digest(image)
    _keep(app, name_of(image).pinned(digest), context)


def undo(app: ReviewApp, context: Context) -> None:
    """Remove the images that were built for the app: from this machine's Docker and the registry.

    An image that another cluster of this machine uses stays; it is that cluster's to remove.
    """
    deadline = time.monotonic() + CONTAINERS_GO_SECONDS
    pulled = [each.pinned for each in context.record.read().releases if each.pinned]
    for tag in [*_removable(app, context), *pulled]:
        while True:
            context.check()
            try:
                context.clients.docker.remove(tag)
                break
            except Conflict as error:  # Nomad removes a container a moment after its task's end
                context.say(error.message)
                if time.monotonic() > deadline:
                    break
                time.sleep(0.2)
    if context.clients.settings.docker.registry:
        _remove_from_registry(app, context)


def reference(app: ReviewApp, context: Context) -> str:
    """Return the image as jobs name it: by its digest, once a registry has it."""
    if not (app.release.built and context.clients.settings.docker.registry):
        return app.release.image
    return context.record.read().numbered(app.release.number).pinned or app.release.image


def mark(image: str, context: Context) -> str:
    """Return the tag which says that this cluster uses the image."""
    cluster = Path(context.clients.settings.state_dir).name
    return f"{USED}/{cluster}/{image}"


def _build(app: ReviewApp, context: Context) -> None:
    if context.source is None:
        raise UserError(
            f"there is no image {app.release.image}, and no repository to build it from",
            hint=f"run reviewapps deploy {app.branch!r} in the project's repository",
        )
    context.say(f"building {app.release.image}")
    spec = app.project.image
    context.clients.docker.build(
        context.source,
        app.release.commit,
        app.release.image,
        dockerfile=spec.dockerfile,
        context=spec.context,
        build_args=spec.build_args,
        labels={"project": app.project.project, "slug": app.slug},
        on_line=lambda line: _tell(line, context),
        timeout_seconds=app.project.limits.build_seconds,
    )


def _keep(app: ReviewApp, pinned: str, context: Context) -> None:
    """Write into the record which content the release is."""

    def change(release: Release) -> Release:
        return replace(release, pinned=pinned) if release.number == app.release.number else release

    def write(record: Record) -> Record:
        return replace(record, releases=tuple(change(each) for each in record.releases))

    context.record.update(write)


def _removable(app: ReviewApp, context: Context) -> list[str]:
    """Return our own tags, and each image's that no other cluster marked as used."""
    tags = context.clients.docker.tags(app.slug)
    marks = {each for each in tags if each.startswith(f"{USED}/")}
    images = [each for each in tags if each not in marks]
    ours = {mark(each, context) for each in images} & marks
    free = [each for each in images if not any(m.endswith(f"/{each}") for m in marks - ours)]
    return sorted(ours) + free


def _remove_from_registry(app: ReviewApp, context: Context) -> None:
    registry = context.clients.registry
    prefix = context.clients.settings.docker.registry.rstrip("/")
    repository = name_of(f"{prefix}/{app.project.project}:x").repository
    for tag in registry.tags(repository):
        if re.fullmatch(rf"{re.escape(app.slug)}-[0-9a-f]{{7,12}}", tag):
            context.check()
            if not registry.delete(f"{registry.host}/{repository}:{tag}"):
                context.say("the registry keeps the images, and lets them expire itself")
                return


def _tell(line: str, context: Context) -> None:
    """Tell the instruction that is built; the rest is told only when the build fails."""
    context.check()
    if INSTRUCTION.match(line):
        context.say(line)


def _tell_push(line: str, context: Context) -> None:
    """Tell only what goes wrong; the layers' progress is long."""
    context.check()
    if line.startswith("attempt "):
        context.say(line)
