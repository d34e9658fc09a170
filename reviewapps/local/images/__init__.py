"""The images that the local cluster runs on, built from Debian packages where they are missing."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from reviewapps.clients.docker import Docker
from reviewapps.local import base_image
from reviewapps.packages import folder

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """The tag of an image and the folder it is built from.

    The tag is never `latest`: Nomad asks a registry for that each time it starts a task.
    """

    tag: str
    folder: Path

    def fingerprint(self) -> str:
        """Return a short hash of all files of the folder: another hash, another image."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        parts = [(str(path.relative_to(self.folder)), path.read_bytes()) for path in files]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


RECIPES = {
    "postgres": Recipe("reviewapps/postgres:15", HERE / "postgres"),
    "redis": Recipe("reviewapps/redis:7", HERE / "redis"),
    "mariadb": Recipe("reviewapps/mariadb:10.11", HERE / "mariadb"),
    "router": Recipe("reviewapps/router:1", folder("nginx")),
}


def ensure(docker: Docker, name: str, say: Callable[[str], None]) -> str:
    """Build the image `name` unless the daemon has it from the same files; return its tag."""
    recipe = RECIPES[name]
    wanted = recipe.fingerprint()
    if docker.labels(recipe.tag).get("reviewapps.recipe") == wanted:
        return recipe.tag
    base_image.ensure(docker, say)
    say(f"building {recipe.tag}")
    # On the machine's own network: name servers on loopback are out of reach from a bridge.
    builder = replace(docker, build_network="host")
    older = docker.image(recipe.tag)
    builder.build_folder(recipe.folder, recipe.tag, labels={"recipe": wanted}, on_line=say)
    if older and older.digest != docker.digest(recipe.tag):
        docker.run("image", "rm", "--", older.digest)  # refused while a container uses it
    say(f"{recipe.tag} built")
    return recipe.tag
