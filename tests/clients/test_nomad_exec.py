"""The exec client against a websocket server that speaks Nomad's frames."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from reviewapps.clients.nomad_exec import Execution
from reviewapps.errors import ServiceError, Unreachable
from reviewapps.settings import Nomad


@contextmanager
def server(answer: Callable[[ServerConnection], None], **options: Any) -> Iterator[Nomad]:
    """Serve one kind of answer and return the settings that lead to it."""
    with serve(answer, "127.0.0.1", 0, **options) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield Nomad(f"http://127.0.0.1:{made.socket.getsockname()[1]}", token="s3cret")


def data(kind: str, text: bytes) -> str:
    return json.dumps({kind: {"data": base64.b64encode(text).decode()}})


def exited(code: int) -> str:
    return json.dumps({"exited": True, "result": {"exit_code": code}})


def test_the_command_travels_whole_and_both_outputs_come_back_as_bytes() -> None:
    seen: dict[str, Any] = {}

    def answer(connection: ServerConnection) -> None:
        assert connection.request
        seen["path"] = urlsplit(connection.request.path)
        seen["token"] = connection.request.headers["X-Nomad-Token"]
        connection.send("{}")
        connection.send(data("stdout", b"\x00\xff"))
        connection.send(data("stderr", b"no\n"))
        connection.send(json.dumps({"stdout": {"close": True}}))
        connection.send(exited(7))

    with server(answer) as where, Execution(where, "5f3a", "unicorn", ["sh", "-c", "a & b"]) as run:
        assert list(run.output()) == [("stdout", b"\x00\xff"), ("stderr", b"no\n")]
        assert run.exit_code == 7
    assert seen["path"].path == "/v1/client/allocation/5f3a/exec"
    assert parse_qs(seen["path"].query) == {
        "task": ["unicorn"],
        "command": ['["sh", "-c", "a & b"]'],
        "tty": ["false"],
    }
    assert seen["token"] == "s3cret"


def test_input_its_end_and_the_terminal_s_size_are_frames() -> None:
    seen: list[Any] = []

    def answer(connection: ServerConnection) -> None:
        seen.extend(json.loads(connection.recv()) for _ in range(3))
        connection.send(exited(0))

    with server(answer) as where, Execution(where, "5f3a", "unicorn", ["cat"], tty=True) as run:
        run.resize(24, 80)
        run.send(b"\x03")
        run.close_input()
        assert list(run.output()) == []
    assert seen == [
        {"tty_size": {"height": 24, "width": 80}},
        {"stdin": {"data": "Aw=="}},
        {"stdin": {"close": True}},
    ]


def test_nomad_s_own_words_are_told_when_it_can_not_run_the_command() -> None:
    def answer(connection: ServerConnection) -> None:
        connection.close(1008, "Unknown allocation")

    with (
        server(answer) as where,
        Execution(where, "5f3a", "unicorn", ["ls"]) as run,
        pytest.raises(ServiceError, match="Nomad can't run it: Unknown allocation"),
    ):
        list(run.output())


def test_a_connection_that_ends_without_an_exit_code_is_no_success() -> None:
    with (
        server(lambda connection: connection.close()) as where,
        Execution(where, "5f3a", "unicorn", ["ls"]) as run,
        pytest.raises(Unreachable, match="the connection to the command was lost"),
    ):
        list(run.output())


def test_a_token_without_the_right_is_told_which_one_is_missing() -> None:
    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus.FORBIDDEN, "Permission denied")

    with (
        server(lambda _: None, process_request=refuse) as where,
        pytest.raises(ServiceError, match="the token lacks the right alloc-exec"),
        Execution(where, "5f3a", "unicorn", ["ls"]),
    ):
        pass


def test_nobody_at_the_address_is_unreachable() -> None:
    with (
        pytest.raises(Unreachable, match="does not answer"),
        Execution(Nomad("http://127.0.0.1:9"), "5f3a", "unicorn", ["ls"]),
    ):
        pass
