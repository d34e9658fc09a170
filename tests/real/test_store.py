"""What records, routes and locks promise, on a real Consul: the tests of tests/store."""

from collections.abc import Iterator

import pytest

from reviewapps.clients.consul import Consul, delete_below
from reviewapps.settings import Settings
from reviewapps.store import keys
from tests.store.test_store import *  # noqa: F403 - the same tests, with another `consul`

pytestmark = pytest.mark.real
ROOTS = [name for name in vars(keys) if name.isupper()]


@pytest.fixture  # type: ignore[no-redef] # it takes the stand-in's place
def consul(cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consul]:
    """A real Consul, with all keys below a root of this test's own."""
    for name in ROOTS:
        monkeypatch.setattr(keys, name, f"store-test/{getattr(keys, name)}")
    client = Consul(cluster.consul)
    client.transact(delete_below("store-test/"))
    yield client
    client.transact(delete_below("store-test/"))
