"""Images in a real registry: built once, named by digest, pulled by all, gone with the app."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps import naming
from reviewapps.clients.registry import name_of
from reviewapps.errors import ServiceError, Unreachable
from reviewapps.local import registry
from reviewapps.local.cluster import load
from reviewapps.local.down import down
from reviewapps.local.up import up
from tests.real.apps import TINY, Place, docker
from tests.real.elastic import Elastic

NAME, NUMBER = "awsimages", 22
pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def elastic(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elastic]:
    """A cluster with a registry."""
    left = load(NAME)
    if left:
        down(print, left)
    cluster = up(print, NAME, NUMBER, group_maximum=1, node_memory_mb=2048)
    made = Elastic(cluster, tmp_path_factory.mktemp("images"))
    yield made
    made.forget_images()
    down(print, cluster)


@pytest.fixture
def app(elastic: Elastic) -> Iterator[Place]:
    """An app whose image is built from its commit."""
    made = elastic.app(f"shop{len(list(elastic.folder.iterdir()))}", 32)
    yield made
    if made.has_record():
        assert made.destroy().code == 0


def tags(app: Place) -> list[str]:
    """Return the registry's tags of the app's project."""
    return app.clients.registry.tags(app.project["project"])


def image_of(app: Place) -> str:
    """Return the image that Nomad runs."""
    job = app.clients.nomad.job(naming.thing(app.slug, "unicorn"))
    assert job
    image: str = job["TaskGroups"][0]["Tasks"][0]["Config"]["image"]
    return image


def test_an_image_is_built_once_and_the_job_names_it_by_digest(app: Place) -> None:
    done = app.deploy(image="")
    assert done.code == 0, done.said
    (tag,) = tags(app)
    assert tag.startswith(f"{app.slug}-")
    release = app.record().wanted_release
    assert release.pinned == image_of(app)
    digest = app.clients.registry.digest(release.image)
    assert release.pinned == name_of(release.image).pinned(digest)

    docker("image", "rm", "--force", release.image)
    app.write(unicorn={"env": {"COLOUR": "blue"}})
    again = app.deploy(image="")
    assert again.code == 0, again.said
    assert app.record().release == 2
    assert "building" not in again.said
    assert "pushing" not in again.said
    assert image_of(app) == release.pinned


def test_an_image_that_another_machine_has_built_is_pulled(elastic: Elastic, app: Place) -> None:
    """The assets of a build that was stopped half-way are taken from it by the next machine."""
    assert app.deploy(image="").code == 0
    image = app.record().wanted_release.image
    pinned = app.record().wanted_release.pinned
    for name in (image, pinned):
        subprocess.run(["docker", "image", "rm", "--force", name], check=False)
    client = app.clients.registry
    assert not client.docker.image_exists(image)
    client.pull(image, on_line=lambda _line: None)
    assert client.docker.image_exists(image)
    with pytest.raises(ServiceError, match=r"can.t pull .*/none:1"):
        client.pull(f"{client.host}/none:1", on_line=lambda _line: None)


def test_a_tag_that_moved_changes_nothing(app: Place) -> None:
    assert app.deploy(image="").code == 0
    release = app.record().wanted_release
    docker("tag", TINY, release.image)
    docker("push", "--quiet", release.image)
    docker("image", "rm", release.image)
    assert app.clients.registry.digest(release.image) not in release.pinned
    done = app.deploy(image="")
    assert done.code == 0, done.said
    assert image_of(app) == release.pinned
    assert app.get() == "release 1"


def test_images_go_with_their_app_from_the_registry_and_from_docker(app: Place) -> None:
    assert app.deploy(image="").code == 0
    app.commit("2")
    assert app.deploy(image="").code == 0
    assert len(tags(app)) == 2
    assert app.destroy().code == 0
    assert tags(app) == []
    assert app.clients.docker.images(app.slug) == []
    here = docker("image", "ls", "--digests", "--format", "{{.Repository}}").split()
    assert not [each for each in here if each.endswith(f"/{app.project['project']}")]


def test_another_branch_keeps_its_images(elastic: Elastic, app: Place) -> None:
    assert app.deploy(image="").code == 0
    other = Place(app.folder, elastic.cluster, "deploy-green")
    other.project = app.project
    other.write()
    other.commit("3")
    assert other.deploy(image="").code == 0
    assert other.destroy().code == 0
    assert [each.startswith(app.slug) for each in tags(app)] == [True]


def test_a_push_that_fails_three_times_says_why(app: Place) -> None:
    client = app.clients.registry
    told: list[str] = []
    with pytest.raises(ServiceError, match=r"can.t push .*/none:1"):
        client.push(f"{client.host}/none:1", on_line=told.append)
    assert len([line for line in told if line.startswith("attempt ")]) == 3


def test_a_silent_registry_is_unreachable_and_a_deploy_goes_on_once_it_is_back(
    elastic: Elastic, app: Place
) -> None:
    registry.process(elastic.cluster).stop()
    try:
        with pytest.raises(Unreachable, match="does not answer"):
            app.clients.registry.tags("any")
        done = app.deploy(image="")
        assert done.code == 5
        assert "the registry" in done.error
    finally:
        registry.start(elastic.cluster)
    assert app.deploy(image="").code == 0


def test_the_certificate_is_checked(elastic: Elastic, tmp_path: Path) -> None:
    """Without our own certificate nobody trusts the registry."""
    url = f"https://{registry.host(elastic.cluster)}/v2/"
    ca = str(registry.ca_file(elastic.cluster))
    assert subprocess.run(["curl", "-sf", "--cacert", ca, url], check=False).returncode == 0
    plain = ["curl", "-sf", "--cacert", "/etc/ssl/certs/ca-certificates.crt", url]
    assert subprocess.run(plain, check=False).returncode == 60
