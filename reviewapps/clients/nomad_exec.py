"""Runs a command inside a task, over Nomad's websocket: bytes in, bytes out, and its exit code.

Frames are JSON with base64 inside: https://developer.hashicorp.com/nomad/api-docs/client
(`/v1/client/allocation/:id/exec`).
"""

import base64
import contextlib
import json
import ssl
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from reviewapps import settings
from reviewapps.errors import ServiceError, Unreachable

OPEN_SECONDS = 15.0
Kind = Literal["stdout", "stderr"]


class Execution:
    """One command that runs in a task; a context manager that hangs up at its end."""

    def __init__(
        self,
        where: settings.Nomad,
        allocation: str,
        task: str,
        command: Sequence[str],
        *,
        tty: bool = False,
    ) -> None:
        self.where = where
        self.exit_code: int | None = None
        query = {"task": task, "command": json.dumps(list(command)), "tty": str(tty).lower()}
        parts = urlsplit(where.address)
        scheme = {"https": "wss"}.get(parts.scheme, "ws")
        path = f"{parts.path.rstrip('/')}/v1/client/allocation/{allocation}/exec"
        self._url = f"{scheme}://{parts.netloc}{path}?{urlencode(query)}"
        self._hanging_up = contextlib.ExitStack()

    def __enter__(self) -> "Execution":
        """Start the command; raises Unreachable or ServiceError when that can't be."""
        where = self.where
        secure = self._url.startswith("wss:")
        try:
            self._socket = self._hanging_up.enter_context(
                connect(
                    self._url,
                    additional_headers={"X-Nomad-Token": where.token} if where.token else None,
                    ssl=ssl.create_default_context(cafile=where.ca_file or None)
                    if secure
                    else None,
                    open_timeout=OPEN_SECONDS,
                    compression=None,
                    max_size=None,
                )
            )
        except InvalidStatus as error:
            body = bytes(error.response.body or b"")
            raise self._refused(error.response.status_code, body) from error
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise Unreachable(
                f"Nomad at {where.address} does not answer ({type(error).__name__})",
                hint="reviewapps doctor",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hanging_up.close()

    def send(self, data: bytes) -> None:
        """Write to the command's input."""
        self._frame({"stdin": {"data": base64.b64encode(data).decode()}})

    def close_input(self) -> None:
        """Tell the command that its input has ended."""
        self._frame({"stdin": {"close": True}})

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command's terminal its size."""
        self._frame({"tty_size": {"height": rows, "width": columns}})

    def output(self) -> Iterator[tuple[Kind, bytes]]:
        """Yield what the command writes until it has ended; `exit_code` is set then."""
        try:
            for message in self._socket:
                frame = json.loads(message)
                for kind in ("stdout", "stderr"):
                    data = (frame.get(kind) or {}).get("data")
                    if data:
                        yield kind, base64.b64decode(data)
                if frame.get("exited"):
                    self.exit_code = int((frame.get("result") or {}).get("exit_code", 0))
                    return
        except ConnectionClosed as error:
            raise self._closed(error) from error
        raise self._lost()

    def _frame(self, frame: dict[str, object]) -> None:
        try:
            self._socket.send(json.dumps(frame))
        except ConnectionClosed:
            return  # output() says why

    def _closed(self, error: ConnectionClosed) -> ServiceError:
        reason = error.rcvd.reason if error.rcvd else ""
        if not reason:
            return self._lost()
        if "permission denied" in reason.lower():
            return self._refused(403, reason.encode())
        return ServiceError(f"Nomad can't run it: {reason}")

    def _lost(self) -> Unreachable:
        return Unreachable(
            "the connection to the command was lost; whether it still runs is not known",
            hint="reviewapps doctor",
        )

    def _refused(self, status: int, body: bytes) -> ServiceError:
        said = " ".join(body.decode("utf-8", "replace").split())[:500]
        if status == 403:
            return ServiceError(
                "Nomad refuses exec: the token lacks the right alloc-exec",
                hint="set NOMAD_TOKEN to a token whose policy has it",
            )
        return ServiceError(f"Nomad refuses exec with HTTP {status}: {said}")
