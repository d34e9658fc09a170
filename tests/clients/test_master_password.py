"""How often the administrator's password is asked for, and when that ends."""

from types import SimpleNamespace

import pytest

from reviewapps.clients import master_password
from reviewapps.clients.master_password import ROTATION_SECONDS, MasterPassword


class Server:
    """Takes one password; keeps what it was given, and what time it would be."""

    def __init__(self, right: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.right = right
        self.given: list[str] = []
        self.seconds = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.seconds, sleep=self.pass_time)
        monkeypatch.setattr(master_password, "time", clock)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds

    def login(self, password: str) -> str:
        self.given.append(password)
        if password != self.right:
            raise PermissionError(password)
        return "in"

    def enter(self, password: MasterPassword) -> str:
        return password.log_in(self.login, lambda error: isinstance(error, PermissionError))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server("right", monkeypatch)


def test_a_known_password_is_not_asked_for_again(server: Server) -> None:
    answers = iter(["old", "right"])
    password = MasterPassword(lambda: next(answers), rotates=False)
    assert [server.enter(password), server.enter(password)] == ["in", "in"]
    assert server.given == ["old", "right", "right"]


def test_one_that_does_not_rotate_is_asked_for_once_more(server: Server) -> None:
    answers = iter(["wrong 1", "wrong 2", "wrong 3"])
    with pytest.raises(PermissionError):
        server.enter(MasterPassword(lambda: next(answers), rotates=False))
    assert server.given == ["wrong 1", "wrong 2"]
    assert list(answers) == ["wrong 3"]
    assert server.seconds == 0


def test_one_that_rotates_is_asked_for_until_the_secret_has_followed(server: Server) -> None:
    password = MasterPassword(lambda: "right" if server.seconds > 1 else "old", rotates=True)
    assert server.enter(password) == "in"
    assert server.seconds < 2


@pytest.mark.parametrize("wrong", ["always the same", "another each time {}"])
def test_it_ends_whatever_the_secret_says(server: Server, wrong: str) -> None:
    password = MasterPassword(lambda: wrong.format(len(server.given)), rotates=True)
    with pytest.raises(PermissionError):
        server.enter(password)
    assert ROTATION_SECONDS <= server.seconds < ROTATION_SECONDS + 1


def test_what_is_no_refusal_is_raised_at_once(server: Server) -> None:
    password = MasterPassword(lambda: "wrong", rotates=True)
    with pytest.raises(PermissionError):
        password.log_in(server.login, lambda _error: False)
    assert server.given == ["wrong"]
