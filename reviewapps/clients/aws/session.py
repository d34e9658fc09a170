"""Credentials, endpoint, and boto3's errors as ours."""

import configparser
import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore import exceptions

from reviewapps import settings
from reviewapps.errors import ServiceError, Unreachable, UserError

CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key")
RETRIES = {"mode": "standard", "max_attempts": 6}
CONNECTIONS = 16  # that are kept open; boto3's own 10 would be opened anew by more threads
SILENT = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ReadTimeoutError,
    exceptions.ConnectionClosedError,
)


class Aws:
    """One account and region, as `settings.aws` names it; boto3 retries throttled calls itself."""

    def __init__(self, where: settings.Aws) -> None:
        self.where = where
        self.requests = 0

    def client(self, service: str) -> Any:
        """Return boto3's client of a service."""
        from botocore.config import Config  # noqa: PLC0415 - it takes long, as the next one

        made = self._session.client(
            service,
            region_name=self.where.region,
            endpoint_url=self.where.endpoint or None,
            config=Config(
                retries=RETRIES,
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=CONNECTIONS,
            ),
        )
        made.meta.events.register("before-send", self._count)
        return made

    @cached_property
    def _session(self) -> Any:
        import boto3  # noqa: PLC0415 - most commands ask AWS nothing, and it takes 0.1 s

        return boto3.session.Session(**self._credentials())

    def _credentials(self) -> dict[str, str]:
        """Return what the settings' own file says, which then counts whatever else there is."""
        if not self.where.credentials_file:
            return {}
        file = Path(self.where.credentials_file).expanduser()
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(file.read_text())
            return {name: parser["default"][name] for name in CREDENTIALS}
        except (OSError, configparser.Error, KeyError) as error:
            raise UserError(
                f"{file} should have {' and '.join(CREDENTIALS)} in a section [default]",
                hint="aws.credentials_file in the settings; leave it out to use the environment",
            ) from error

    def _count(self, **_request: Any) -> None:
        self.requests += 1


@contextlib.contextmanager
def errors(doing: str) -> Iterator[None]:
    """Turn boto3's errors into ours; `doing` says what was asked, as in "launch an instance"."""
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as above

    try:
        yield
    except exceptions.ClientError as error:
        raise Refused(doing, error) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise ServiceError(
            f"AWS can't be asked to {doing}: there are no credentials",
            hint="aws sts get-caller-identity shows who you are to AWS",
        ) from error
    except (*SILENT, ResponseParserError) as error:
        raise Unreachable(
            f"AWS did not answer when asked to {doing} ({type(error).__name__})",
            hint="the same command goes on from here",
        ) from error
    except exceptions.BotoCoreError as error:
        raise ServiceError(f"AWS can't be asked to {doing}: {error}") from error


class Refused(ServiceError):
    """AWS refused; `code` and `text` are its own."""

    def __init__(self, doing: str, error: exceptions.ClientError) -> None:
        self.code = str(error.response.get("Error", {}).get("Code", ""))
        self.text = str(error.response.get("Error", {}).get("Message", ""))
        super().__init__(f"AWS refuses to {doing}: {self.text} ({self.code})")
