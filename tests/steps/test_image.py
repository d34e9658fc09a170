"""Whose images are removed, when several clusters of a machine share one Docker."""

from types import SimpleNamespace
from typing import Any, cast

from reviewapps.clients.registry import Name, name_of
from reviewapps.step import Context
from reviewapps.steps import image

TAG = "shop:blue-6tfrkg-be98a3216ab0"
OLDER = "shop:blue-6tfrkg-0123456789ab"


def context(cluster: str, tags: list[str]) -> Context:
    """Return a context whose Docker has these tags of the app."""
    docker = SimpleNamespace(tags=lambda _slug: tags)
    settings = SimpleNamespace(state_dir=f"/root/.reviewapps/{cluster}")
    return cast(Context, SimpleNamespace(clients=SimpleNamespace(docker=docker, settings=settings)))


def removable(cluster: str, tags: list[str]) -> list[str]:
    """Return what that cluster removes."""
    app: Any = SimpleNamespace(slug="blue-6tfrkg")
    return image._removable(app, context(cluster, tags))


def test_the_only_cluster_removes_the_image_and_its_mark() -> None:
    mine = image.mark(TAG, context("one", []))
    assert removable("one", [TAG, mine]) == [mine, TAG]


def test_an_image_that_another_cluster_uses_loses_only_our_mark() -> None:
    mine, other = (image.mark(TAG, context(name, [])) for name in ("one", "two"))
    assert removable("one", [TAG, mine, other]) == [mine]
    assert removable("two", [TAG, other]) == [other, TAG]


def test_each_image_counts_for_itself() -> None:
    mine, other = image.mark(OLDER, context("one", [])), image.mark(TAG, context("two", []))
    assert removable("one", [TAG, OLDER, mine, other]) == [mine, OLDER]


def test_names_are_taken_apart_with_ports_and_digests() -> None:
    assert name_of("10.86.1.1:5443/shop:a-1") == Name("10.86.1.1:5443", "shop", "a-1")
    assert name_of("r.io/team/shop:a-1") == Name("r.io", "team/shop", "a-1")
    pinned = Name("10.86.1.1:5443", "shop", "a-1").pinned("sha256:ab")
    assert pinned == "10.86.1.1:5443/shop@sha256:ab"
    assert name_of(pinned) == Name("10.86.1.1:5443", "shop", "sha256:ab")
