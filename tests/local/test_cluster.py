"""What follows from a cluster's name and number."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapps.errors import UserError
from reviewapps.local import cluster as module
from reviewapps.local.cluster import Cluster, choose_number, load, replace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "HOME", tmp_path)
    return tmp_path


def test_cluster_0_is_where_people_look_without_settings() -> None:
    first = Cluster()
    assert (first.bridge, first.network, first.address, first.loopback) == (
        "rv0",
        "10.86.0.0/24",
        "10.86.0.1",
        "127.0.0.1",
    )


def test_further_nodes_are_namespaces_with_addresses_from_11_on() -> None:
    first, second, third = (Cluster("test", 7).node(k) for k in (1, 2, 3))
    assert (first.address, first.namespace, first.docker_host) == ("10.86.7.1", "", "")
    assert (second.address, second.namespace) == ("10.86.7.11", "rv7-2")
    assert (third.address, third.namespace) == ("10.86.7.12", "rv7-3")


@given(number=st.integers(0, 250), k=st.integers(2, 21))
def test_names_of_interfaces_and_sockets_are_never_too_long(number: int, k: int) -> None:
    node = Cluster("a" * 20, number).node(k)
    assert len(node.namespace) <= 15
    assert len(node.docker_host.removeprefix("unix://")) < 108


def test_a_saved_cluster_is_loaded_as_it_was(home: Path) -> None:
    saved = Cluster("mine", 9, nodes=3, node_memory_mb=2048)
    saved.save()
    assert load("mine") == saved
    assert module.known() == [saved]


def test_a_cluster_that_was_never_started_is_none(home: Path) -> None:
    assert load("other") is None


def test_a_damaged_file_is_told_with_its_folder(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine/cluster.json").write_text('{"name": "mi')
    with pytest.raises(UserError, match=r"mine/cluster\.json is damaged"):
        load("mine")


@pytest.mark.parametrize("name", ["", "../x", "A", "1a", "a" * 21, "a b", "a\n", "-a"])
def test_names_that_could_leave_the_folder_are_refused(home: Path, name: str) -> None:
    with pytest.raises(UserError, match="can't be a cluster's name"):
        load(name)


def test_numbers_are_given_out_once() -> None:
    others = [Cluster("a", 1), Cluster("b", 2)]
    assert choose_number("local", None, others) == 0
    assert choose_number("c", None, others) == 3
    assert choose_number("a", 1, others) == 1
    with pytest.raises(UserError, match="number 2 belongs to the cluster b"):
        choose_number("a", 2, others)


def test_a_secret_file_is_never_readable_by_others(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o644)
    replace(file, "secret", mode=0o600)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == "secret"
    assert list(tmp_path.iterdir()) == [file]
