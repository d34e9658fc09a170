"""RDS as AWS does it, where moto's differs: instances that take time, and data in snapshots.

moto's instances are there at once, all with the same id and with a password that nobody has.
`install` changes that in the process that serves the local AWS: what is asked for is written down
(aws_servers.py), aws_databases.py makes a real server of it, and an instance is available, and its
secret has a value, once that server answers. Engines without an image here stay as moto has them.
"""

import json
import secrets
import threading
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.rds.models import DBInstance, DBSnapshot, MasterUserSecret, RDSBackend, rds_backends
from moto.secretsmanager.models import SecretsManagerBackend

from reviewapps.local import aws_servers
from reviewapps.local.aws_engines import ENGINES
from reviewapps.local.aws_servers import Server, Snapshot
from reviewapps.local.cluster import Cluster

AVAILABLE = "available"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
KEPT = (
    *("db_instance_class", "engine_version", "allocated_storage", "max_allocated_storage"),
    *("backup_retention_period", "storage_encrypted", "storage_type", "publicly_accessible"),
    *("copy_tags_to_snapshot", "deletion_protection", "vpc_security_group_ids", "multi_az", "tags"),
)
ELSEWHERE = (
    *("restore_db_instance_to_point_in_time", "create_db_instance_read_replica"),
    *("copy_db_snapshot", "promote_read_replica"),
)
VERSIONS = {"postgres": "15.0", "mysql": "10.11", "mariadb": "10.11"}


class NotNow(ServiceException):
    """What AWS answers when the instance or the snapshot is at work."""

    code = "InvalidDBInstanceState"


class SnapshotNotReady(ServiceException):
    """What AWS answers when a snapshot is still being made."""

    code = "InvalidDBSnapshotState"


class NotHere(ServiceException):
    """What only the local AWS answers: an instance made so would have none of the data."""

    code = "InvalidParameterCombination"


def install(cluster: Cluster, region: str) -> None:  # noqa: PLR0915 - one patch after the other
    """Change moto in this process, and bring back the instances that are on disk."""
    init: Any = DBInstance.__init__
    create = RDSBackend.create_db_instance
    delete = RDSBackend.delete_db_instance
    describe = RDSBackend.describe_db_instances
    restore = RDSBackend.restore_db_instance_from_db_snapshot
    snap, forget = RDSBackend.create_db_snapshot, RDSBackend.delete_db_snapshot
    writing = threading.RLock()
    get_secret, rotate = SecretsManagerBackend.get_secret_value, SecretsManagerBackend.rotate_secret

    def begin(self: Any, *arguments: Any, **options: Any) -> None:
        self.local_snapshot = options.get("local_snapshot", "")
        init(self, *arguments, **options)

    def resource_id(self: Any) -> str:
        return str(vars(self).setdefault("local_id", new_id()))

    def purge(self: Any) -> None:
        with writing:
            for name, each in list(self.databases.items()):
                left = is_ours(each) and aws_servers.exists(cluster, each.dbi_resource_id)
                if is_ours(each) and each._status == "deleting" and not left:
                    each.deletion_protection = False  # it may have been protected too late
                    delete(self, name, skip_final_snapshot=True)

    def status(self: Any) -> str:
        if not is_ours(self) or self._status != AVAILABLE:
            return str(self._status)
        has = aws_servers.applied(cluster, self.dbi_resource_id)
        return "creating" if has is None else AVAILABLE

    def endpoint(self: Any) -> dict[str, Any] | None:
        if not is_ours(self):
            return {"Address": self.address, "Port": self.port}
        if status(self) == "creating":
            return None
        return {"Address": aws_servers.address(cluster, self.dbi_resource_id), "Port": self.port}

    def create_db_instance(self: Any, db_kwargs: Any) -> Any:
        purge(self)
        if "local_snapshot" in db_kwargs:  # RDS takes no wish for a password at a restore
            db_kwargs |= {"manage_master_user_password": False, "master_user_password": None}
        database = create(self, db_kwargs)
        keep(self)
        return database

    def delete_db_instance(
        self: Any,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool = False,
        **more: Any,
    ) -> Any:
        purge(self)
        name, final = db_instance_identifier, final_db_snapshot_identifier
        found = self.databases.get(name)
        if found is None or not is_ours(found) or found.deletion_protection:
            return delete(self, name, final, skip_final_snapshot, **more)
        if found._status == "deleting":
            raise NotNow(f"Instance {name} is already being deleted.")
        if final and not skip_final_snapshot:
            self.create_db_snapshot(name, final)
        found.status = "deleting"  # `purge` follows when the server is gone
        keep(self)
        return found

    def describe_db_instances(self: Any, *arguments: Any, **options: Any) -> Any:
        purge(self)
        return describe(self, *arguments, **options)

    def restore_db_instance_from_db_snapshot(self: Any, from_snapshot_id: str, given: Any) -> Any:
        name = from_snapshot_id.rpartition(":")[2]
        found = self.database_snapshots.get(name)
        if found and is_ours(found.database):
            require_complete(name)
            given["local_snapshot"] = name
        database: Any = restore(self, name, given)
        database.deletion_protection = bool(given.get("deletion_protection"))
        keep(self)
        return database

    def create_db_snapshot(
        self: Any,
        db_instance_identifier: str,
        db_snapshot_identifier: str,
        *rest: Any,
        **more: Any,
    ) -> Any:
        database = self.databases.get(db_instance_identifier)
        if database and is_ours(database) and status(database) != AVAILABLE:
            raise NotNow(f"Instance {db_instance_identifier} is not currently available.")
        snapshot = snap(self, db_instance_identifier, db_snapshot_identifier, *rest, **more)
        if is_ours(database):
            wanted = Snapshot(db_snapshot_identifier, server_of(database))
            aws_servers.save_snapshot(cluster, wanted)
        return snapshot

    def delete_db_snapshot(self: Any, db_snapshot_identifier: str) -> Any:
        found = self.database_snapshots.get(db_snapshot_identifier)
        if found and is_ours(found.database):
            require_complete(db_snapshot_identifier)
            aws_servers.forget_snapshot(cluster, db_snapshot_identifier)
        return forget(self, db_snapshot_identifier)

    def require_complete(name: str) -> None:
        if not aws_servers.is_complete(cluster, name):
            raise SnapshotNotReady(f"Snapshot {name} is not in available state.")

    def snapshot_status(self: Any) -> str:
        whole = not is_ours(self.database) or aws_servers.is_complete(
            cluster, self.db_snapshot_identifier
        )
        return AVAILABLE if whole else "creating"

    def keep(self: Any) -> None:
        with writing:
            for each in [each for each in list(self.databases.values()) if is_ours(each)]:
                wanted = server_of(each)
                if wanted != each.local_kept:
                    aws_servers.save(cluster, wanted)
                    each.local_kept = wanted

    def then_keep(name: str) -> None:
        real = getattr(RDSBackend, name)

        def changed(self: Any, *arguments: Any, **options: Any) -> Any:
            answer = real(self, *arguments, **options)
            keep(self)
            return answer

        setattr(RDSBackend, name, changed)

    def generate_secret(self: Any) -> str:
        self.resource.local_password = secrets.token_urlsafe(24)
        return secret_text(self.resource, self.resource.local_password)

    def rotate_managed(self: Any) -> None:
        self.resource.local_password = secrets.token_urlsafe(24)  # `keep` follows

    def secret_status(self: Any) -> str:
        has = aws_servers.applied(cluster, self.resource.dbi_resource_id)
        if not has:
            return "creating"
        return "active" if has == self.resource.local_password else "rotating"

    def get_secret_value(self: Any, secret_id: str, *rest: Any, **more: Any) -> Any:
        database = owner_of(self, secret_id)
        has = aws_servers.applied(cluster, database.dbi_resource_id) if database else None
        if database and has:
            text, secret = secret_text(database, has), database.master_user_secret.secret
            if secret.versions[secret.default_version_id]["secret_string"] != text:
                self._add_secret(secret.name, secret_string=text)
        return get_secret(self, secret_id, *rest, **more)

    def rotate_secret(self: Any, secret_id: str, *rest: Any, **more: Any) -> Any:
        database = owner_of(self, secret_id)
        if database is None:
            return rotate(self, secret_id, *rest, **more)
        rotate_managed(database.master_user_secret)
        keep(database.backend)
        return database.master_user_secret.secret.to_short_dict()

    def is_elsewhere(name: str) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise NotHere(f"the local AWS has no {name}: use a snapshot and restore it")

        return refuse

    DBInstance.default_engine_versions.update(VERSIONS)
    for name, value in (
        ("__init__", begin),
        ("dbi_resource_id", property(resource_id, lambda *_: None)),
        ("local_kept", None),
        ("local_password", ""),
        ("status", property(status, lambda self, value: setattr(self, "_status", value))),
        ("endpoint", property(endpoint)),
        ("save_automated_backup", lambda _: None),
    ):
        setattr(DBInstance, name, value)
    for method in (
        *(create_db_instance, delete_db_instance, describe_db_instances, create_db_snapshot),
        *(delete_db_snapshot, restore_db_instance_from_db_snapshot),
    ):
        setattr(RDSBackend, method.__name__, method)
    for name in ("modify_db_instance", "add_tags_to_resource", "remove_tags_from_resource"):
        then_keep(name)
    for name in ELSEWHERE:
        setattr(RDSBackend, name, is_elsewhere(name))
    for name, made in (
        ("_generate_secret_string", generate_secret),
        ("rotate_secret", rotate_managed),
        ("secret_status", property(secret_status)),
    ):
        setattr(MasterUserSecret, name, made)
    setattr(DBSnapshot, "status", property(snapshot_status, lambda *_: None))  # noqa: B010
    setattr(SecretsManagerBackend, "get_secret_value", get_secret_value)  # noqa: B010
    setattr(SecretsManagerBackend, "rotate_secret", rotate_secret)  # noqa: B010

    backend = rds_backends[DEFAULT_ACCOUNT_ID][region]
    for server in aws_servers.servers(cluster):
        database = brought_back(backend, server)
        database.local_kept = server
        backend.databases[server.name] = database
    for snapshot in aws_servers.snapshots(cluster):
        made_of = brought_back(backend, snapshot.of)
        backend.database_snapshots[snapshot.name] = DBSnapshot(backend, made_of, snapshot.name)


def is_ours(database: Any) -> bool:
    """Say whether a real server stands behind an instance."""
    return bool(database.engine in ENGINES and not database.db_cluster_identifier)


def new_id() -> str:
    """Return an id for an instance, as RDS makes them."""
    return "db-" + "".join(secrets.choice(ALPHABET) for _ in range(26))


def server_of(database: Any) -> Server:
    """Return what is written down of one of moto's instances."""
    managed = bool(database.manage_master_user_password)
    password = database.local_password if managed else vars(database).get("_master_user_password")
    return Server(
        id=database.dbi_resource_id,
        name=database.db_instance_identifier,
        engine=database.engine,
        port=int(database.port),
        user=database.master_username,
        password=password or "",
        managed=managed,
        snapshot=database.local_snapshot,
        deleting=database._status == "deleting",
        given={name: getattr(database, name) for name in KEPT},
    )


def brought_back(backend: Any, server: Server) -> Any:
    """Return moto's instance of what is written down."""
    make: Any = DBInstance
    database = make(
        backend,
        db_instance_identifier=server.name,
        engine=server.engine,
        port=server.port,
        master_username=server.user,
        master_user_password=None if server.managed else server.password,
        manage_master_user_password=server.managed,
        **server.given,
    )
    database.local_id = server.id
    database.local_snapshot = server.snapshot
    database.local_password = server.password if server.managed else ""
    database.status = "deleting" if server.deleting else AVAILABLE
    return database


def owner_of(manager: Any, secret_id: str) -> Any:
    """Return the instance of ours whose secret this is, or None."""
    instances: Any = rds_backends[manager.account_id][manager.region_name].databases
    for database in list(instances.values()):
        secret = getattr(getattr(database, "master_user_secret", None), "secret", None)
        if secret and database._status == AVAILABLE and secret_id in (secret.arn, secret.name):
            return database
    return None


def secret_text(database: Any, password: str) -> str:
    """Return a secret as RDS writes it."""
    return json.dumps({"username": database.master_username, "password": password})
