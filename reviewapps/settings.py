"""Where the services are: one YAML file and the environment, parsed once into frozen values.

Nothing in reviewapps asks whether it runs on a laptop or in the cloud; only these values differ.
The file is `$REVIEWAPPS_SETTINGS`, else `~/.reviewapps/local/settings.yml`, which
`reviewapps local up` writes and `terraform output -raw settings` prints for the cloud.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from reviewapps.errors import UserError

DEFAULT_FILE = Path("~/.reviewapps/local/settings.yml")
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Nomad:
    """Nomad's HTTP API: address, ACL token and CA file (empty: none)."""

    address: str = "http://127.0.0.1:4646"
    token: str = ""
    ca_file: str = ""
    datacenter: str = "dc1"


@dataclass(frozen=True, config=STRICT)
class Consul:
    """Consul's HTTP API: address, ACL token and CA file (empty: none)."""

    address: str = "http://127.0.0.1:8500"
    token: str = ""
    ca_file: str = ""


@dataclass(frozen=True, config=STRICT)
class Create:
    """The RDS instance that `reviewapps` makes where none has the name; "" takes AWS' default."""

    instance_class: str = "db.t4g.medium"
    storage_gb: int = 20
    subnet_group: str = ""
    security_groups: tuple[str, ...] = ()
    engine_version: str = ""


@dataclass(frozen=True, config=STRICT)
class DatabaseServer:
    """A shared database server as `reviewapps` and as the apps reach it.

    The administrator's password comes from a file or from an AWS secret, read at each use. With
    `instance`, the identifier at RDS, AWS is asked at each run for what is not written down here.
    """

    host: str = ""
    port: int = 0
    user: str = "postgres"
    password_file: str = ""
    password_secret_arn: str = ""
    ca_file: str = ""
    instance: str = ""
    create: Create | None = None

    @property
    def rotates(self) -> bool:
        """Whether AWS may renew the administrator's password at any moment."""
        return not self.password_file and bool(self.instance or self.password_secret_arn)

    @model_validator(mode="after")
    def can_be_found(self) -> "DatabaseServer":
        """Check that the server can be found with what is written here."""
        if self.create and not self.instance:
            raise PydanticCustomError("needed", "is missing: create gives it", {"at": "instance"})
        for key in ("host", "port"):
            if not getattr(self, key) and not self.instance:
                raise PydanticCustomError("missing", "is missing", {"at": key})
        return self


@dataclass(frozen=True, config=STRICT)
class Docker:
    """How images are built and where they are kept ("" keeps them in this machine's Docker).

    `registry_ca_file` says who the registry is, where its certificate is none that all trust.
    """

    registry: str = ""
    registry_ca_file: str = ""
    build_network: str = ""
    redis_image: str = "reviewapps/redis:7"


@dataclass(frozen=True, config=STRICT)
class Aws:
    """The team's AWS resources; empty names switch off what would use them.

    `credentials_file` holds the credentials, where they should not come from the environment.
    """

    region: str = "us-east-1"
    endpoint: str = ""
    credentials_file: str = ""
    group: str = ""
    assets_bucket: str = ""
    assets_host: str = ""


@dataclass(frozen=True, config=STRICT)
class SignIn:
    """The team's oauth2-proxy: where routers ask it (`IP:PORT`), where people sign in, its cookie.

    `start` is a URL, or a path that each app's own host passes on to it.
    """

    address: str
    start: str = "/oauth2/start"
    cookie: str = "_oauth2_proxy"

    @model_validator(mode="after")
    def can_stand_in_nginx_conf(self) -> "SignIn":
        """Check the form of each; routers look no names up, so `address` can't be one."""
        for key, form, should in (
            ("address", r"\d{1,3}(\.\d{1,3}){3}:\d{1,5}", "should be IP:PORT"),
            ("start", r"(https?://[\w.:-]+)?/[\w./-]*", "should be a URL or a path"),
            ("cookie", r"[\w-]{1,64}", "should be a cookie's name"),
        ):
            if not re.fullmatch(form, getattr(self, key), re.ASCII):
                raise PydanticCustomError("form", should, {"at": key})
        return self


@dataclass(frozen=True, config=STRICT)
class Settings:
    """All addresses. `node_network` is the only network that a route may point into.

    `trusted_proxies` are the networks of the balancer, whose word on a client's address is taken.
    """

    nomad: Nomad = Nomad()
    consul: Consul = Consul()
    postgresql: DatabaseServer | None = None
    mysql: DatabaseServer | None = None
    docker: Docker = Docker()
    aws: Aws = Aws()
    sign_in: SignIn | None = None
    domain: str = "localhost"
    url_scheme: str = "http"
    url_port: int = 8080
    node_network: str = "10.86.0.0/24"
    trusted_proxies: tuple[str, ...] = ()
    state_dir: str = "~/.reviewapps/local"


ENVIRONMENT = {
    "NOMAD_ADDR": ("nomad", "address"),
    "NOMAD_TOKEN": ("nomad", "token"),
    "NOMAD_CACERT": ("nomad", "ca_file"),
    "CONSUL_HTTP_ADDR": ("consul", "address"),
    "CONSUL_HTTP_TOKEN": ("consul", "token"),
    "CONSUL_CACERT": ("consul", "ca_file"),
    "AWS_ENDPOINT_URL": ("aws", "endpoint"),
}


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of this user; a missing default file means the defaults.

    Raises UserError when a named file is missing or a value in it is wrong.
    """
    named = environment.get("REVIEWAPPS_SETTINGS")
    file = Path(named or DEFAULT_FILE).expanduser()
    if not file.exists():
        if named:
            raise UserError(
                f"REVIEWAPPS_SETTINGS names {file}, which does not exist",
                hint="reviewapps local up",
            )
        return parse({}, str(file), environment)
    return parse(read(file), str(file), environment)


def read(file: Path) -> Any:
    """Return a file's values; messages say where the fault is and never what stands there."""
    try:
        return yaml.safe_load(file.read_text("utf-8")) or {}
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}, line {mark.line + 1}," if mark else str(file)
        raise UserError(f"{place} is not YAML", hint=f"edit {file}") from error


def parse(values: Any, place: str, environment: Mapping[str, str]) -> Settings:
    """Return Settings made from a file's `values`, overridden by Nomad's and Consul's variables."""
    if not isinstance(values, dict):
        raise UserError(f"{place} should be a mapping such as `domain: localhost`")
    merged = dict(values)
    for variable, (section, key) in ENVIRONMENT.items():
        given = merged.get(section, {})
        if environment.get(variable) and isinstance(given, dict):
            merged[section] = given | {key: with_scheme(variable, environment[variable])}
    try:
        return TypeAdapter(Settings).validate_python(merged)
    except ValidationError as error:
        faults = "\n".join(
            f"  {place_of(fault)}: {SENTENCES.get(fault['type'], fault['msg'])}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise UserError(f"{place} has faults:\n{faults}", hint=f"edit {place}") from error


def place_of(fault: Any) -> str:
    """Return the path of the key that is wrong; a section's own check names it with `at`."""
    inside = (fault.get("ctx") or {}).get("at")
    return "/".join(map(str, (*fault["loc"], inside) if inside else fault["loc"]))


# pydantic's own words for these are about Python
SENTENCES = {
    "unexpected_keyword_argument": "is not known",
    "missing": "is missing",
    "dataclass_type": "should be a section with keys of its own",
    "string_type": "should be text; put it in quotes",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
}


def with_scheme(variable: str, value: str) -> str:
    """Consul's variable may leave out the scheme, as in `127.0.0.1:8500`."""
    return f"http://{value}" if variable.endswith("_ADDR") and "://" not in value else value
