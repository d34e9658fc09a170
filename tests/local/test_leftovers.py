"""What agents leave behind goes, and what names the cluster goes last."""

import shutil
from pathlib import Path

import pytest

from reviewapps.local import leftovers


def test_a_folder_goes_with_all_in_it_and_a_second_time_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    (folder / "nodes/1").mkdir(parents=True)
    (folder / "nodes/1/nomad.log").touch()
    (folder / "cluster.json").touch()
    (folder / "outside").symlink_to(tmp_path)
    leftovers.remove_folder(folder)
    leftovers.remove_folder(folder)
    assert not folder.exists()
    assert tmp_path.exists()


def test_a_removal_that_is_killed_leaves_what_names_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cluster"
    for name in ("a", "nodes", "server"):
        (folder / name).mkdir(parents=True)
    (folder / "cluster.json").touch()
    remove = shutil.rmtree

    def killed_at_the_last(place: Path) -> None:
        if place.name == "server":
            raise KeyboardInterrupt
        remove(place)

    monkeypatch.setattr(shutil, "rmtree", killed_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        leftovers.remove_folder(folder)
    assert sorted(each.name for each in folder.iterdir()) == ["cluster.json", "server"]
