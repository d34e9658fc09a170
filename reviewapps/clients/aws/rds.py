"""RDS: the instance that apps share, and own ones restored from snapshots, each found by its tags.

Every call may be made again: an instance that exists already or is gone already is success.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reviewapps.clients.aws.session import Aws, Refused, errors
from reviewapps.clients.aws.tags import as_tags, read_tags
from reviewapps.errors import Failed, ServiceError, Unreachable, UserError
from reviewapps.settings import Create

ENGINES = {"postgresql": "postgres", "mysql": "mysql"}
KINDS = {"postgresql": ("postgres", "aurora-postgresql"), "mysql": ("mysql", "mariadb")}
COMING = (
    *("creating", "starting", "rebooting", "renaming", "resetting-master-credentials"),
    *("deleting", "delete-precheck"),
)
BROKEN = {
    "storage-full": "its disk is full: give it more with aws rds modify-db-instance",
    "stopped": "aws rds start-db-instance starts it",
    "stopping": "aws rds start-db-instance starts it",
    "failed": "RDS can't recover it; restore it from a backup",
    "restore-error": "destroy the app and deploy it again, or take another snapshot",
    "insufficient-capacity": "AWS has no such machine there now; take another instance class",
}
BROKEN_BEGINNINGS = ("incompatible-", "inaccessible-")
THROTTLED = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests")
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized")
EXISTS = "DBInstanceAlreadyExists"
GONE = ("DBInstanceNotFound", "DBInstanceNotFoundFault")
NOT_NOW = ("InvalidDBInstanceState", "InvalidDBInstanceStateFault")
FRESH_SECONDS = 5.0


@dataclass(frozen=True)
class Instance:
    """An RDS instance as AWS describes it; `id` changes when it is deleted and made again."""

    name: str
    id: str
    status: str
    engine: str
    host: str
    port: int
    user: str
    secret_arn: str
    secret_status: str
    protected: bool
    subnet_group: str
    security_groups: tuple[str, ...]
    instance_class: str
    tags: Mapping[str, str]

    @property
    def waiting(self) -> str:
        """Say what is waited for until it can be used, "" when it can."""
        if self.status in COMING or not self.host:
            return f"RDS instance {self.name} is {self.status}"
        if self.secret_status == COMING[0]:
            return f"RDS makes the administrator's password of {self.name}"
        return ""

    def require_whole(self) -> None:
        """Raise Failed, with RDS' own word, when it will not come to life by waiting."""
        if self.status in BROKEN or self.status.startswith(BROKEN_BEGINNINGS):
            raise Failed(
                f"RDS instance {self.name} is {self.status}",
                hint=BROKEN.get(self.status, "the RDS console's events say why"),
            )

    def require_engine(self, engine: str) -> None:
        """Raise UserError when it is no server of this engine."""
        if self.engine not in KINDS[engine]:
            raise UserError(f"RDS instance {self.name} is {self.engine}, not {engine}")


class Rds:
    """The RDS instances of one account and region. Safe to use from several threads."""

    def __init__(self, aws: Aws, clock: Callable[[], float] = time.monotonic) -> None:
        self._aws = aws
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, Instance | None]] = {}
        self._made: Any = None

    def find(self, name: str) -> Instance | None:
        """Return the instance as it was at most five seconds ago: what waits asks often."""
        with self._lock:
            at, found = self._seen.get(name, (0.0, None))
            if name not in self._seen or self._clock() - at > FRESH_SECONDS:
                found = self._describe(name)
                self._seen[name] = (self._clock(), found)
            return found

    def require(self, name: str, engine: str) -> Instance:
        """Return an instance that can be used now; says why when none can."""
        found = self.find(name)
        if found is None:
            raise ServiceError(
                f"there is no RDS instance {name}",
                hint=f"with {engine}.create in the settings, the next deploy creates it",
            )
        found.require_whole()
        found.require_engine(engine)
        if found.waiting:
            raise Unreachable(found.waiting, hint="the same command goes on once it is available")
        return found

    def owned(self) -> list[Instance]:
        """Return the instances that carry our tags."""
        found = []
        with asked("list the RDS instances", "DescribeDBInstances"):
            for page in self._api.get_paginator("describe_db_instances").paginate():
                found += [_instance(each) for each in page["DBInstances"]]
        return [each for each in found if each.tags]

    def create(self, name: str, engine: str, spec: Create, user: str) -> None:
        """Begin to make the instance that apps share, protected, with a password RDS manages."""
        with self._changing(name, f"create the RDS instance {name}", "CreateDBInstance", EXISTS):
            self._api.create_db_instance(
                DBInstanceIdentifier=name,
                Engine=ENGINES[engine],
                DBInstanceClass=spec.instance_class,
                AllocatedStorage=spec.storage_gb,
                MaxAllocatedStorage=4 * spec.storage_gb,
                StorageType="gp3",
                StorageEncrypted=True,
                MasterUsername=user,
                ManageMasterUserPassword=True,
                DeletionProtection=True,
                BackupRetentionPeriod=7,
                PubliclyAccessible=False,
                CopyTagsToSnapshot=True,
                Tags=as_tags({"kind": "server"}),
                **_given(
                    EngineVersion=spec.engine_version,
                    DBSubnetGroupName=spec.subnet_group,
                    VpcSecurityGroupIds=list(spec.security_groups),
                ),
            )

    def restore(self, name: str, snapshot: str, spec: Create, owner: Mapping[str, str]) -> None:
        """Begin to make an app's own instance from a snapshot."""
        doing = f"restore the RDS snapshot {snapshot}"
        try:
            with self._changing(name, doing, "RestoreDBInstanceFromDBSnapshot", EXISTS):
                self._api.restore_db_instance_from_db_snapshot(
                    DBInstanceIdentifier=name,
                    DBSnapshotIdentifier=snapshot,
                    DBInstanceClass=spec.instance_class,
                    PubliclyAccessible=False,
                    DeletionProtection=False,
                    Tags=as_tags({**owner, "kind": "snapshot", "snapshot": snapshot}),
                    **_given(
                        DBSubnetGroupName=spec.subnet_group,
                        VpcSecurityGroupIds=list(spec.security_groups),
                    ),
                )
        except Refused as refused:
            if refused.code.startswith("DBSnapshotNotFound"):
                raise UserError(
                    f"there is no RDS snapshot {snapshot}",
                    hint="database.snapshot in reviewapps.yml; aws rds describe-db-snapshots",
                ) from refused
            raise

    def manage_password(self, name: str) -> None:
        """Let RDS make a new administrator's password; not while the instance is busy."""
        doing = f"renew the administrator's password of {name}"
        with self._changing(name, doing, "ModifyDBInstance", *NOT_NOW):
            self._api.modify_db_instance(
                DBInstanceIdentifier=name, ManageMasterUserPassword=True, ApplyImmediately=True
            )

    def delete(self, name: str) -> None:
        """Begin to delete an instance without a last snapshot; one that is busy stays for now."""
        try:
            doing = f"delete the RDS instance {name}"
            with self._changing(name, doing, "DeleteDBInstance", *GONE, *NOT_NOW):
                self._api.delete_db_instance(
                    DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
                )
        except Refused as refused:
            if "protect" in refused.text.lower():
                raise UserError(
                    f"RDS instance {name} is protected against deletion; leaving it alone",
                    hint="aws rds modify-db-instance --no-deletion-protection "
                    f"--db-instance-identifier {name}",
                ) from refused
            raise

    @property
    def _api(self) -> Any:
        if self._made is None:
            self._made = self._aws.client("rds")
        return self._made

    def _describe(self, name: str) -> Instance | None:
        try:
            with asked(f"describe the RDS instance {name}", "DescribeDBInstances"):
                answer = self._api.describe_db_instances(DBInstanceIdentifier=name)
        except Refused as refused:
            if refused.code in GONE:
                return None
            raise
        return _instance(answer["DBInstances"][0])

    @contextlib.contextmanager
    def _changing(self, name: str, doing: str, action: str, *fine: str) -> Iterator[None]:
        """Look anew afterwards, also when no answer came; refusals with a code of `fine` pass."""
        try:
            with asked(doing, action):
                yield
        except Refused as refused:
            if refused.code not in fine:
                raise
        finally:
            with self._lock:
                self._seen.pop(name, None)


@contextlib.contextmanager
def asked(doing: str, action: str) -> Iterator[None]:
    """Turn boto3's errors into ours; who is throttled asks again, who may not learns the right."""
    try:
        with errors(doing):
            yield
    except Refused as refused:
        if refused.code in THROTTLED:
            raise Unreachable(f"AWS wants to be asked less often to {doing}") from refused
        if refused.code in DENIED:
            refused.hint = f"the role needs rds:{action}; terraform/ci.tf has CI's"
        raise


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _instance(found: Mapping[str, Any]) -> Instance:
    place = found.get("Endpoint") or {}
    secret = found.get("MasterUserSecret") or {}
    groups = found.get("VpcSecurityGroups") or []
    return Instance(
        name=found["DBInstanceIdentifier"],
        id=found.get("DbiResourceId", ""),
        status=found["DBInstanceStatus"],
        engine=found["Engine"],
        host=place.get("Address", ""),
        port=int(place.get("Port", 0)),
        user=found.get("MasterUsername", ""),
        secret_arn=secret.get("SecretArn", ""),
        secret_status=secret.get("SecretStatus", ""),
        protected=bool(found.get("DeletionProtection")),
        subnet_group=(found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName", ""),
        security_groups=tuple(each["VpcSecurityGroupId"] for each in groups),
        instance_class=found.get("DBInstanceClass", ""),
        tags=read_tags(found.get("TagList") or []),
    )
