"""Who may open an app: who knows its password, is signed in or has a link, and nobody else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from reviewapps.local import router
from reviewapps.store import keys
from tests.real.apps import Done, Place, leftovers, until

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


class TeamSignIn(BaseHTTPRequestHandler):
    """Answers as oauth2-proxy's /oauth2/auth does: Kim of the developers has a session."""

    def do_GET(self) -> None:
        groups = parse_qs(urlsplit(self.path).query).get("allowed_groups", ["developers"])[0]
        has_session = "_oauth2_proxy=kim" in self.headers.get("Cookie", "")
        self.send_response(401 if not has_session else 202 if "developers" in groups else 403)
        self.send_header("X-Auth-Request-Email", "kim@example.com")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def team(place: Place) -> Iterator[dict[str, str]]:
    """The environment of commands whose settings name the team's sign-in; the router asks it."""
    server = ThreadingHTTPServer((place.cluster.address, 0), TeamSignIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"{place.cluster.address}:{server.server_port}"
    items = place.clients.nomad.variable(router.VARIABLE)
    asking = items | {"nginx_conf": router.config(place.cluster, address)}
    place.clients.nomad.put_variable(router.VARIABLE, asking)
    values = yaml.safe_load(place.cluster.settings_file.read_text())
    file = place.folder.parent / "settings.yml"
    file.write_text(yaml.safe_dump(values | {"sign_in": {"address": address}}))
    file.chmod(0o600)
    yield {"REVIEWAPPS_SETTINGS": str(file)}
    place.clients.nomad.put_variable(router.VARIABLE, items)
    server.shutdown()


def test_a_sign_in_lets_the_team_in_and_a_link_lets_in_others(
    place: Place, team: dict[str, str]
) -> None:
    place.only()
    place.write_whole(access={"kind": "sign-in", "groups": ["developers"]})
    refused = place.deploy()
    assert refused.code == 2
    assert refused.error == "access/kind is sign-in, and the settings name no sign-in service"
    assert not place.has_record()

    done = place.deploy(env=team)
    assert done.code == 0, done.said
    kim = {"Cookie": "_oauth2_proxy=kim"}
    until(lambda: visit(place, headers=kim).status_code == 200, "the router's reload")
    away = visit(place, "/orders", headers={"Accept": "text/html"})
    assert (away.status_code, away.headers["location"].partition("?")[0]) == (302, "/oauth2/start")
    assert visit(place).status_code == 401
    assert visit(place, headers=kim).text.strip() == "release 1"

    told = share(place)
    assert told.keys() == {"url", "kind", "until", "link"}
    entered = visit(place, f"/.reviewapps/share/{told['link'].rpartition('/')[2]}")
    guest = {"Cookie": entered.headers["set-cookie"].partition(";")[0]}
    assert visit(place, headers=guest).text.strip() == "release 1"
    assert "nothing to do" in place.deploy(env=team).out

    place.write_whole(access={"kind": "sign-in", "groups": ["owners"]})
    assert place.deploy(env=team).code == 0
    assert visit(place, headers=kim).status_code == 403
    assert visit(place, headers=guest).text.strip() == "release 2", "a release shuts no guest out"
    assert share(place, "--revoke")["revoked"] == "1"
    until(lambda: visit(place, headers=guest).status_code == 401, "the end of the link")


def test_a_password_is_forgotten_when_a_sign_in_takes_its_place(
    place: Place, team: dict[str, str]
) -> None:
    place.only()
    place.write_whole(access={"kind": "password"})
    assert place.deploy().code == 0
    password = share(place)["password"]
    place.write_whole(access={"kind": "sign-in"})

    done = place.deploy(env=team)

    assert done.code == 0, done.said
    until(lambda: visit(place, auth=("x", password)).status_code == 401, "the router's reload")
    assert place.clients.nomad.variable(f"reviewapps/{place.slug}/access") == {}
    assert place.deploy(env=team).out.count("nothing to do") == 1
