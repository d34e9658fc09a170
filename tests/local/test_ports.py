"""A taken port is told with its number and the process that has it."""

import os
import socket
from pathlib import Path

import pytest

from reviewapps.errors import UserError
from reviewapps.local.ports import is_free, listening, require_free


def test_a_taken_port_names_the_process() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(UserError) as raised:
            require_free("127.0.0.1", [port], "Consul")
    assert str(raised.value).startswith(f"Consul needs port {port} on 127.0.0.1, which ")
    assert f"(pid {os.getpid()}) has" in str(raised.value)


def test_a_listener_on_all_addresses_counts() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        assert not is_free("127.0.0.1", taken.getsockname()[1])


def test_a_port_is_free_again_when_its_listener_is_gone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
    require_free("127.0.0.1", [port], "Consul")


def test_a_listener_on_another_address_is_not_blamed() -> None:
    with socket.socket() as other, socket.socket() as taken:
        taken.bind(("127.0.0.3", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other.bind(("127.0.0.4", port))
        other.listen()
        here = listening(Path("/proc/net/tcp"), "127.0.0.3", port)
        assert here == [str(os.fstat(taken.fileno()).st_ino)]
