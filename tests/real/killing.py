"""Work that is killed with SIGKILL after every statement it sends to a database."""

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from pymysql.cursors import Cursor

SENDERS: tuple[Any, ...] = (psycopg.Connection, Cursor)


def killed_after(number: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that kills itself after its nth statement; say if it got there."""

    def child() -> None:
        count = itertools.count(1)

        def counted(execute: Callable[..., Any]) -> Callable[..., Any]:
            def send(self: Any, *arguments: Any, **options: Any) -> Any:
                mine = next(count)
                done = execute(self, *arguments, **options)
                if mine == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return done

            return send

        for sender in SENDERS:
            sender.execute = counted(sender.execute)
        work()
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == -signal.SIGKILL


def kill_everywhere(work: Callable[[], None]) -> Iterator[str]:
    """Yield after each killed run, until one came to its end."""
    for number in itertools.count(1):
        if not killed_after(number, work):
            return
        yield f"after statement {number}"
