"""Puts the platform's images into the team's registry, from which every node pulls."""

from collections.abc import Callable

from reviewapps.clients import Clients
from reviewapps.errors import UserError
from reviewapps.local import images
from reviewapps.settings import Settings


def wanted(settings: Settings) -> dict[str, str]:
    """Return where each of the platform's images lies: router and Redis.

    The router's tag changes with its files; Redis' is in the settings, since apps name it.
    """
    registry = settings.docker.registry.rstrip("/")
    if not registry:
        raise UserError(
            "the settings name no registry, so nodes can't pull the platform's images",
            hint="docker.registry in the settings; `reviewapps local up` needs none",
        )
    if not settings.docker.redis_image.startswith(f"{registry}/"):
        raise UserError(
            f"docker.redis_image is {settings.docker.redis_image}, which is not in {registry}",
            hint="terraform output -raw settings prints the right one",
        )
    return {
        "router": f"{registry}/router:{images.RECIPES['router'].fingerprint()}",
        "redis": settings.docker.redis_image,
    }


def publish(clients: Clients, say: Callable[[str], None]) -> dict[str, str]:
    """Build and push what the registry lacks; return where each image lies."""
    places = wanted(clients.settings)
    for name, place in places.items():
        if clients.registry.digest(place):
            continue
        built = images.ensure(clients.docker, name, say)
        clients.docker.check("image", "tag", built, place)
        say(f"pushing {place}")
        clients.registry.push(place, on_line=lambda _line: None)
    return places
