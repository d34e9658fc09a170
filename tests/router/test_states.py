"""States other than running: pages for people, patience for machines, a card for bots."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.router.conftest import World
from tests.router.processes import eventually
from tests.router.raw import WebSocket

STEPS = [
    {"name": "database", "state": "done", "detail": "created", "seconds": 1.2},
    {"name": "migrate", "state": "started", "detail": "12 of 40 <b>migrations</b>"},
    {"name": "unicorn", "state": "waiting", "detail": ""},
]


def wish_of(world: World, slug: str) -> str | None:
    return world.consul.get(f"{world.prefix}wishes/{slug}")


def test_a_deploying_app_shows_its_real_steps_and_an_estimate(world: World) -> None:
    world.record("shop", "deploying", steps=STEPS, estimate_seconds=40)
    eventually(lambda: world.page("shop").status_code == 503)
    page = world.page("shop")
    assert "Being deployed" in page.text
    assert "12 of 40 &lt;b&gt;migrations&lt;/b&gt;" in page.text
    assert 'class="started"><b>migrate</b>' in page.text
    assert "usual 40 s" in page.text  # since 08:00 is long ago, and the page says so
    assert page.headers["Retry-After"] == "3"
    assert '<meta http-equiv="refresh"' in page.text  # works without JavaScript


def test_status_tells_the_steps_as_json(world: World) -> None:
    world.record("shop", "deploying", steps=STEPS, estimate_seconds=40)
    eventually(lambda: world.page("shop").status_code == 503)
    status = world.get("shop", "/.reviewapps/status").json()
    assert [step["name"] for step in status["steps"]] == ["database", "migrate", "unicorn"]
    assert status["served"] is False
    assert status["state"] == "deploying"


def test_the_status_question_is_answered_as_soon_as_something_is_new(world: World) -> None:
    world.record("shop", "deploying", steps=STEPS)
    eventually(lambda: world.page("shop").status_code == 503)
    seen = world.get("shop", "/.reviewapps/status").json()["seen"]
    app = world.app("shop")

    def deploy() -> None:
        time.sleep(0.5)
        world.record("shop", "running")
        world.route("shop", app.place)

    threading.Thread(target=deploy).start()
    answer = world.get("shop", "/.reviewapps/status", params={"after": seen}).json()
    while not answer["served"]:
        seen = answer["seen"]
        answer = world.get("shop", "/.reviewapps/status", params={"after": seen}).json()
    assert world.page("shop").status_code == 200


def test_a_redeploy_keeps_serving_the_old_release(world: World) -> None:
    world.run("shop")
    for state in ("deploying", "failed", "running"):
        world.record("shop", state)
        for _ in range(10):
            assert world.page("shop").status_code == 200
            time.sleep(0.01)


def test_people_get_a_waking_page_and_one_wish_is_written(world: World) -> None:
    world.record("shop", "asleep")
    eventually(lambda: world.page("shop").status_code == 503)
    page = world.page("shop")
    assert "Waking up" in page.text
    first = eventually(lambda: wish_of(world, "shop"))
    assert json.loads(first)["wish"] == "wake"
    assert json.loads(first)["router"] == "tested"
    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(lambda _: world.page("shop").status_code, range(100)))
    assert set(pages) == {503}
    assert world.router.metrics()["wakes_total"] == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_a_request_of_a_machine_is_held_until_the_app_answers(world: World, method: str) -> None:
    world.record("shop", "asleep")
    eventually(lambda: world.page("shop").status_code == 503)
    app = world.app("shop")

    def wake() -> None:
        eventually(lambda: wish_of(world, "shop"))
        time.sleep(0.3)
        world.record("shop")
        world.route("shop", app.place)

    threading.Thread(target=wake).start()
    answer = world.request(method, "shop", "/orders", content=b"x" * 200_000)
    assert answer.status_code == 200
    assert answer.json()["length"] == 200_000
    assert [request[0] for request in app.requests] == [method]


def test_a_websocket_is_held_until_the_app_answers(world: World) -> None:
    world.record("shop", "asleep")
    eventually(lambda: world.page("shop").status_code == 503)
    app = world.app("shop")
    threading.Timer(0.5, lambda: (world.record("shop"), world.route("shop", app.place))).start()
    socket = WebSocket(world.router.port, "shop.localhost")
    assert socket.answer.status == 101
    assert socket.echo("good morning") == "good morning"
    socket.close()


def test_holding_ends_with_504_when_the_limit_passes(world: World) -> None:
    world.record("shop", "asleep")
    eventually(lambda: world.page("shop").status_code == 503)
    world.router.reload(hold_seconds=1)
    time.sleep(1)
    started = time.monotonic()
    answer = world.post("shop", content=b"x")
    assert answer.status_code == 504
    assert answer.json()["error"] == "asleep"
    assert 0.9 < time.monotonic() - started < 10


def test_holding_ends_at_once_when_the_deploy_fails(world: World) -> None:
    world.record("shop", "deploying")
    eventually(lambda: world.page("shop").status_code == 503)
    threading.Timer(0.3, lambda: world.record("shop", "failed", cause="no such table")).start()
    answer = world.post("shop", content=b"x")
    assert answer.status_code == 503
    assert answer.json()["cause"] == "no such table"


def test_no_more_requests_are_held_than_allowed(world: World) -> None:
    world.record("shop", "asleep")
    eventually(lambda: world.page("shop").status_code == 503)
    world.router.reload(hold_seconds=2, hold_max=3, workers=1)
    eventually(lambda: len(world.router.workers()) == 1)
    world.router.settings["workers"] = 1
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: world.post("shop").elapsed.total_seconds(), range(12)))
    assert sum(1 for seconds in answers if seconds > 1.5) == 3
    assert world.router.metrics()["held_refused_total"] == 9


def test_failed_paused_and_destroying_say_what_is_the_matter(world: World) -> None:
    for state, status, words in [
        ("failed", 503, "db/migrate failed: &lt;script&gt;"),
        ("paused", 503, "was paused"),
        ("destroying", 410, "being removed"),
    ]:
        world.record(state, state, cause="db/migrate failed: <script>alert(1)</script>")
        eventually(lambda s=state, n=status: world.page(s).status_code == n)
        page = world.page(state)
        assert words in page.text
        assert "<script>alert" not in page.text
        assert world.get(state).json()["state"] == state
    assert wish_of(world, "paused") is None


def test_a_stale_route_does_not_serve_a_paused_app(world: World) -> None:
    app = world.run("shop")
    world.record("shop", "paused")
    eventually(lambda: world.page("shop").status_code == 503)
    before = len(app.requests)
    assert world.post("shop").status_code == 503
    assert len(app.requests) == before


BOTS = {
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": 200,
    "facebookexternalhit/1.1": 200,
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 503,
    "ELB-HealthChecker/2.0": 503,
    "kube-probe/1.31": 503,
}


def test_bots_get_a_card_and_wake_nobody(world: World) -> None:
    world.record("shop", "asleep")
    eventually(lambda: world.get("shop", "/.reviewapps/status").status_code == 200)
    for agent, status in BOTS.items():
        headers = {"Accept": "text/html", "User-Agent": agent}
        answer = world.get("shop", headers=headers)
        assert answer.status_code == status, agent
        assert 'property="og:title"' in answer.text
        assert world.post("shop", headers=headers).elapsed.total_seconds() < 2  # not held either
    time.sleep(0.3)
    assert wish_of(world, "shop") is None


def test_an_unknown_host_is_404_and_a_foreign_one_421(world: World) -> None:
    world.run("shop")
    assert world.get("nobody").status_code == 404
    assert world.get("nobody", headers={"Host": "example.org"}).status_code == 421
    assert world.get("nobody", headers={"Host": "localhost"}).status_code == 421
    assert world.get("nobody", headers={"Host": "127.0.0.1"}).status_code == 400


def test_every_own_answer_is_uncached_unindexed_and_json_when_asked(world: World) -> None:
    world.run("shop")
    world.record("asleep", "asleep")
    world.record("failed", "failed")
    eventually(lambda: world.page("failed").status_code == 503)
    for slug in ("nobody", "asleep", "failed"):
        page = world.page(slug)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Robots-Tag"] == "noindex, nofollow, noarchive"
        assert "script-src 'nonce-" in page.headers["Content-Security-Policy"]
        assert int(page.headers["X-Reviewapps-State-Age"]) <= 10
        assert len(page.content) < 12_000
        assert world.request("HEAD", slug, headers={"Accept": "text/html"}).content == b""
    assert world.get("nobody").json()["error"] == "unknown"
    assert world.get("shop").headers["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    for slug in ("shop", "nobody", "asleep"):
        assert world.get(slug, "/robots.txt").text == "User-agent: *\nDisallow: /\n"
