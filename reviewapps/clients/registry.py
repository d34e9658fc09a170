"""The image registry over its HTTP API, and pushes to it; ECR in the cloud, any other elsewhere.

https://distribution.github.io/distribution/spec/api/. ECR takes basic authentication with a token
of twelve hours; other registries take what `docker login` has kept, or nothing.
"""

import base64
import json
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx

from reviewapps.clients.aws.session import Aws, Refused, errors
from reviewapps.clients.docker import Docker
from reviewapps.errors import ServiceError, Unreachable
from reviewapps.settings import Docker as Where

ECR = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\Z")
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
ATTEMPTS = 3
TIMEOUT_SECONDS = 20.0
DENIED = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")


@dataclass(frozen=True)
class Name:
    """An image's name in parts: `host/repository:tag`; the tag may be a digest."""

    host: str
    repository: str
    tag: str

    def pinned(self, digest: str) -> str:
        """Return the name that means this content and no other."""
        return f"{self.host}/{self.repository}@{digest}"


def name_of(image: str) -> Name:
    """Return the parts of an image's name."""
    host, _, path = image.partition("/")
    repository, _, tag = path.partition("@") if "@" in path else path.rpartition(":")
    return Name(host, repository, tag)


class Registry:
    """The registry that `settings.docker.registry` names."""

    def __init__(self, where: Where, docker: Docker, aws: Aws) -> None:
        self.where = where
        self.docker = docker
        self.aws = aws
        self.host = where.registry.partition("/")[0]

    def digest(self, image: str) -> str:
        """Return the digest that the tag names now, "" when there is no such image."""
        name = name_of(image)
        path = f"{name.repository}/manifests/{name.tag}"
        answer = self._ask("HEAD", path, {"Accept": ", ".join(MANIFESTS)})
        return answer.headers["Docker-Content-Digest"] if answer else ""

    def tags(self, repository: str) -> list[str]:
        """Return the repository's tags; none when there is no such repository."""
        answer = self._ask("GET", f"{repository}/tags/list")
        found = answer.json().get("tags") if answer else []
        return sorted(found or [])

    def push(
        self, image: str, *, on_line: Callable[[str], None], timeout_seconds: float = 1800
    ) -> None:
        """Push the image from this machine's Docker; three times when the registry stumbles."""
        for attempt in range(1, ATTEMPTS + 1):
            with self._login() as options:
                last, in_time = self.docker.follow(
                    [*options, "push", image], on_line, timeout_seconds
                )
            if last is None:
                return
            reason = last[-1] if last else "docker said nothing"
            reason = reason if in_time else f"not within {timeout_seconds:.0f} s"
            on_line(f"attempt {attempt} to push {image} failed: {reason}")
        raise ServiceError(
            f"can't push {image}: {reason}",
            hint=f"docker push {image} shows the whole; the same command goes on from here",
        )

    def pull(
        self, image: str, *, on_line: Callable[[str], None], timeout_seconds: float = 1800
    ) -> None:
        """Bring an image into this machine's Docker."""
        with self._login() as options:
            last, _ = self.docker.follow([*options, "pull", image], on_line, timeout_seconds)
        if last is not None:
            reason = last[-1] if last else "docker said nothing"
            raise ServiceError(f"can't pull {image}: {reason}", hint=f"docker pull {image}")

    def delete(self, image: str) -> bool:
        """Delete an image by its tag; False where that is not allowed. What is gone is no error."""
        name = name_of(image)
        if ECR.match(name.host):
            return self._delete_at_ecr(name)
        digest = self.digest(image)
        if digest:
            try:
                self._ask("DELETE", f"{name.repository}/manifests/{digest}")
            except NotAllowed:
                return False
        return True

    def _delete_at_ecr(self, name: Name) -> bool:
        try:
            with errors(f"delete the image {name.repository}:{name.tag}"):
                self.aws.client("ecr").batch_delete_image(
                    repositoryName=name.repository, imageIds=[{"imageTag": name.tag}]
                )
        except Refused as refused:
            if refused.code in DENIED:
                return False
            raise
        return True

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response | None:
        """Return the answer, None for 404; raises Unreachable, NotAllowed or ServiceError."""
        try:
            answer = self._http.request(method, f"/v2/{path}", headers=headers)
        except httpx.TransportError as error:
            raise Unreachable(
                f"the registry {self.host} does not answer ({type(error).__name__})",
                hint=f"curl https://{self.host}/v2/",
            ) from error
        if answer.status_code == 404:
            return None
        if answer.status_code == 405:
            raise NotAllowed(f"the registry {self.host} deletes nothing")
        if answer.status_code in (401, 403):
            raise ServiceError(
                f"the registry {self.host} refuses {path} ({answer.status_code})",
                hint=f"docker login {self.host}",
            )
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unreachable(f"the registry {self.host} answers {answer.status_code}")
        if answer.is_error:
            raise ServiceError(f"the registry {self.host} refuses {path} ({answer.status_code})")
        return answer

    @cached_property
    def _http(self) -> httpx.Client:
        trust: ssl.SSLContext | bool = True
        if self.where.registry_ca_file:
            trust = ssl.create_default_context(
                cafile=str(Path(self.where.registry_ca_file).expanduser())
            )
        login = self._credentials
        return httpx.Client(
            base_url=f"https://{self.host}",
            verify=trust,
            trust_env=not self.where.registry_ca_file,
            headers={"Authorization": f"Basic {login}"} if login else {},
            timeout=TIMEOUT_SECONDS,
        )

    @cached_property
    def _credentials(self) -> str:
        """Return `user:password` in base64, "" where nobody has logged in."""
        if ECR.match(self.host):
            with errors("let us into the image registry"):
                answer = self.aws.client("ecr").get_authorization_token()
            return str(answer["authorizationData"][0]["authorizationToken"])
        return _kept(self.host)

    @contextmanager
    def _login(self) -> Iterator[list[str]]:
        """Give docker's options for a push: at ECR a login of its own, in no command's words."""
        if not ECR.match(self.host):
            yield []
            return
        with tempfile.TemporaryDirectory(prefix="reviewapps-login-") as folder:
            file = Path(folder) / "config.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps({"auths": {self.host: {"auth": self._credentials}}}))
            yield [f"--config={folder}"]


class NotAllowed(ServiceError):
    """The registry does not allow this at all."""


def _kept(host: str) -> str:
    """Return what `docker login` wrote for a registry; a credential helper's is not read."""
    try:
        kept = json.loads((Path.home() / ".docker" / "config.json").read_text())
        return str(base64.b64encode(base64.b64decode(kept["auths"][host]["auth"])).decode())
    except (OSError, ValueError, KeyError, TypeError):
        return ""
