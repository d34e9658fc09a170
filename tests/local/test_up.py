"""Which cluster `up` starts: an existing one keeps what it is."""

from pathlib import Path

import pytest

from reviewapps import settings
from reviewapps.errors import UserError
from reviewapps.local import cluster as cluster_module
from reviewapps.local import up
from reviewapps.local.cluster import Cluster


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cluster_module, "HOME", tmp_path)
    return tmp_path


def test_the_first_cluster_has_number_0_and_one_node() -> None:
    first = up.choose("local", None, None)
    assert (first.number, first.nodes) == (0, 1)


def test_other_clusters_get_the_first_free_number() -> None:
    Cluster("a", 1).save()
    assert up.choose("b", None, None).number == 2


def test_an_existing_cluster_keeps_its_number_nodes_and_memory() -> None:
    saved = Cluster("a", 5, nodes=2, node_memory_mb=1234)
    saved.save()
    assert up.choose("a", None, None) == saved
    assert up.choose("a", 5, None) == saved


def test_an_existing_cluster_gets_more_nodes_when_asked() -> None:
    Cluster("a", 5, nodes=1, node_memory_mb=1234).save()
    assert up.choose("a", None, 3) == Cluster("a", 5, nodes=3, node_memory_mb=1234)


def test_an_existing_clusters_number_cant_change() -> None:
    Cluster("a", 5).save()
    with pytest.raises(UserError, match="the cluster a has the number 5, which can't change"):
        up.choose("a", 6, None)


def test_settings_are_those_that_every_command_reads(home: Path) -> None:
    cluster = Cluster("a", 5)
    cluster.save()
    up.write_settings(cluster)
    read = settings.load({"REVIEWAPPS_SETTINGS": str(cluster.settings_file)})
    assert read.nomad.address == "http://127.0.0.6:4646"
    assert read.consul.address == "http://127.0.0.6:8500"
    assert read.node_network == "10.86.5.0/24"
    assert read.postgresql
    assert (read.postgresql.host, read.postgresql.port) == ("10.86.5.1", 5432)
    before = cluster.settings_file.stat().st_mtime_ns
    up.write_settings(cluster)
    assert cluster.settings_file.stat().st_mtime_ns == before
