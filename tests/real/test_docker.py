"""The docker client on a real daemon."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapps.clients.docker import Docker
from reviewapps.errors import Failed, UserError
from reviewapps.local import base_image
from tests import repositories

pytestmark = pytest.mark.real
SLUG = "docker-test-abcdef"
TAG = f"reviewapps-test/shop:{SLUG}-0123456789ab"
LABELS = {"project": "shop", "slug": SLUG}


@pytest.fixture
def docker() -> Iterator[Docker]:
    docker = Docker()
    base_image.ensure(docker, print)
    yield docker
    for image in docker.images(SLUG):
        docker.remove(image.tag)


def files_of(image: str, scratch: Path) -> set[str]:
    """Return the files in an image."""
    made = ["docker", "create", "--label=reviewapps-test", image, "x"]
    container = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
    try:
        subprocess.run(["docker", "cp", f"{container}:/files", scratch / "files"], check=True)
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True)
    root = scratch / "files"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def running_commands() -> str:
    """Return the commands of the containers that run, as `docker ps` tells them."""
    form = ["docker", "ps", "--no-trunc", "--format", "{{.Command}}"]
    return subprocess.run(form, check=True, capture_output=True, text=True).stdout


def test_an_image_is_built_from_the_commit_and_not_from_the_work_tree(
    docker: Docker, tmp_path: Path
) -> None:
    repository = tmp_path / "shop"
    files = {
        "Dockerfile": "FROM scratch\nCOPY . /files\n",
        "app.rb": "puts 1",
        "log/old": "",
        ".dockerignore": "log\n",
    }
    commit = repositories.make(repository, files)
    (repository / "untracked.rb").write_text("puts 2")
    (repository / "Dockerfile").write_text("not a Dockerfile")

    assert not docker.image_exists(TAG)
    docker.build(repository, commit, TAG, labels=LABELS)

    assert docker.image_exists(TAG)
    assert files_of(TAG, tmp_path) == {"app.rb", "Dockerfile", ".dockerignore"}
    [image] = docker.images(SLUG)
    assert (image.tag, image.commit, image.digest) == (TAG, commit, docker.digest(TAG))
    assert docker.labels(TAG)["reviewapps.project"] == "shop"


def test_the_same_commit_built_again_is_the_same_image(docker: Docker, tmp_path: Path) -> None:
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\nCOPY . /files\n"})
    docker.build(tmp_path / "shop", commit, TAG, labels=LABELS)
    first = docker.digest(TAG)
    docker.build(tmp_path / "shop", commit, TAG, labels=LABELS)
    assert docker.digest(TAG) == first


def test_removing_twice_succeeds(docker: Docker, tmp_path: Path) -> None:
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\nCOPY . /files\n"})
    docker.build(tmp_path / "shop", commit, TAG, labels=LABELS)
    docker.remove(TAG)
    docker.remove(TAG)
    assert not docker.image_exists(TAG)
    assert docker.images(SLUG) == []
    with pytest.raises(UserError):
        docker.digest(TAG)


def test_a_wrong_dockerfile_is_told_in_dockers_words(docker: Docker, tmp_path: Path) -> None:
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\nCOPY gone /\n"})
    with pytest.raises(Failed, match="gone") as caught:
        docker.build(tmp_path / "shop", commit, TAG, labels=LABELS)
    assert "COPY gone /" in caught.value.details
    assert docker.images(SLUG) == []


def test_a_build_that_takes_too_long_is_stopped(docker: Docker, tmp_path: Path) -> None:
    dockerfile = "FROM debian:bookworm-slim\nRUN echo begun && sleep 600\n"
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": dockerfile})
    with pytest.raises(Failed, match="was not built within 3 s") as caught:
        docker.build(tmp_path / "shop", commit, TAG, labels=LABELS, timeout_seconds=3)
    assert "begun" in caught.value.details
    deadline = time.monotonic() + 30
    while "sleep 600" in (left := running_commands()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "sleep 600" not in left, "docker stopped what the build ran"


def test_an_image_is_copied_without_a_registry(docker: Docker, tmp_path: Path) -> None:
    """To the same daemon by its socket: what is seen is that save, load and the names fit."""
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\nCOPY . /files\n"})
    docker.build(tmp_path / "shop", commit, TAG, labels=LABELS)
    docker.copy(TAG, Docker("unix:///var/run/docker.sock"))
    assert docker.image_exists(TAG)
