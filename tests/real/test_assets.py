"""Assets go from a real image to S3 (moto's server): each once, typed, cached, compressed."""

import gzip
from dataclasses import replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from reviewapps import settings
from reviewapps.clients import Clients
from reviewapps.errors import UserError
from reviewapps.local import base_image
from reviewapps.project import Assets, Project
from reviewapps.review_app import Release, ReviewApp
from reviewapps.step import Context
from reviewapps.steps import assets, process
from reviewapps.store.record import Record

pytestmark = pytest.mark.real

BUCKET = "assets-under-test"
IMAGE = "reviewapps-test-assets:1"
FILES = {
    "public/assets/app-0123456789abcdef.js": "console.log(1)\n" * 100,
    "public/assets/img/logo-0123456789abcdef.png": "not really a picture",
    "public/assets/manifest.json": "{}",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "Dockerfile").write_text(
        "FROM debian:bookworm-slim\nCOPY public /app/public\n"
        "RUN ln -s /etc/passwd /app/public/assets/evil-0123456789abcdef.js\n"
    )
    docker = Clients(settings.Settings()).docker
    base_image.ensure(docker, print)
    docker.build_folder(folder, IMAGE)
    yield IMAGE
    docker.remove(IMAGE)


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    where = settings.Aws(
        endpoint=f"http://127.0.0.1:{port}", assets_bucket=BUCKET, assets_host="cdn.example.com"
    )
    s3 = boto3.client("s3", endpoint_url=where.endpoint, region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    yield where, s3
    server.stop()


class KeptRecord:
    """The part of a held record that the step uses."""

    def __init__(self):
        self.record = Record(slug="s", project="shop", branch="b", host="h", url="u")

    def read(self):
        return self.record

    def update(self, change):
        self.record = change(self.record)
        return self.record


def app_and_context(where, image, directory="/app/public/assets"):
    project = Project(project="shop", assets=Assets(directory=directory, prefix="/assets"))
    release = Release(1, image, "0" * 40, False, project.as_dict())
    app = ReviewApp(project, "deploy-a", "a-abcdef", "a-abcdef.localhost", "http://a", release)
    clients = Clients(replace(settings.Settings(), aws=where))
    said = []
    context = Context(clients, KeptRecord(), said.append, lambda: None)
    return app, context, said


def test_files_with_a_digest_go_to_the_bucket_once(aws, image):
    where, s3 = aws
    app, context, said = app_and_context(where, image)
    assert assets.missing(app, context) == "not uploaded yet"
    assets.apply(app, context)
    assert assets.missing(app, context) == ""
    assert said[-1] == "2 files uploaded"

    script = s3.get_object(Bucket=BUCKET, Key="shop/assets/app-0123456789abcdef.js")
    assert script["ContentEncoding"] == "gzip"
    assert script["CacheControl"] == "public, max-age=31536000, immutable"
    assert "javascript" in script["ContentType"]
    assert (
        gzip.decompress(script["Body"].read()).decode()
        == FILES["public/assets/app-0123456789abcdef.js"]
    )
    picture = s3.get_object(Bucket=BUCKET, Key="shop/assets/img/logo-0123456789abcdef.png")
    assert "ContentEncoding" not in picture
    assert picture["ContentType"] == "image/png"
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert len(keys) == 2, "neither the manifest nor the link"


def test_a_second_release_uploads_only_what_is_new(aws, image):
    where, _ = aws
    app, context, _ = app_and_context(where, image)
    assets.apply(app, context)
    again, other, said = app_and_context(where, image)
    assets.apply(again, other)
    assert said[-1] == "0 files uploaded"


def test_the_app_is_told_where_its_files_are(aws, image):
    where, _ = aws
    app, context, _ = app_and_context(where, image)
    assert process.asset_host(app, context) == {"ASSET_HOST": "https://cdn.example.com/shop"}
    bare, without, _ = app_and_context(settings.Aws(), image)
    assert process.asset_host(bare, without) == {}


def test_a_directory_that_is_not_in_the_image_is_named(aws, image):
    where, _ = aws
    app, context, _ = app_and_context(where, image, directory="/no/such")
    with pytest.raises(UserError, match="/no/such"):
        assets.apply(app, context)


def test_no_container_is_left(aws, image):
    where, _ = aws
    app, context, _ = app_and_context(where, image)
    assets.apply(app, context)
    left = context.clients.docker.check("ps", "--all", "--quiet", "--filter", f"ancestor={image}")
    assert left == ""
