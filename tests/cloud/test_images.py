"""The platform's images get into the registry once, under names that nodes and apps agree on."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from reviewapps.cloud import images
from reviewapps.errors import UserError
from reviewapps.local.images import RECIPES
from reviewapps.settings import Docker, Settings

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/reviewapps"
SETTINGS = Settings(docker=Docker(registry=REGISTRY, redis_image=f"{REGISTRY}/redis:7"))


@dataclass
class Registry:
    """A registry in memory."""

    has: set[str] = field(default_factory=set)

    def digest(self, image: str) -> str:
        return "sha256:1" if image in self.has else ""

    def push(self, image: str, **_options: Any) -> None:
        assert image not in self.has, "tags can't be moved"
        self.has.add(image)


class Daemon:
    """A Docker daemon that has every image already."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []

    def labels(self, tag: str) -> dict[str, str]:
        wanted = next(recipe for recipe in RECIPES.values() if recipe.tag == tag)
        return {"reviewapps.recipe": wanted.fingerprint()}

    def check(self, *arguments: str) -> str:
        self.ran.append(arguments)
        return ""


@dataclass
class Clients:
    """What publishing asks for."""

    settings: Settings = SETTINGS
    registry: Registry = field(default_factory=Registry)
    docker: Daemon = field(default_factory=Daemon)


def test_what_the_registry_lacks_is_pushed_and_the_second_run_pushes_nothing() -> None:
    clients: Any = Clients()
    said: list[str] = []
    places = images.publish(clients, said.append)
    router = f"{REGISTRY}/router:{RECIPES['router'].fingerprint()}"
    assert places == {"router": router, "redis": f"{REGISTRY}/redis:7"}
    assert clients.registry.has == set(places.values())
    assert clients.docker.ran == [
        ("image", "tag", "reviewapps/router:1", router),
        ("image", "tag", "reviewapps/redis:7", f"{REGISTRY}/redis:7"),
    ]
    assert said == [f"pushing {place}" for place in places.values()]
    assert images.publish(clients, said.append) == places
    assert len(said) == 2


def test_without_a_registry_it_says_what_is_missing() -> None:
    with pytest.raises(UserError, match="no registry"):
        images.wanted(Settings())


def test_an_image_of_redis_that_nodes_cannot_pull_is_refused() -> None:
    with pytest.raises(UserError, match="not in 123456789012"):
        images.wanted(Settings(docker=Docker(registry=REGISTRY)))
