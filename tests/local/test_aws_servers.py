"""The files of the local RDS: whole or not there, and never brought back by a late writer."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reviewapps.local import aws_servers
from reviewapps.local import cluster as module
from reviewapps.local.aws_servers import Server, Snapshot
from reviewapps.local.cluster import Cluster

SERVER = Server("db-A", "apps", "postgres", 5432, "admin", "secret", managed=True)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(module, "HOME", tmp_path)
    return Cluster("mine", 3)


def test_what_was_asked_for_is_read_as_it_was_written_and_for_root_only(mine: Cluster) -> None:
    other = replace(SERVER, id="db-B", name="a", given={"tags": [{"Key": "k", "Value": "ż"}]})
    for each in (SERVER, other, replace(SERVER, password="second")):
        aws_servers.save(mine, each)
    assert aws_servers.servers(mine) == [other, replace(SERVER, password="second")]
    assert aws_servers.find(mine, "db-B") == other
    assert aws_servers.find(mine, "db-C") is None
    file = aws_servers.instance_folder(mine, "db-A") / "instance.json"
    assert file.stat().st_mode & 0o077 == 0


def test_a_server_has_answered_when_its_password_is_written_down(mine: Cluster) -> None:
    aws_servers.save(mine, SERVER)
    assert aws_servers.applied(mine, "db-A") is None
    aws_servers.note_applied(mine, replace(SERVER, password=""))
    assert aws_servers.applied(mine, "db-A") == ""
    aws_servers.note_applied(mine, SERVER)
    assert aws_servers.applied(mine, "db-A") == "secret"


def test_a_late_note_does_not_bring_a_removed_instance_back(mine: Cluster) -> None:
    aws_servers.save(mine, SERVER)
    aws_servers.note(mine, "db-A", "address", "10.86.3.210")
    assert aws_servers.address(mine, "db-A") == "10.86.3.210"
    shutil.rmtree(aws_servers.instance_folder(mine, "db-A"))
    aws_servers.note(mine, "db-A", "address", "10.86.3.210")
    aws_servers.note_applied(mine, SERVER)
    assert not aws_servers.exists(mine, "db-A")
    assert (aws_servers.servers(mine), aws_servers.remains(mine)) == ([], [])


def test_a_removal_that_was_stopped_half_way_is_seen(mine: Cluster) -> None:
    aws_servers.save(mine, SERVER)
    (aws_servers.instance_folder(mine, "db-A") / "instance.json").unlink()
    assert aws_servers.servers(mine) == []
    assert aws_servers.remains(mine) == ["db-A"]


@pytest.mark.parametrize("name", ["nightly", "../instances/db-A", "rds:apps-2026"])
def test_a_snapshot_keeps_no_password_and_stays_in_its_folder(mine: Cluster, name: str) -> None:
    aws_servers.save(mine, SERVER)
    aws_servers.save_snapshot(mine, Snapshot(name, SERVER))
    assert aws_servers.snapshots(mine) == [
        Snapshot(name, replace(SERVER, password="", managed=False))
    ]
    folder = aws_servers.snapshot_folder(mine, name)
    assert folder.parent == mine.folder / "rds" / "snapshots"
    assert not aws_servers.is_complete(mine, name)
    (folder / "data").mkdir()
    assert aws_servers.is_complete(mine, name)
    aws_servers.forget_snapshot(mine, name)
    aws_servers.forget_snapshot(mine, name)
    assert aws_servers.snapshots(mine) == []
    assert aws_servers.find(mine, "db-A") == SERVER
