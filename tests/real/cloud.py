"""The AWS account of a team: moto's server, with what Terraform makes, as its outputs name it.

moto lacks Session Manager's tunnel and takes any token of CI's; both are added here. What stands
behind the names that it cannot carry is of the local cluster: `place_here` has all of them.
"""

import base64
import json
import operator
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import yaml
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.server import ThreadedMotoServer
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.sts.responses import TokenResponse

from reviewapps.local import postgres, registry
from reviewapps.local.cluster import Cluster
from tests.real.session_manager_plugin import serve

Json = dict[str, Any]
REGION = "us-east-1"
ORGANIZATION = "11111111-1111-1111-1111-111111111111"
PROJECT = "22222222-2222-2222-2222-222222222222"
REPOSITORY = "acme/shop"
ISSUER = f"oidc.circleci.com/org/{ORGANIZATION}"
KEYS = {"aws_access_key_id": "operator", "aws_secret_access_key": "operator"}
TOKENS = {"nomad_token": "nomad-token", "consul_token": "consul-token"}
HEADERS = {
    "Content-Type": "ContentType",
    "Content-Encoding": "ContentEncoding",
    "Cache-Control": "CacheControl",
}
CONDITIONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringLike": fnmatchcase,
}
TUNNELS = ("AWS-StartPortForwardingSession", "AWS-StartPortForwardingSessionToRemoteHost")


@dataclass
class Account:
    """An account at `url`; what was asked of its door-keepers is kept."""

    cluster: Cluster
    url: str = ""
    cdn: str = ""
    settings: Json = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, str]] = field(default_factory=list)
    tunnels: list[str] = field(default_factory=list)
    listeners: list[socket.socket] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """Return boto3's client, as an administrator's."""
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **KEYS)

    def make(self) -> None:
        """Make what Terraform makes, as far as the tool and CI ask for it, and its outputs."""
        roles = {
            name: self.role(f"reviewapps-shop-{name}", branch)
            for name, branch in (("deploy", "deploy-*"), ("prune", "main"))
        }
        self.client("ec2").run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[tags(Name="reviewapps-server-0", stack="reviewapps", role="server")],
        )
        self.client("s3").create_bucket(Bucket="reviewapps-assets")
        self.settings = {
            "domain": "previews.test",
            "url_scheme": "https",
            "url_port": 443,
            "node_network": "10.20.0.0/16",
            "trusted_proxies": ["10.20.0.0/24"],
            "nomad": {"address": "http://127.0.0.1:4646", "datacenter": "dc1"},
            "consul": {"address": "http://127.0.0.1:8500"},
            "docker": {"registry": "", "redis_image": ""},
            "aws": {
                "region": REGION,
                "group": self.group(),
                "assets_bucket": "reviewapps-assets",
                "assets_host": "",
            },
            "postgresql": {
                "instance": self.database(),
                "ca_file": "/etc/ssl/certs/rds-global-bundle.pem",
            },
        }
        self.variables = {
            "AWS_REGION": REGION,
            "REVIEWAPPS_DATABASE": "",
            "REVIEWAPPS_DEPLOY_ROLE": roles["deploy"],
            "REVIEWAPPS_PRUNE_ROLE": roles["prune"],
            "REVIEWAPPS_SERVERS": "reviewapps-server-*",
            "REVIEWAPPS_SETTINGS": ".circleci/reviewapps.settings.yml",
            "REVIEWAPPS_TOKENS": self.secret("reviewapps/deploy"),
        }

    def place_here(self) -> None:
        """Put the local cluster behind the names that moto cannot carry, and fill the secrets."""
        host = registry.host(self.cluster)
        # moto's server has a name that leads nowhere; its secret and user are asked of AWS
        database = {"host": self.cluster.address, "port": postgres.PORT}
        here: Json = {
            "domain": "localhost",
            "url_scheme": "http",  # there is no balancer, which would end TLS
            "url_port": 8080,
            "node_network": self.cluster.network,
            "trusted_proxies": [],
            "docker": {**registry.settings(self.cluster), "redis_image": f"{host}/redis:7"}
            | {"build_network": "host"},
            "aws": {"assets_host": self.cdn},
            "postgresql": {**database, "ca_file": ""},  # it speaks no TLS
        }
        for key, value in here.items():
            known = self.settings[key]
            self.settings[key] = known | value if isinstance(value, dict) else value
        self.variables["REVIEWAPPS_DATABASE"] = f"{self.cluster.address}:{postgres.PORT}"
        password = postgres.password_file(self.cluster).read_text().strip()
        secrets = self.client("secretsmanager")
        admin = {"username": postgres.USER, "password": password}
        shared = self.client("rds").describe_db_instances()["DBInstances"][0]
        arn = shared["MasterUserSecret"]["SecretArn"]
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(admin))
        tokens = self.variables["REVIEWAPPS_TOKENS"]
        secrets.put_secret_value(SecretId=tokens, SecretString=json.dumps(TOKENS))

    def files(self, package: str) -> dict[str, str]:
        """Return the two files that docs/aws.md has the team commit."""
        lines = [f"export {name}='{value}'\n" for name, value in self.variables.items()]
        return {
            ".circleci/reviewapps.settings.yml": yaml.safe_dump(self.settings),
            ".circleci/reviewapps.env": "".join(lines) + f"export REVIEWAPPS_PACKAGE='{package}'\n",
        }

    def operator(self, folder: Path) -> dict[str, str]:
        """Return the environment of somebody of the team who reaches the cluster directly."""
        here = {
            "nomad": {"address": f"http://{self.cluster.loopback}:4646"},
            "consul": {"address": f"http://{self.cluster.loopback}:8500"},
        }
        file = folder / "operator.settings.yml"
        file.write_text(yaml.safe_dump(self.settings | here))
        keys = {name.upper(): value for name, value in KEYS.items()}
        return {"REVIEWAPPS_SETTINGS": str(file), "AWS_DEFAULT_REGION": REGION, **keys}

    def role(self, name: str, branch: str) -> str:
        """Make one of CI's roles with the trust that terraform/ci.tf gives it."""
        parts = [f"org/{ORGANIZATION}", f"project/{PROJECT}", "user/*"]
        parts += [f"vcs-origin/github.com/{REPOSITORY}", f"vcs-ref/refs/heads/{branch}"]
        aud, project = f"{ISSUER}:aud", f"{ISSUER}:oidc.circleci.com/project-id"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": "circleci"},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {aud: ORGANIZATION, project: PROJECT},
                        "StringLike": {f"{ISSUER}:sub": "/".join(parts)},
                    },
                }
            ],
        }
        made = self.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
        )
        return str(made["Role"]["Arn"])

    def group(self) -> str:
        """Make the nodes' group, with no instance in it: the local node has room."""
        name = "reviewapps-nodes"
        self.client("ec2").create_launch_template(
            LaunchTemplateName="reviewapps-node",
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.large"},
        )
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateName": "reviewapps-node"},
            MinSize=0,
            MaxSize=2,
            AvailabilityZones=[f"{REGION}a"],
        )
        return name

    def database(self) -> str:
        """Make the shared database server, whose password RDS keeps."""
        self.client("rds").create_db_instance(
            DBInstanceIdentifier="reviewapps",
            DBInstanceClass="db.t4g.medium",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername=postgres.USER,
            ManageMasterUserPassword=True,
        )
        return "reviewapps"

    def secret(self, name: str) -> str:
        """Make a secret without a value, as Terraform does."""
        return str(self.client("secretsmanager").create_secret(Name=name)["ARN"])

    def admit(self, role: str, token: str) -> None:
        """Refuse a token that the role does not trust; moto takes any."""
        iam = self.client("iam")
        policy = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
        if not any(trusts(each, claims(token)) for each in policy["Statement"]):
            raise ServiceException("AccessDenied", "Not authorized to assume the role")
        self.taken.append((role.rpartition("/")[2], str(claims(token)["sub"]).rpartition("/")[2]))

    def open_tunnel(self, target: str, document: str, parameters: Json) -> Json:
        """Return where a session's other end is; raise what AWS answers to what it does not do."""
        found = self.client("ec2").describe_instances(InstanceIds=[target])["Reservations"]
        named = {tag["Key"]: tag["Value"] for tag in found[0]["Instances"][0]["Tags"]}
        if named.get("role") != "server" or document not in TUNNELS:
            raise ServiceException("AccessDeniedException", f"{document} to {named}")
        port = int(parameters["portNumber"][0])
        host = parameters.get("host", [self.cluster.loopback])[0]
        listener = socket.create_server((self.cluster.address, 0))
        self.listeners.append(listener)
        threading.Thread(target=serve, args=(listener, (host, port)), daemon=True).start()
        self.tunnels.append(f"{document} {port}")
        end = f"tcp://{self.cluster.address}:{listener.getsockname()[1]}"
        return {"SessionId": f"ci-{len(self.tunnels)}", "TokenValue": "t", "StreamUrl": end}


def tags(**values: str) -> Json:
    """Return an instance's tags as EC2 takes them."""
    pairs = [{"Key": key, "Value": value} for key, value in values.items()]
    return {"ResourceType": "instance", "Tags": pairs}


def token(branch: str) -> str:
    """Return the token that CircleCI gives a job of this branch; nobody here checks its seal."""
    ref = f"vcs-origin/github.com/{REPOSITORY}/vcs-ref/refs/heads/{branch}"
    subject = f"org/{ORGANIZATION}/project/{PROJECT}/user/33333333/{ref}"
    told = {"aud": ORGANIZATION, "oidc.circleci.com/project-id": PROJECT, "sub": subject}
    middle = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    return f"header.{middle}.signature"


def claims(text: str) -> Json:
    """Return what a token says."""
    middle = text.split(".")[1]
    said: Json = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return said


def trusts(statement: Json, said: Mapping[str, Any]) -> bool:
    """Say whether a role's trust lets these claims in, as AWS evaluates the two conditions."""
    return all(
        CONDITIONS[kind](str(said.get(key.removeprefix(f"{ISSUER}:"), "")), wanted)
        for kind, keys in statement["Condition"].items()
        for key, wanted in keys.items()
    )


@contextmanager
def account(cluster: Cluster) -> Iterator[Account]:
    """Serve an empty account on the cluster's network, with the CDN before its bucket."""
    made = Account(cluster)
    server = ThreadedMotoServer(cluster.address, 0, verbose=False)
    sts, ssm = TokenResponse.assume_role_with_web_identity, SimpleSystemManagerResponse

    def assume(self: Any) -> Any:
        made.admit(self._get_param("RoleArn"), self._get_param("WebIdentityToken"))
        return sts(self)

    def start_session(self: Any) -> ActionResult:
        asked = [self._get_param(each) for each in ("Target", "DocumentName", "Parameters")]
        return ActionResult(made.open_tunnel(*asked))

    TokenResponse.assume_role_with_web_identity = assume  # type: ignore[method-assign]
    ssm.start_session = start_session  # type: ignore[attr-defined]
    server.start()
    made.url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        reset(made)  # all moto servers of a process have one memory
        with cdn(made):
            yield made
    finally:
        reset(made)
        for listener in made.listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        server.stop()
        TokenResponse.assume_role_with_web_identity = sts  # type: ignore[method-assign]
        del ssm.start_session  # type: ignore[attr-defined]


def reset(made: Account) -> None:
    """Empty the account."""
    httpx.post(f"{made.url}/moto-api/reset", trust_env=False).raise_for_status()


@contextmanager
def cdn(made: Account) -> Iterator[None]:
    """Serve the bucket over TLS, as CloudFront does; its certificate is the registry's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            s3 = made.client("s3")
            bucket = made.settings["aws"]["assets_bucket"]
            try:
                found = s3.get_object(Bucket=bucket, Key=self.path.lstrip("/"))
            except s3.exceptions.NoSuchKey:
                self.send_error(403)  # as CloudFront, which may not list
                return
            body = found["Body"].read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            for name, key in HEADERS.items():
                if found.get(key):
                    self.send_header(name, found[key])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    cluster = made.cluster
    server = ThreadingHTTPServer((cluster.address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(registry.ca_file(cluster), registry.key_file(cluster))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made.cdn = f"{cluster.address}:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
