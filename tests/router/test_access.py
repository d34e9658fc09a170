"""Access: nobody gets in, wakes or learns anything without a credential, and none leaks."""

import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from reviewapps.access import Access, grant, revoke, share_link, with_password, with_sign_in
from tests.router.apps import App, Handler
from tests.router.conftest import World
from tests.router.processes import eventually
from tests.router.raw import WebSocket

TOKEN = "tokentokentokentokentoken1234567"
PASSWORD = "correct horse: battery/staple"
LOCKED = grant(grant(with_password(PASSWORD, b"0123456789abcdef"), "share", TOKEN, "review"),
               "bypass", TOKEN[::-1], "ci")  # fmt: skip


def lock(world: World, access: Access = LOCKED, state: str = "running") -> App:
    app = world.run("shop", access=access.to_json())
    if state != "running":
        world.withdraw("shop")
        world.record("shop", state, access=access.to_json(), cause="the secret cause")
        world.until_acknowledged()
        eventually(lambda: world.get("shop").status_code == 401)
    return app


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["Set-Cookie"].split(";")[0]


def test_without_a_credential_nobody_reaches_the_app(world: World) -> None:
    app = lock(world)
    for method in ("GET", "POST", "PUT", "HEAD", "OPTIONS"):
        assert world.request(method, "shop").status_code == 401
    assert world.page("shop").status_code == 401
    assert "asks for a password" in world.page("shop").text
    assert WebSocket(world.router.port, "shop.localhost").answer.status == 401
    assert world.get("shop", "/.reviewapps/status").status_code == 401
    for forged in ("reviewapps=", "reviewapps=x", f"reviewapps={LOCKED.key_sha256}"):
        assert world.get("shop", headers={"Cookie": forged}).status_code == 401
    assert world.get("shop", headers={"X-Reviewapps-Bypass": "wrong"}).status_code == 401
    assert app.requests == []


@pytest.mark.parametrize("state", ["asleep", "failed", "deploying"])
def test_without_a_credential_nobody_wakes_or_learns(world: World, state: str) -> None:
    lock(world, state=state)
    for answer in (world.page("shop"), world.get("shop"), world.post("shop")):
        assert answer.status_code == 401
        assert "secret cause" not in answer.text
    time.sleep(0.3)
    assert world.consul.get(f"{world.prefix}wishes/shop") is None
    with_token = world.get("shop", headers={"X-Reviewapps-Bypass": TOKEN, "Accept": "text/html"})
    assert with_token.status_code == 503


def test_the_password_opens_the_app_for_a_browser(world: World) -> None:
    lock(world)
    wrong = world.post("shop", "/.reviewapps/password", data={"password": "wrong", "to": "/x"})
    assert wrong.status_code == 401
    answer = world.post(
        "shop", "/.reviewapps/password", data={"password": PASSWORD, "to": "/x?y=1"}
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/x?y=1"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    cookie = cookie_of(answer)
    assert PASSWORD not in cookie
    for method in ("GET", "POST"):
        seen = world.request(method, "shop", headers={"Cookie": f"{cookie}; theme=dark"})
        assert seen.status_code == 200
        assert seen.json()["headers"]["Cookie"] == "theme=dark"
    socket = WebSocket(world.router.port, "shop.localhost", f"Cookie: {cookie}")
    assert socket.echo("in") == "in"
    socket.close()
    assert world.get("shop", "/.reviewapps/leave", headers={"Cookie": cookie}).status_code == 303


def test_the_password_leads_to_this_host_only(world: World) -> None:
    lock(world)
    for to in ("//evil.example", "/\\evil.example", "https://evil.example", "/a\nSet-Cookie: x"):
        answer = world.post("shop", "/.reviewapps/password", data={"password": PASSWORD, "to": to})
        assert answer.headers["Location"] == "/", to


def test_basic_authentication_opens_the_app_for_machines(world: World) -> None:
    lock(world)
    seen = world.get("shop", auth=("anyone", PASSWORD))
    assert seen.status_code == 200
    assert "Authorization" not in seen.json()["headers"]
    assert world.get("shop", auth=("anyone", "wrong")).status_code == 401


def test_guessing_is_stopped_and_says_so(world: World) -> None:
    lock(world)
    for _ in range(10):
        world.post("shop", "/.reviewapps/password", data={"password": "guess"})
    blocked = world.post("shop", "/.reviewapps/password", data={"password": PASSWORD})
    assert blocked.status_code == 429
    assert world.get("shop", auth=("a", PASSWORD)).status_code == 401
    assert world.get("shop", headers={"X-Reviewapps-Bypass": TOKEN}).status_code == 200


def test_a_new_password_shuts_everybody_out_at_once(world: World) -> None:
    lock(world)
    answer = world.post("shop", "/.reviewapps/password", data={"password": PASSWORD})
    cookie = cookie_of(answer)
    assert world.get("shop", headers={"Cookie": cookie}).status_code == 200
    world.record("shop", access=with_password("another", b"fedcba9876543210").to_json())
    eventually(lambda: world.get("shop", headers={"Cookie": cookie}).status_code == 401)


def test_a_share_link_lets_a_browser_in_until_it_is_withdrawn(world: World) -> None:
    lock(world)
    path = share_link("", TOKEN)
    answer = world.page("shop", path + "?to=/orders")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/orders"
    cookie = cookie_of(answer)
    assert world.get("shop", headers={"Cookie": cookie}).status_code == 200
    assert world.page("shop", share_link("", "wrongwrongwrong")).status_code == 403
    world.record("shop", access=revoke(LOCKED, "review").to_json())
    eventually(lambda: world.get("shop", headers={"Cookie": cookie}).status_code == 401)
    assert world.page("shop", path).status_code == 403


def test_an_expired_grant_opens_nothing(world: World) -> None:
    world.run("shop", access=grant(with_sign_in(), "share", TOKEN, expires=1_700_000_000).to_json())
    assert world.page("shop", share_link("", TOKEN)).status_code == 403
    assert world.get("shop", headers={"X-Reviewapps-Bypass": TOKEN}).status_code == 403


def test_no_credential_is_forwarded_or_logged(world: World) -> None:
    app = lock(world)
    public = world.run("open")
    cookie = cookie_of(world.page("shop", share_link("", TOKEN)))
    for slug in ("shop", "open"):
        for method in ("GET", "POST"):
            headers = {"Cookie": cookie, "X-Reviewapps-Bypass": TOKEN}
            assert world.request(method, slug, headers=headers).status_code == 200
    world.get("shop", auth=("x", PASSWORD))
    world.post("shop", "/.reviewapps/password", data={"password": PASSWORD})
    seen = repr(app.requests) + repr(public.requests)
    eventually(lambda: len(world.router.access_log()) >= 7)
    written = (world.router.folder / "access.log").read_text() + world.router.error_log()
    key = cookie.partition("=")[2]
    for secret in (TOKEN, PASSWORD, key, "Basic "):
        assert secret not in seen
        assert secret not in written


def test_unknown_kinds_of_access_are_closed(world: World) -> None:
    for access in ({}, {"kind": "Public"}, {"kind": ["public"]}, {"kind": None}, "public", 7, None):
        world.run("shop", access=access)
        eventually(lambda: world.get("shop").status_code == 403)


def sign_in_service(handler: Handler) -> None:
    """oauth2-proxy's /oauth2/auth: 202 for a session cookie, 403 outside the groups, else 401."""
    cookies = handler.headers.get("Cookie", "")
    groups = parse_qs(urlsplit(handler.path).query).get("allowed_groups", [""])[0]
    if "_oauth2_proxy=good" not in cookies:
        handler.send(401, b"")
    elif groups and "team-a" not in groups.split(","):
        handler.send(403, b"")
    else:
        handler.send(202, b"", {"X-Auth-Request-Email": "kim@example.org"})


@pytest.fixture
def team(world: World) -> App:
    service = world.app("oauth2-proxy")
    service.paths["/oauth2/auth"] = sign_in_service
    service.paths["/oauth2/start"] = lambda h: h.send(302, b"", {"Location": "https://idp.example"})
    world.router.reload(sign_in_address=service.place)
    eventually(lambda: len(world.router.workers()) == 2)  # an old worker may take one more request
    return service


def test_sign_in_asks_the_team_and_tells_the_app_who_it_is(world: World, team: App) -> None:
    app = world.run("shop", access=with_sign_in().to_json())
    eventually(lambda: world.page("shop", "/orders?x=1").status_code == 302)
    away = world.page("shop", "/orders?x=1").headers["Location"]
    assert away == "/oauth2/start?rd=http%3A%2F%2Fshop.localhost%2Forders%3Fx%3D1"
    assert world.page("shop", away).headers["Location"] == "https://idp.example"
    assert world.get("shop").status_code == 401
    assert world.post("shop", content=b"x").status_code == 401
    assert app.requests == []
    headers = {"Cookie": "_oauth2_proxy=good; theme=dark", "X-Auth-Request-Email": "forged"}
    for method in ("GET", "POST"):
        seen = world.request(method, "shop", headers=headers, content=b"body").json()
        assert seen["headers"]["X-Auth-Request-Email"] == "kim@example.org"
        assert seen["headers"]["Cookie"] == "theme=dark"
        assert seen["length"] == 4


def test_sign_in_can_be_narrowed_to_groups(world: World, team: App) -> None:
    world.run("shop", access=with_sign_in(groups=("team-b",)).to_json())
    headers = {"Cookie": "_oauth2_proxy=good"}
    eventually(lambda: world.get("shop", headers=headers).status_code == 403)
    world.record("shop", access=with_sign_in(groups=("team-a", "team-b")).to_json())
    eventually(lambda: world.get("shop", headers=headers).status_code == 200)


def test_nobody_wakes_an_app_before_the_sign_in(world: World, team: App) -> None:
    world.record("shop", "asleep", access=with_sign_in().to_json())
    eventually(lambda: world.get("shop").status_code == 401)
    time.sleep(0.2)
    assert world.consul.get(f"{world.prefix}wishes/shop") is None
    page = world.get("shop", headers={"Cookie": "_oauth2_proxy=good", "Accept": "text/html"})
    assert page.status_code == 503
    eventually(lambda: world.consul.get(f"{world.prefix}wishes/shop"))


def test_share_and_bypass_open_a_signed_in_app_too(world: World, team: App) -> None:
    world.run("shop", access=grant(with_sign_in(), "bypass", TOKEN).to_json())
    eventually(lambda: world.get("shop").status_code == 401)
    assert world.get("shop", headers={"X-Reviewapps-Bypass": TOKEN}).status_code == 200


def test_a_dead_sign_in_service_lets_nobody_in(world: World, team: App) -> None:
    app = world.run("shop", access=with_sign_in().to_json())
    eventually(lambda: world.get("shop").status_code == 401)
    team.stop()
    world.router.expected_app_errors = True
    answer = world.get("shop", headers={"Cookie": "_oauth2_proxy=good"})
    assert answer.status_code == 503
    assert answer.json()["error"] == "sign-in-broken"
    assert app.requests == []
