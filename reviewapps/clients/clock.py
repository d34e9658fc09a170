"""What time it is on a server, by the date in its HTTP answers."""

from datetime import datetime
from email.utils import parsedate_to_datetime

import requests

from reviewapps.errors import ServiceError, Unreachable

TIMEOUT_SECONDS = 10


def server_time(address: str, ca_file: str = "") -> datetime:
    """Return the server's time, exact to about a second; raises Unreachable."""
    try:
        answer = requests.get(
            f"{address}/v1/status/leader", timeout=TIMEOUT_SECONDS, verify=ca_file or True
        )
    except requests.RequestException as error:
        raise Unreachable(f"{address} does not answer ({type(error).__name__})") from error
    try:
        return parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError) as error:
        raise ServiceError(f"{address} does not tell the time") from error
