"""Makes the text of a reviewapps.yml from choices, each with its reason above it."""

import textwrap
from typing import Any

import yaml

from reviewapps.init.command import Choice
from reviewapps.project_file import cut

HEAD = """\
# The review apps of this project, as `reviewapps init` found them; change what you know better.
# `reviewapps init --example` prints the whole file with every key.
"""


def write(choices: list[Choice]) -> str:
    """Return the text of the file; choices of one section stand next to each other."""
    lines = [HEAD.rstrip()]
    above: tuple[str, ...] = ()
    for choice in choices:
        *sections, key = choice.path.split("/")
        if tuple(sections) != above or not sections:
            common = 0
            while sections[: common + 1] == list(above[: common + 1]) and common < len(sections):
                common += 1
            lines += [""] if common == 0 else []
            lines += [
                f"{'  ' * depth}{name}:" for depth, name in enumerate(sections) if depth >= common
            ]
            above = tuple(sections)
        indent = "  " * len(sections)
        lines += comment(choice.why, indent)
        lines.append(f"{indent}{key}: {flow(choice.value)}")
    return "\n".join(lines) + "\n"


def comment(text: str, indent: str) -> list[str]:
    """Return a reason as comment lines."""
    return textwrap.wrap(
        cut(text, 300),
        width=98,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_on_hyphens=False,
    )


def flow(value: Any) -> str:
    """Return a value in one line of YAML, in quotes where it needs them."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")
