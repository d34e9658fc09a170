"""The command line with faults around AWS that only tests have.

KILL_AFTER and SILENT_AFTER name a call of AWS's API after which the process kills itself, or hears
nothing of the answer once; JOIN_SECONDS is how long a node may take to join.
"""

import os
import signal
from collections.abc import Callable
from typing import Any


def install() -> None:
    """Put the faults around boto3's calls."""
    from botocore.client import BaseClient  # noqa: PLC0415 - only the program needs it
    from botocore.exceptions import ReadTimeoutError  # noqa: PLC0415

    real: Callable[..., Any] = BaseClient._make_api_call
    silent = [os.environ["SILENT_AFTER"]] if "SILENT_AFTER" in os.environ else []

    def call(self: Any, operation: str, parameters: Any) -> Any:
        answer = real(self, operation, parameters)
        if operation == os.environ.get("KILL_AFTER"):
            os.kill(os.getpid(), signal.SIGKILL)
        if operation in silent:
            silent.remove(operation)
            raise ReadTimeoutError(endpoint_url="http://aws")
        return answer

    BaseClient._make_api_call = call


def main() -> None:
    """Run the command line with the faults."""
    install()
    from reviewapps import cli, retirement  # noqa: PLC0415 - after the faults are in place

    seconds = os.environ.get("JOIN_SECONDS", retirement.JOIN_SECONDS)
    retirement.JOIN_SECONDS = float(seconds)
    cli.main()
