"""An app whose project asks for a password opens with it, with a link, and with nothing else."""

import json

import httpx
import pytest

from reviewapps.store import keys
from tests.real.apps import Done, Place, leftovers

pytestmark = pytest.mark.real


def share(place: Place, *arguments: str) -> dict[str, str]:
    done: Done = place.run("share", "--json", *arguments, "--", place.branch)
    assert done.code == 0, done.said
    told: dict[str, str] = json.loads(done.out)
    return told


def visit(place: Place, path: str = "/", **options: object) -> httpx.Response:
    """Ask the router as a browser would, following no redirect."""
    host = f"{place.slug}.{place.settings.domain}"
    with httpx.Client(base_url=f"http://{place.cluster.loopback}:8080", timeout=10) as client:
        headers = {"Host": host, **options.pop("headers", {})}  # type: ignore[dict-item]
        return client.get(path, headers=headers, **options)  # type: ignore[arg-type]


def everything_in_consul(place: Place) -> str:
    return "\n".join(each.value for each in place.clients.consul.list(keys.ROOT)[1])


def test_a_password_keeps_strangers_out(place: Place) -> None:
    place.write_whole(access={"kind": "password"})
    first = place.deploy()
    assert first.code == 0, first.said
    assert visit(place).status_code == 401
    told = share(place)
    password = told["password"]
    assert password not in first.said + everything_in_consul(place)

    assert visit(place, auth=("anyone", "wrong")).status_code == 401
    assert visit(place, auth=("anyone", password)).text.strip() == "release 1"

    assert told["link"].startswith(f"{place.record().url}/.reviewapps/share/")
    token = told["link"].rpartition("/")[2]
    assert token not in everything_in_consul(place)
    entered = visit(place, f"/.reviewapps/share/{token}")
    cookie = {"Cookie": entered.headers["set-cookie"].partition(";")[0]}
    assert visit(place, headers=cookie).text.strip() == "release 1"
    header = dict([share(place, "--machine")["header"].split(": ")])
    assert visit(place, headers=header).text.strip() == "release 1"

    again = place.deploy()
    assert "nothing to do" in again.out
    place.write(unicorn={"env": {"COLOUR": "red"}})
    assert place.deploy().code == 0
    for options in ({"auth": ("x", password)}, {"headers": cookie}, {"headers": header}):
        assert visit(place, **options).text.strip() == "release 2", "a release shuts nobody out"

    assert share(place, "--revoke")["revoked"] == "2"
    assert visit(place, headers=cookie).status_code == 401
    assert visit(place, headers=header).status_code == 401
    assert visit(place, auth=("x", password)).status_code == 200
    assert share(place)["password"] == password

    place.clients.nomad.delete_variable(f"reviewapps/{place.slug}/access")
    place.write(unicorn={"env": {"COLOUR": "blue"}})
    assert place.deploy().code == 0
    assert visit(place, auth=("x", password)).status_code == 401
    assert visit(place, auth=("x", share(place)["password"])).status_code == 200

    assert place.destroy().code == 0
    assert leftovers(place) == []


def test_an_app_that_becomes_public_forgets_its_password(place: Place) -> None:
    for section in ("database", "redis", "migrate", "seed", "resque"):
        place.write(**{section: None})
    place.write_whole(access={"kind": "password"})
    assert place.deploy().code == 0
    share(place)
    place.write_whole(access={"kind": "public"})
    assert place.deploy().code == 0
    assert visit(place).text.strip() == "release 2"
    assert share(place) == {"url": place.record().url, "kind": "public"}
    assert place.record().access == {}
    place.write_whole(access={"kind": "password"})
    assert place.deploy().code == 0
    assert visit(place).status_code == 401
