"""`reviewapps exec`: a command inside a running process's container."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from reviewapps import naming
from reviewapps.cli import names
from reviewapps.cli.common import app_argument, clients, json_option, project_name, project_option
from reviewapps.cli.terminal import Pump, raw
from reviewapps.clients.nomad import Nomad
from reviewapps.clients.nomad_exec import Execution
from reviewapps.errors import NotFound
from reviewapps.store.record import Record

STEPS = ("unicorn", "resque", "redis")


class ExecCommand(click.Command):
    """Explains where `--` goes when the options of the inner command are taken for ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; name the `--` in the error for an option that is not ours."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if "--" in args:
                raise
            message = f"{error.message} Put -- before the command: reviewapps exec BRANCH -- ls -la"
            raise click.UsageError(message, ctx) from error


@click.command("exec", cls=ExecCommand, short_help="Run a command inside an app.")
@app_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--step", type=click.Choice(STEPS), default="unicorn", show_default=True, help="In which one."
)
@project_option
@json_option
def exec_(
    app: str, command: tuple[str, ...], step: str, project_file: Path | None, as_json: bool
) -> None:
    """Run COMMAND inside the app of BRANCH, with its environment, and exit with its exit code.

    On a terminal it is interactive, with Ctrl-C going to the command; otherwise input and both
    outputs are piped, so that `exec … -- pg_dump > file` works.

    \b
    Example: reviewapps exec deploy-checkout -- bash
    Example: reviewapps exec deploy-checkout --step resque -- ps aux
    """
    if not command:
        raise click.UsageError(f"what to run? As in: reviewapps exec {app} -- bash")
    ours = clients()
    record = names.require(ours, app, project_name(project_file))
    allocation = running(ours.nomad, record, step)
    if as_json:
        with Execution(ours.settings.nomad, allocation, step, command) as execution:
            execution.close_input()
            report = collected(execution)
        click.echo(json.dumps(report))
        sys.exit(report["exit_code"])
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    with Execution(ours.settings.nomad, allocation, step, command, tty=tty) as execution:
        sys.exit(interact(execution) if tty else pipe(execution))


def running(nomad: Nomad, record: Record, step: str) -> str:
    """Return the allocation of a step to work in: healthy ones first, then the newest."""
    _, found = nomad.allocations(naming.thing(record.slug, step))
    alive = [each for each in found if each["ClientStatus"] == "running" and _has(each, step)]
    if not alive:
        raise NotFound(
            f"no {step} of {record.branch} runs now", hint=f"reviewapps status {record.slug}"
        )
    healthy = [each for each in alive if (each.get("DeploymentStatus") or {}).get("Healthy")]
    return str((healthy or alive)[0]["ID"])


def _has(allocation: dict[str, Any], step: str) -> bool:
    state = (allocation.get("TaskStates") or {}).get(step) or {}
    return bool(state.get("State") == "running")


def collected(execution: Execution) -> dict[str, Any]:
    """Return what a command wrote, and its exit code, as `--json` prints it."""
    texts = {"stdout": b"", "stderr": b""}
    for kind, data in execution.output():
        texts[kind] += data
    decoded = {kind: data.decode("utf-8", "replace") for kind, data in texts.items()}
    return {"exit_code": execution.exit_code, **decoded}


def interact(execution: Execution) -> int:
    """Lend our terminal to the command."""
    with raw(sys.stdin.fileno()), Pump(execution, sys.stdin.fileno()) as pump:
        pump.resize()
        before = signal.signal(signal.SIGWINCH, lambda *_: pump.resize())
        try:
            return copied(execution)
        finally:
            signal.signal(signal.SIGWINCH, before)


def pipe(execution: Execution) -> int:
    """Copy our input to the command and its outputs to ours."""
    if sys.stdin is None or sys.stdin.closed:
        execution.close_input()
        return copied(execution)
    with Pump(execution, sys.stdin.fileno()):
        try:
            return copied(execution)
        except KeyboardInterrupt:
            click.echo("Hung up; without a terminal the command itself may run on.", err=True)
            raise


def copied(execution: Execution) -> int:
    """Write what the command writes, and return its exit code."""
    files = {"stdout": 1, "stderr": 2}
    for kind, data in execution.output():
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(files[kind], rest) :]
    return 0 if execution.exit_code is None else execution.exit_code
