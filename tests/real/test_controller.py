"""Controllers on a real cluster: one leads, and when it dies another goes on."""

import json
import signal

import pytest

from reviewapps import controller
from reviewapps.clients.consul import delete
from reviewapps.store import keys
from tests.real.apps import Place, until

pytestmark = pytest.mark.real


def leader(place: Place) -> int:
    """Return the process that leads, 0 while none does."""
    _, entry = place.clients.consul.get(keys.lock(controller.LOCK))
    return int(json.loads(entry.value)["pid"]) if entry and entry.session else 0


def test_when_the_leader_is_killed_another_controller_mends_the_app(place: Place) -> None:
    place.only()
    assert place.deploy().code == 0
    first = place.start("controller")
    until(lambda: leader(place) == first.process.pid, "the first to lead")
    second = place.start("controller")
    try:
        first.process.send_signal(signal.SIGKILL)
        first.done()
        until(lambda: leader(place) == second.process.pid, "the second to lead")
        place.clients.consul.transact(delete(keys.route(place.record().host)))
        until(place.route, "the route to be there again")
        assert place.get() == "release 1"
        assert leader(place) == second.process.pid
    finally:
        second.process.terminate()
        done = second.done()
    assert done.code == 0, done.said
