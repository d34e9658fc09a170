"""The database administrator's managed password: read anew each time, since it rotates."""

import json

from reviewapps.clients.aws.session import Aws, errors
from reviewapps.errors import ServiceError


def managed_password(aws: Aws, arn: str) -> str:
    """Return the password in an RDS-managed secret, a JSON object with username and password."""
    with errors("read the database administrator's secret"):
        answer = aws.client("secretsmanager").get_secret_value(SecretId=arn)
    try:
        return str(json.loads(answer["SecretString"])["password"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError(
            f"the secret {arn} is not one that RDS manages: it has no password in JSON",
            hint="instance or password_secret_arn of the database in the settings",
        ) from error
