"""The only code that talks to the outside; each client turns foreign errors into ours.

This module is the one place that builds them from the settings. What takes long to import (boto3,
psycopg, PyMySQL, httpx: half the time of `reviewapps list`) is imported where it is used.
"""

# ruff: noqa: PLC0415 - as the docstring says

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reviewapps.clients.aws.bucket import Bucket
from reviewapps.clients.aws.group import Nodes
from reviewapps.clients.aws.rds import Rds
from reviewapps.clients.aws.secrets import managed_password
from reviewapps.clients.aws.session import Aws
from reviewapps.clients.consul import Consul
from reviewapps.clients.databases import Databases
from reviewapps.clients.docker import Docker
from reviewapps.clients.nomad import Nomad
from reviewapps.errors import UserError
from reviewapps.settings import DatabaseServer, Settings

if TYPE_CHECKING:
    from reviewapps.clients.github import GitHub
    from reviewapps.clients.registry import Registry


class Clients:
    """The clients of the services that `settings` names, each built when first used.

    `github` is the project's repository at GitHub, where there is one and we have a token.
    """

    def __init__(self, settings: Settings, github: "GitHub | None" = None) -> None:
        self.settings = settings
        self.github = github

    @cached_property
    def nomad(self) -> Nomad:
        """Nomad's API."""
        return Nomad(self.settings.nomad)

    @cached_property
    def consul(self) -> Consul:
        """Consul's API."""
        return Consul(self.settings.consul)

    @cached_property
    def docker(self) -> Docker:
        """This machine's Docker."""
        return Docker(build_network=self.settings.docker.build_network)

    @cached_property
    def registry(self) -> "Registry":
        """The image registry, where `settings.docker.registry` names one."""
        from reviewapps.clients.registry import Registry

        return Registry(self.settings.docker, self.docker, self.aws)

    @cached_property
    def aws(self) -> Aws:
        """The team's AWS account."""
        return Aws(self.settings.aws)

    @cached_property
    def nodes(self) -> Nodes:
        """The group whose instances are the nodes."""
        return Nodes(self.aws)

    @cached_property
    def rds(self) -> Rds:
        """The database servers that AWS runs."""
        return Rds(self.aws)

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket that the CDN serves assets from."""
        return Bucket(self.aws)

    def databases(self, engine: str, instance: str = "") -> Databases:
        """Return the shared database server of an engine, or an app's own RDS `instance`.

        Raises UserError when there is none, Unreachable while RDS still makes it.
        """
        named = {"postgresql": self.settings.postgresql, "mysql": self.settings.mysql}.get(engine)
        server = DatabaseServer(instance=instance) if instance else named
        if server is None:
            raise UserError(
                f"the project wants {engine}, and the settings name no {engine} server",
                hint="reviewapps local up starts PostgreSQL; MariaDB on request",
            )
        if instance and named:
            server = replace(server, ca_file=named.ca_file)
        if server.instance:
            server = self._located(server, engine)
        if engine == "mysql":
            from reviewapps.clients.mysql import Mysql

            return Mysql(server, lambda: self._master_password(server))
        from reviewapps.clients.postgres import Postgres

        return Postgres(server, lambda: self._master_password(server))

    def _located(self, server: DatabaseServer, engine: str) -> DatabaseServer:
        """Return where RDS has the server; a host and port in the settings win."""
        found = self.rds.require(server.instance, engine)
        return replace(
            server,
            host=server.host or found.host,
            port=server.port or found.port,
            user=found.user or server.user,
        )

    def _master_password(self, server: DatabaseServer) -> str:
        """Return the administrator's password, read anew at each use: it may rotate."""
        arn = server.password_secret_arn
        if server.instance and not arn and not server.password_file:
            found = self.rds.find(server.instance)
            arn = found.secret_arn if found else ""
        if arn:
            return managed_password(self.aws, arn)
        if server.password_file:
            return Path(server.password_file).expanduser().read_text().strip()
        place = f"RDS instance {server.instance}" if server.instance else server.host
        raise UserError(
            f"the settings say nothing of how to get {server.user}'s password on {place}",
            hint="set password_file or password_secret_arn; on RDS, let it manage the password",
        )
