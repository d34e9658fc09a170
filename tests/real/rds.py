"""The local RDS as a test uses it: instances that are real servers, and logins to them."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pymysql
from botocore.exceptions import ClientError

from reviewapps.clients.docker import Docker
from reviewapps.local import aws, aws_databases
from reviewapps.local.cluster import Cluster
from tests.real.apps import until

SECONDS = 180  # until a server answers, on a machine that does much else


class LocalRds:
    """The instances, snapshots and secrets of one cluster's account."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.api = aws.client(cluster, "rds")
        self.secrets = aws.client(cluster, "secretsmanager")

    def find(self, name: str) -> dict[str, Any] | None:
        """Return an instance as RDS describes it."""
        try:
            found = self.api.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("DBInstanceNotFound",), error
            return None
        described: dict[str, Any] = found[0]
        return described

    @property
    def names(self) -> list[str]:
        """Return the names of all instances."""
        found = self.api.describe_db_instances()["DBInstances"]
        return sorted(each["DBInstanceIdentifier"] for each in found)

    def create(self, name: str, engine: str = "postgres", **more: Any) -> dict[str, Any]:
        """Create an instance, wait until it is available, and return it."""
        self.api.create_db_instance(
            DBInstanceIdentifier=name,
            Engine=engine,
            DBInstanceClass="db.t4g.micro",
            AllocatedStorage=20,
            MasterUsername="admin",
            **({"ManageMasterUserPassword": True} | more),
        )
        return self.available(name)

    def available(self, name: str) -> dict[str, Any]:
        """Wait until an instance and its secret can be used, and return it."""

        def is_available() -> bool:
            found = self.find(name) or {}
            secret = found.get("MasterUserSecret", {}).get("SecretStatus")
            return found.get("DBInstanceStatus") == "available" and secret != "creating"

        until(is_available, f"{name} to be available", SECONDS)
        found = self.find(name)
        assert found
        return found

    def snap(self, name: str, snapshot: str) -> None:
        """Take a snapshot and wait until it is available."""
        self.api.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot)
        self.taken(snapshot)

    def taken(self, snapshot: str) -> None:
        """Wait until a snapshot is available."""

        def is_taken() -> bool:
            found = self.api.describe_db_snapshots(DBSnapshotIdentifier=snapshot)["DBSnapshots"]
            return bool(found[0]["Status"] == "available")

        until(is_taken, f"the snapshot {snapshot}", SECONDS)

    def protect(self, name: str, protected: bool) -> None:
        """Protect an instance against deletion, or no longer."""
        self.api.modify_db_instance(
            DBInstanceIdentifier=name, DeletionProtection=protected, ApplyImmediately=True
        )

    def rotate(self, name: str) -> None:
        """Let RDS renew the password, as it does every seven days."""
        self.api.modify_db_instance(
            DBInstanceIdentifier=name, RotateMasterUserPassword=True, ApplyImmediately=True
        )

    def remove(self, name: str) -> None:
        """Delete an instance and wait until it is gone."""
        if self.find(name):
            self.protect(name, protected=False)
            self.api.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        until(lambda: self.find(name) is None, f"{name} to be gone", SECONDS)

    def clear(self) -> None:
        """Remove all instances and snapshots."""
        for name in self.names:
            self.remove(name)
        for each in self.api.describe_db_snapshots()["DBSnapshots"]:
            self.api.delete_db_snapshot(DBSnapshotIdentifier=each["DBSnapshotIdentifier"])

    def password(self, name: str) -> str:
        """Return the master password as the managed secret has it now."""
        found = self.find(name)
        assert found
        arn = found["MasterUserSecret"]["SecretArn"]
        text = self.secrets.get_secret_value(SecretId=arn)["SecretString"]
        return str(json.loads(text)["password"])

    @contextmanager
    def login(
        self, name: str, database: str = "postgres", password: str = ""
    ) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lend a connection as the master user."""
        found = self.find(name)
        assert found
        with psycopg.connect(
            host=found["Endpoint"]["Address"],
            port=found["Endpoint"]["Port"],
            user=found["MasterUsername"],
            password=password or self.password(name),
            dbname=database,
            autocommit=True,
        ) as connection:
            yield connection

    def make_database(self, name: str, database: str = "shop") -> None:
        """Create a database of the master user's."""
        with self.login(name) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())

    @contextmanager
    def mysql_login(self, name: str) -> Iterator[Any]:
        """Lend a cursor as the master user."""
        found = self.find(name)
        assert found
        connection: Any = pymysql.connect(
            host=found["Endpoint"]["Address"],
            port=found["Endpoint"]["Port"],
            user=found["MasterUsername"],
            password=self.password(name),
            autocommit=True,
        )
        with closing(connection), connection.cursor() as cursor:
            yield cursor

    def container(self, name: str) -> str:
        """Return the name of an instance's container."""
        found = self.find(name)
        assert found
        return aws_databases.container(self.cluster, found["DbiResourceId"])

    def containers(self) -> list[str]:
        """Return the names of all containers of the cluster's instances."""
        label = f"label={aws_databases.LABEL}={self.cluster.name}"
        listed = Docker().check("ps", "--all", "--filter", label, "--format", "{{.Names}}")
        return listed.split()
