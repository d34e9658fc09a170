"""docs/cli.md has every command and every option, and every command has an example in its help."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reviewapps import errors
from reviewapps.cli import main

TEXT = (Path(__file__).parents[2] / "docs/cli.md").read_text("utf-8")


def commands(group: click.Group = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its path, such as `local up`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


COMMANDS = dict(commands())


def chapter(path: str) -> str:
    """Return what the page says of a command, up to the next command's heading."""
    found = re.search(rf"^##+ {path}$(.*?)(?=^##+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no chapter on {path}"
    return found[1]


@pytest.mark.parametrize("path", COMMANDS)
def test_each_command_has_a_chapter_with_its_options_and_an_example(path: str) -> None:
    text = chapter(path)
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            for name in parameter.opts:
                assert f"`{name}" in text or f"[{name}" in text, f"{path} lacks {name}"
    if not isinstance(COMMANDS[path], click.Group):
        assert "Example" in text
        assert f"`reviewapps {path}" in text


def test_the_table_at_the_top_has_every_command() -> None:
    table = re.findall(r"^\| \[`(\w+)`\]\(#\1\) \|", TEXT, re.MULTILINE)
    assert set(table) == {path for path in COMMANDS if " " not in path}
    assert len(table) == len(set(table))


def test_no_chapter_stands_there_twice() -> None:
    heads = re.findall(r"^##+ (.+)$", TEXT, re.MULTILINE)
    assert len(heads) == len(set(heads))


@pytest.mark.parametrize("path", COMMANDS)
def test_the_page_has_no_option_that_the_command_lacks(path: str) -> None:
    known = {name for each in COMMANDS[path].params for name in each.opts}
    usage = next(iter(re.findall(rf"`reviewapps {path}.*`", chapter(path))), "")
    options = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage.partition(" -- ")[0])
    assert set(options) <= known | {"--help"}


@pytest.mark.parametrize("path", COMMANDS)
def test_each_help_has_an_example_that_begins_as_the_command_does(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert re.search(rf"Example: .*reviewapps {path}\b", command.help)


def kinds(root: type[errors.ReviewAppsError]) -> Iterator[type[errors.ReviewAppsError]]:
    """Yield the errors that a user can meet."""
    for kind in root.__subclasses__():
        if not kind.__name__.startswith("_") and kind.__module__ == errors.__name__:
            yield kind
            yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds(errors.ReviewAppsError)))
def test_each_kind_of_error_and_exit_code_is_told(kind: type[errors.ReviewAppsError]) -> None:
    if kind is not errors.Waiting:  # the engine's own
        assert f"`{kind.__name__}`" in TEXT
        assert f"\n| {kind.exit_code} |" in TEXT
