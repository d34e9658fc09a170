"""Every call of the clients that changes something outside, told to whoever wants to know.

Run as a program it is the command line with a switch that only tests have: EFFECT_NUMBER=n sends
EFFECT_SIGNAL (KILL) to the process itself right after its n-th effect, or before it with
EFFECT_WHEN=before; EFFECT_LOG names a file that gets a line for each effect.
"""

import functools
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from reviewapps.clients.consul import Consul
from reviewapps.clients.docker import Docker
from reviewapps.clients.nomad import Nomad

READS = ("get", "jobs/parse", "search")
DDL = re.compile(r"(?i)\b(create|alter|drop|comment|grant|revoke|pg_terminate_backend)\b")
DOCKER_CHANGES = ("build", "tag", "push", "load")
Tell = Callable[[str, str], None]


def install(tell: Tell) -> None:
    """Call `tell` with "before" and with "after" and the effect's name, at each effect."""
    wrap(Nomad, "_request", tell, nomad_effect)
    for name in ("transact", "create_session", "destroy_session", "release"):
        wrap(Consul, name, tell, functools.partial(consul_effect, name))
    wrap(psycopg.Connection, "execute", tell, sql_effect)
    wrap(Docker, "run", tell, docker_effect)
    wrap(Docker, "follow", tell, docker_effect)


def wrap(owner: Any, name: str, tell: Tell, effect_of: Callable[..., str]) -> None:
    """Put `tell` around a method, for the calls that have an effect."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def told(self: Any, *arguments: Any, **options: Any) -> Any:
        effect = effect_of(*arguments, **options)
        if effect:
            tell("before", effect)
        answer = real(self, *arguments, **options)
        if effect:
            tell("after", effect)
        return answer

    setattr(owner, name, told)


def nomad_effect(method: str, path: str, **_options: Any) -> str:
    """Name what a request to Nomad changes, "" when it only reads."""
    reads = method.lower() == "get" or path.startswith(READS) or path.endswith("/plan")
    return "" if reads else f"nomad {method.lower()} {path}"


def consul_effect(name: str, *arguments: Any, **_options: Any) -> str:
    """Name what a call of Consul's client changes."""
    if name != "transact":
        return f"consul {name}"
    bodies = [each.body["KV"] for each in arguments]
    return "consul " + ", ".join(f"{each['Verb']} {each['Key']}" for each in bodies)


def sql_effect(query: Any, *_arguments: Any, **_options: Any) -> str:
    """Name the statement that changes a server."""
    text = query if isinstance(query, str) else repr(query)
    found = DDL.search(text)
    return f"sql {found[1].lower()}" if found else ""


def docker_effect(*arguments: Any, **_options: Any) -> str:
    """Name what a docker command changes."""
    words = [*arguments[0]] if arguments and isinstance(arguments[0], list) else [*arguments]
    changes = words[:2] == ["image", "rm"] or words[:1] == ["rmi"] or words[0] in DOCKER_CHANGES
    return f"docker {words[0]}" if changes else ""


class Switch:
    """Counts the effects of this process, and sends it a signal at the one that was chosen."""

    def __init__(self) -> None:
        self.number = int(os.environ.get("EFFECT_NUMBER", "0"))
        self.when = os.environ.get("EFFECT_WHEN", "after")
        self.signal = getattr(signal, f"SIG{os.environ.get('EFFECT_SIGNAL', 'KILL')}")
        self.log = os.environ.get("EFFECT_LOG", "")
        self.pattern = os.environ.get("EFFECT_PATTERN", "")
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, when: str, effect: str) -> None:
        if when != self.when or not re.search(self.pattern, effect):
            return
        with self.lock:
            self.count += 1
            if self.log:
                with Path(self.log).open("a") as log:
                    log.write(f"{self.count} {effect}\n")
            if self.count == self.number:
                os.kill(os.getpid(), self.signal)


def main() -> None:
    """Run the command line under the switch."""
    install(Switch())
    from reviewapps import cli  # noqa: PLC0415 - its modules may bind what was wrapped above

    cli.main()
