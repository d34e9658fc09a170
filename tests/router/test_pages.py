"""The router's pages in a browser: phone and desktop, light and dark, with and without scripts."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reviewapps.access import with_password
from tests.router.browser import Browser, chromium_binary
from tests.router.conftest import World
from tests.router.processes import eventually

pytestmark = pytest.mark.skipif(chromium_binary() is None, reason="needs Chromium")

STEPS = [
    {"name": "database", "state": "done", "detail": "", "seconds": 1.2},
    {"name": "capacity", "state": "done", "detail": "a node was already there", "seconds": 0.4},
    {"name": "redis", "state": "done", "detail": "", "seconds": 6},
    {"name": "migrate", "state": "started", "detail": "12 of 40 migrations"},
    {"name": "unicorn", "state": "waiting", "detail": ""},
    {"name": "route", "state": "waiting", "detail": ""},
]
CAUSE = (
    "migrate ended with exit code 1:\n\n"
    "ActiveRecord::StatementInvalid: PG::UndefinedTable: relation \"orders\" does not exist\n"
    "db/migrate/20261121_add_total_to_orders.rb:3:in `change'"
)  # fmt: skip
SIZES = [("phone", 390, 844), ("small-phone", 320, 568), ("desktop", 1280, 800)]


@pytest.fixture
def browser(world: World, tmp_path: Path) -> Iterator[Browser]:
    found = Browser(tmp_path / "browser", world.router.port)
    yield found
    found.close()


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_all(world: World) -> dict[str, str]:
    """Write one app for each page; return {slug: words that must be on its page}."""
    long_branch = "deploy-feature/a-very-long-branch-name-that-somebody-thought-a-good-idea"
    world.record("deploying", "deploying", steps=STEPS, estimate_seconds=40, since=ago(12),
                 branch=long_branch)  # fmt: skip
    world.record("asleep", "asleep", estimate_seconds=9)
    world.record(
        "failed", "failed", cause=CAUSE, steps=[*STEPS[:3], STEPS[3] | {"state": "failed"}]
    )
    world.record("paused", "paused")
    world.record("destroying", "destroying")
    world.record("locked", access=with_password("secret", b"0" * 16).to_json())
    eventually(lambda: world.page("locked").status_code == 401)
    return {
        "deploying": "12 of 40 migrations",
        "asleep": "Waking up",
        "failed": "UndefinedTable",
        "paused": "paused by its team",
        "destroying": "being removed",
        "locked": "asks for a password",
        "nobody": "no review app of this name",
    }


def test_every_page_fits_phones_and_desktops_in_light_and_dark(
    world: World, browser: Browser, tmp_path: Path
) -> None:
    """Set ROUTER_SCREENSHOTS to a folder to look at them."""
    pages = write_all(world)
    folder = Path(os.environ.get("ROUTER_SCREENSHOTS", tmp_path / "shots"))
    for name, width, height in SIZES:
        for dark in (False, True):
            browser.size(width, height, dark)
            for slug, words in pages.items():
                browser.open(f"{slug}.localhost")
                assert words in browser.text(), slug
                wide = browser.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{slug} is {wide} wide on {name}"
                ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
                assert ("251" in ground) != dark, ground
                browser.shot(folder / f"{slug}-{name}-{'dark' if dark else 'light'}.png")
    assert len(list(folder.glob("*.png"))) >= len(pages) * len(SIZES) * 2
    # Nothing was blocked by the pages' own content security policy and no script failed.
    assert browser.complaints() == []


def test_the_deploying_page_becomes_the_app_by_itself(world: World, browser: Browser) -> None:
    world.record("shop", "deploying", steps=STEPS, estimate_seconds=40, since=ago(3))
    eventually(lambda: world.page("shop").status_code == 503)
    browser.size(390, 844)
    browser.open("shop.localhost", "/cart?x=1")
    assert "12 of 40" in browser.text()
    world.record(
        "shop", "deploying", steps=[*STEPS[:3], STEPS[3] | {"detail": "39 of 40"}, *STEPS[4:]]
    )
    eventually(lambda: "39 of 40" in browser.text(), 10, 0.1)
    app = world.app("shop")
    app.paths["/cart"] = lambda h: h.send(200, b"<h1>The cart</h1>", {"Content-Type": "text/html"})
    world.record("shop")
    world.route("shop", app.place)
    eventually(lambda: "The cart" in browser.text(), 10, 0.1)
    assert browser.evaluate("location.pathname + location.search") == "/cart?x=1"


def test_the_waking_page_becomes_the_app_by_itself(world: World, browser: Browser) -> None:
    world.record("shop", "asleep", estimate_seconds=3)
    eventually(lambda: world.page("shop").status_code == 503)
    browser.open("shop.localhost")
    eventually(lambda: world.consul.get(f"{world.prefix}wishes/shop"))
    time.sleep(0.5)
    app = world.app("shop")
    app.paths["/"] = lambda h: h.send(200, b"<h1>Good morning</h1>", {"Content-Type": "text/html"})
    world.record("shop")
    world.route("shop", app.place)
    eventually(lambda: "Good morning" in browser.text(), 10, 0.1)


def test_without_scripts_the_page_asks_again_by_itself(world: World, browser: Browser) -> None:
    world.record("shop", "deploying", steps=STEPS)
    eventually(lambda: world.page("shop").status_code == 503)
    browser.scripts(False)
    browser.open("shop.localhost")
    app = world.app("shop")
    app.paths["/"] = lambda h: h.send(
        200, b"<h1>No script here</h1>", {"Content-Type": "text/html"}
    )
    world.record("shop")
    world.route("shop", app.place)
    eventually(lambda: world.get("shop").status_code == 200)
    eventually(lambda: "No script here" in browser.text(), 15, 0.2)


def test_the_password_page_opens_the_app(world: World, browser: Browser) -> None:
    app = world.run("locked", access=with_password("secret", b"0" * 16).to_json())
    app.paths["/in"] = lambda h: h.send(200, b"<h1>Inside</h1>", {"Content-Type": "text/html"})
    browser.open("locked.localhost", "/in")
    browser.evaluate(
        "document.querySelector('#password').value = 'wrong'; document.forms[0].submit()"
    )
    eventually(lambda: "was not the password" in browser.text(), 10, 0.1)
    browser.evaluate(
        "document.querySelector('#password').value = 'secret'; document.forms[0].submit()"
    )
    eventually(lambda: "Inside" in browser.text(), 10, 0.1)


def test_no_app_plants_a_cookie_on_its_sibling(world: World, browser: Browser) -> None:
    evil, good = world.run("evil"), world.run("good")
    for app in (evil, good):
        app.paths["/"] = lambda h: h.send(200, b"<p>x</p>", {
            "Content-Type": "text/html",
            "Set-Cookie": "own=1; Path=/\nplanted=1; Domain\t=.localhost; Path=/",
        } if h.server.app.name == "evil" else {"Content-Type": "text/html"})  # fmt: skip
    browser.open("evil.localhost")
    assert "own=1" in browser.evaluate("document.cookie")
    browser.open("good.localhost")
    assert browser.evaluate("document.cookie") == ""
    sent = [headers.get("Cookie", "") for _, path, headers, _ in good.requests if path == "/"]
    assert sent
    assert not any("planted" in cookie for cookie in sent)
