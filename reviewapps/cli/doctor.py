"""`reviewapps doctor`: is everything there that apps need, and is nothing left behind."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click

from reviewapps import health, leftovers
from reviewapps.cli.common import clients, json_option
from reviewapps.cli.screen import plain
from reviewapps.clients import Clients
from reviewapps.errors import ReviewAppsError
from reviewapps.health import Finding
from reviewapps.leftovers import Leftover

TROUBLE = 1


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found: a finding for each check, and what belongs to no app."""

    findings: Sequence[Finding]
    leftovers: Sequence[Leftover]

    @property
    def ok(self) -> bool:
        """Say whether nothing is wrong; what another cluster may own is nothing wrong."""
        return all(each.ok for each in self.findings) and all(
            each.shared for each in self.leftovers
        )


@click.command(short_help="Check the services, and find what was left behind.")
@json_option
def doctor(as_json: bool) -> None:
    """Check the services, this machine and what belongs to no app; changes nothing.

    Each trouble comes with the command that mends it. The exit code is 1 when something is wrong.

    \b
    Example: reviewapps doctor
    """
    ours = clients()
    findings = health.examine(ours)
    left: list[Leftover] = []
    if not any(health.is_wrong(findings, each) for each in ("consul", "nomad")):
        left, more = look(ours)
        findings += more
    diagnosis = Diagnosis(findings, left)
    if as_json:
        click.echo(json.dumps(shape(diagnosis), indent=2))
    else:
        for line in lines(diagnosis):
            click.echo(line)
    sys.exit(0 if diagnosis.ok else TROUBLE)


def look(ours: Clients) -> tuple[list[Leftover], list[Finding]]:
    """Return the leftovers, and a finding for each place that could not be looked into."""
    try:
        left, faults = leftovers.find(ours)
    except ReviewAppsError as error:
        left, faults = [], [error]
    text = "not everything was looked into"
    return left, [Finding("leftovers", False, f"{text}: {each.message}") for each in faults]


def shape(diagnosis: Diagnosis) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "ok": diagnosis.ok,
        "checks": [asdict(each) for each in diagnosis.findings],
        "leftovers": [
            {
                "slug": each.slug,
                "kind": each.kind,
                "name": each.name,
                "shared": each.shared,
                "message": each.message,
                "mend": each.mend,
            }
            for each in diagnosis.leftovers
        ],
    }


def lines(diagnosis: Diagnosis) -> list[str]:
    """Return what people read: what is well in one line each, what is not with its mend."""
    made = []
    for each in diagnosis.findings:
        made.append(_line(each.ok, f"{each.name:<12} {each.message}"))
        if each.mend and not each.ok:
            made.append(f"    Next: {plain(each.mend)}")
    for mend, group in grouped(diagnosis.leftovers).items():
        shared = group[0].shared
        made += [_line(shared, f"{'leftover':<12} {each.message}", maybe=shared) for each in group]
        made.append(f"    Next: {plain(mend)}")
    if diagnosis.ok:
        made.append("All is well.")
    else:
        count = sum(not each.ok for each in diagnosis.findings)
        count += sum(not each.shared for each in diagnosis.leftovers)
        made.append("1 thing is wrong." if count == 1 else f"{count} things are wrong.")
    return made


def grouped(left: Sequence[Leftover]) -> dict[str, list[Leftover]]:
    """Return the leftovers by what mends them; images that may be another cluster's in one go."""
    images = [each for each in left if each.shared]
    groups: dict[str, list[Leftover]] = {}
    for each in left:
        if not each.shared:
            groups.setdefault(each.mend, []).append(each)
    if images:
        groups[f"docker image rm {' '.join(each.name for each in images)}"] = images
    return groups


def _line(ok: bool, text: str, *, maybe: bool = False) -> str:
    if maybe:
        return f"{click.style('maybe', fg='yellow')}  {plain(text)}"
    sign = click.style("ok", fg="green") if ok else click.style("wrong", fg="red")
    return f"{sign}{'     ' if ok else '  '}{plain(text)}"
