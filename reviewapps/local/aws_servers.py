"""The database servers and snapshots of the local AWS, as files that outlive both processes.

    rds/instances/ID/instance.json   what RDS was asked for; written by the API
                     address         where the server is; written by the watcher
                     server.json     that it answers, and the password it has; by the watcher
                     trouble         why it does not come up; by the watcher
                     data/           what the server keeps
    rds/snapshots/NAME/snapshot.json what it is a snapshot of; written by the API
                       data/         the copy, whole or not there at all

ID is RDS' own, which changes when an instance is deleted and made again. An instance is gone when
its folder is; a folder without instance.json is one that is being removed.
"""

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reviewapps.local.cluster import Cluster
from reviewapps.local.cluster import replace as write


@dataclass(frozen=True)
class Server:
    """An instance as RDS was asked for it; `password` "" leaves what a snapshot has.

    `snapshot` is what it is restored from, `given` whatever else the API tells of it.
    """

    id: str
    name: str
    engine: str
    port: int
    user: str
    password: str = ""
    managed: bool = False
    snapshot: str = ""
    deleting: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """A copy of the data of an instance, and the instance as it was."""

    name: str
    of: Server


def instance_folder(cluster: Cluster, instance_id: str) -> Path:
    """Return where everything of an instance is."""
    return cluster.folder / "rds" / "instances" / instance_id


def snapshot_folder(cluster: Cluster, name: str) -> Path:
    """Return where everything of a snapshot is; its name may hold anything."""
    return cluster.folder / "rds" / "snapshots" / quote(name, safe="")


def save(cluster: Cluster, server: Server) -> None:
    """Write down what is wanted; the folder appears with it or not at all."""
    folder = instance_folder(cluster, server.id)
    if folder.exists():
        write(folder / "instance.json", json.dumps(asdict(server)), mode=0o600)
        return
    scratch = folder.with_name(f".{server.id}")
    write(scratch / "instance.json", json.dumps(asdict(server)), mode=0o600)
    scratch.rename(folder)


def servers(cluster: Cluster) -> list[Server]:
    """Return all instances, by name."""
    texts = map(read, (cluster.folder / "rds" / "instances").glob("[!.]*/instance.json"))
    return sorted((Server(**json.loads(text)) for text in texts if text), key=lambda s: s.name)


def find(cluster: Cluster, instance_id: str) -> Server | None:
    """Return an instance, None when it is gone or on its way out."""
    text = read(instance_folder(cluster, instance_id) / "instance.json")
    return Server(**json.loads(text)) if text else None


def remains(cluster: Cluster) -> list[str]:
    """Return the ids of folders whose instance was on its way out."""
    folders = (cluster.folder / "rds" / "instances").glob("[!.]*")
    return sorted(each.name for each in folders if not (each / "instance.json").exists())


def save_snapshot(cluster: Cluster, snapshot: Snapshot) -> None:
    """Ask for a copy of the data as they are now."""
    stripped = replace(snapshot, of=replace(snapshot.of, password="", managed=False))
    folder = snapshot_folder(cluster, snapshot.name)
    write(folder / "snapshot.json", json.dumps(asdict(stripped)), mode=0o600)


def snapshots(cluster: Cluster) -> list[Snapshot]:
    """Return all snapshots, by name."""
    texts = map(read, (cluster.folder / "rds" / "snapshots").glob("*/snapshot.json"))
    found = [json.loads(text) for text in texts if text]
    made = [Snapshot(each["name"], Server(**each["of"])) for each in found]
    return sorted(made, key=lambda each: each.name)


def is_complete(cluster: Cluster, snapshot: str) -> bool:
    """Say whether a snapshot's data have been copied."""
    return (snapshot_folder(cluster, snapshot) / "data").exists()


def forget_snapshot(cluster: Cluster, name: str) -> None:
    """Remove a snapshot and its data; succeeds when it is gone."""
    folder = snapshot_folder(cluster, name)
    (folder / "snapshot.json").unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def exists(cluster: Cluster, instance_id: str) -> bool:
    """Say whether anything is left of an instance."""
    return instance_folder(cluster, instance_id).exists()


def applied(cluster: Cluster, instance_id: str) -> str | None:
    """Return the password that the server has, None when it has never answered."""
    found = read(instance_folder(cluster, instance_id) / "server.json")
    return str(json.loads(found)["password"]) if found else None


def note_applied(cluster: Cluster, server: Server) -> None:
    """Write down that the server answers, with the password that is wanted."""
    note(cluster, server.id, "server.json", json.dumps({"password": server.password}))


def note(cluster: Cluster, instance_id: str, name: str, text: str) -> None:
    """Write a file of an instance, unless the instance is gone: that never brings it back."""
    file = instance_folder(cluster, instance_id) / name
    scratch = file.with_name(f".{name}")
    with contextlib.suppress(FileNotFoundError):
        scratch.touch(mode=0o600)
        scratch.write_text(text)
        scratch.replace(file)


def address(cluster: Cluster, instance_id: str) -> str:
    """Return the server's address, "" when it has none yet."""
    return read(instance_folder(cluster, instance_id) / "address")


def trouble(cluster: Cluster, instance_id: str) -> str:
    """Return why a server does not come up, "" when nothing is in the way."""
    return read(instance_folder(cluster, instance_id) / "trouble")


def read(file: Path) -> str:
    """Return what a file says, "" when it is not there."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""
