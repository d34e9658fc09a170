"""The one place that turns an error into a sentence, the next command to try and an exit code."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from reviewapps import settings
from reviewapps.cli.screen import plain
from reviewapps.errors import Failed, ReviewAppsError, Unreachable

LOG = Path("~/.reviewapps/error.log")
INTERRUPTED = 130
BUG = 70
DETAIL_LINES = 30


class Group(click.Group):
    """The command group whose every error ends here.

    `verbs` are its commands, each a module of `reviewapps.cli` that is imported when it is asked
    for: no command, and no Tab key, waits for what the others need.
    """

    def __init__(self, *args: Any, verbs: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.verbs = verbs

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self.verbs)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; in its module it has its own name, or that with `_` behind it."""
        if cmd_name not in self.verbs:
            return None
        module = import_module(f"reviewapps.cli.{cmd_name}")
        found: click.Command = getattr(module, f"{cmd_name}_", None) or getattr(module, cmd_name)
        return found

    def main(self, args: Sequence[str] | None = None, **options: Any) -> Any:  # type: ignore[override]
        """Run a command; translate what it raises into what people or programs read."""
        given = list(sys.argv[1:] if args is None else args)
        ours = given[: given.index("--")] if "--" in given else given
        told = Teller(as_json="--json" in ours, verbose="--verbose" in ours)
        signal.signal(signal.SIGTERM, _as_interrupt)
        try:
            code = super().main(given, **options | {"standalone_mode": False})
        except ReviewAppsError as error:
            told.error(error)
            code = error.exit_code
        except click.ClickException as error:
            told.misuse(error)
            code = error.exit_code
        except (KeyboardInterrupt, click.Abort, EOFError):
            code = INTERRUPTED
        except BrokenPipeError:
            code = _after_broken_pipe()
        except Exception as error:
            told.bug(error)
            code = BUG
        sys.exit(code if isinstance(code, int) else 0)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; name the near one when there is none of that name."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(f"there is no command {name!r}{self._near(name)}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `--verbose` wherever it stands before `--`: after an error it is typed last."""
        end = args.index("--") if "--" in args else len(args)
        mine = [each for each in args[:end] if each == "--verbose"][:1]
        rest = [each for each in args[:end] if each != "--verbose"] + args[end:]
        return super().parse_args(ctx, mine + rest)

    def _near(self, name: str) -> str:
        if name.startswith("deploy-"):
            return f"; did you mean: reviewapps deploy {name}"
        near = get_close_matches(name, self.verbs, n=1, cutoff=0.5)
        return f"; did you mean: reviewapps {near[0]}" if near else ""


class Teller:
    """Tells of an error: a sentence for people, one JSON object for programs."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self.as_json = as_json
        self.verbose = verbose

    def error(self, error: ReviewAppsError) -> None:
        """Tell of an error that was raised on purpose."""
        details = error.details if isinstance(error, Failed) else ""
        hint = _local_hint() if isinstance(error, Unreachable) else ""
        self._tell(type(error).__name__, error.message, hint or error.hint, details, error)

    def misuse(self, error: click.ClickException) -> None:
        """Tell that a command was written wrongly, with its usage."""
        if self.as_json:
            self._tell("UsageError", error.format_message(), "", "", error)
        else:
            error.show()

    def bug(self, error: Exception) -> None:
        """Tell of an error that nobody foresaw; its trace-back goes to a file."""
        log = _keep(traceback.format_exc())
        message = f"this is a bug of reviewapps: {type(error).__name__}: {error}"
        self._tell("Bug", message, f"report it with the trace-back in {log}", "", error)

    def _tell(self, kind: str, message: str, hint: str, details: str, error: Exception) -> None:
        if self.verbose:
            click.echo("".join(traceback.format_exception(error)), err=True)
        if self.as_json:
            code = getattr(error, "exit_code", BUG)
            body = {"kind": kind, "message": message, "hint": hint}
            click.echo(json.dumps({"error": body | {"details": details, "exit_code": code}}))
            return
        click.echo(f"{click.style('Error:', fg='red')} {plain(message)}", err=True)
        if details:
            lines = plain(details).splitlines()[-DETAIL_LINES:]
            click.echo("\n".join(f"  | {line}" for line in lines), err=True)
        if hint:
            click.echo(f"  Next: {plain(hint)}", err=True)


def _local_hint() -> str:
    """Return what helps somebody who has no cluster at all yet."""
    if settings.DEFAULT_FILE.expanduser().exists():
        return ""
    if any(os.environ.get(each) for each in ("REVIEWAPPS_SETTINGS", *settings.ENVIRONMENT)):
        return ""
    return (
        "reviewapps local up starts a cluster on this machine; for another one set "
        "REVIEWAPPS_SETTINGS to its settings file"
    )


def _as_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """A cancelled CI job sends SIGTERM: stop as tidily as for Ctrl-C."""
    raise KeyboardInterrupt


def _after_broken_pipe() -> int:
    """Let Python's own flush at exit go nowhere: the reader, such as `head`, has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _keep(text: str) -> Path:
    log = LOG.expanduser()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    return log
