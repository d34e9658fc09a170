"""Reading YAML: text that is none, text made to hurt, and anything at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reviewapps.errors import ProjectError, UserError
from reviewapps.project import Project, load, parse
from reviewapps.project_file import NO_TAGS
from tests.hostile import ANY_TEXT


def faults(text: str) -> list[str]:
    """Return the faults of a text as people read them."""
    with pytest.raises(ProjectError) as raised:
        parse(text)
    return [str(fault) for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the file: should be a mapping such as `project: shop`"),
        ("# only a comment", "line 1: the file: should be a mapping such as `project: shop`"),
        ("shop", "line 1: the file: should be a mapping such as `project: shop`"),
        ("- project: shop", "line 1: the file: should be a mapping such as `project: shop`"),
        ("{}", "line 1: project: is missing"),
        ("unicorn: {}", "line 1: project: is missing"),
        ("project: shop\n\tport: 1", "line 2: the file: a tab stands where YAML wants spaces"),
        (
            "project: shop\nunicorn:\n\t- x",
            "line 3: the file: a tab stands where YAML wants spaces",
        ),
        (
            "project: shop\n---\nproject: b",
            "line 2: the file: should be one document: remove the `---` here",
        ),
        ("project: [shop", "line 1: the file: this is not YAML: expected ',' or ']', but got"),
        ("a: b: c", "line 1: the file: this is not YAML: mapping values are not allowed here"),
        (
            "project: shop\nenv: {A: 'x}",
            "line 2: the file: this is not YAML: found unexpected end of stream",
        ),
        (
            "project: shop\nenv:\n  A: *secret",
            "line 3: the file: this is not YAML: found undefined alias",
        ),
        ("project: shop\x00", "line 1: the file: has a character that YAML forbids: U+0000"),
        (
            "project: shop\nx: \x1b[31m",
            "line 2: the file: has a character that YAML forbids: U+001B",
        ),
        ("project: shop\nx: \ud800", "line 2: the file: has a character that YAML forbids: U+D800"),
        ("project: !!python/object/apply:os.system [id]", f"line 1: project: {NO_TAGS}"),
        ("project: shop\nenv: !!python/object/new:dict {A: b}", f"line 2: env: {NO_TAGS}"),
        ("!!set {project}", f"line 1: the file: {NO_TAGS}"),
        ("project: !shop x", f"line 1: project: {NO_TAGS}"),
        ("project: shop\n? [a, b]\n: c", "line 2: the file: has a key that is not a word"),
        ("project: shop\nunicorn:\n  '': 1", "line 3: unicorn: has a key that is not a word"),
        (
            "project: shop\n<<: {redis: {}}",
            "line 2: <<: merging with `<<` is not known here; write the keys out",
        ),
        ("project: ~", "line 1: project: is empty: leave the key out"),
        ("project: yes", "line 1: project: should be 1 to 31 of"),
        ("project: 007", "line 1: project: is a number that YAML reads otherwise"),
        ("project: 7", "line 1: project: should be 1 to 31 of"),
        ("project: [shop]", "line 1: project: should be 1 to 31 of"),
    ],
)  # fmt: skip
def test_what_is_no_project_file(text: str, fault: str) -> None:
    found = faults(text)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["project: shop", "a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{','.join(f'*{before}' for _ in range(10))}]")
    (fault,) = faults("\n".join(lines))
    assert "should have at most 10000 values, 12 deep" in fault


@pytest.mark.parametrize(
    "text",
    [
        "project: &a [*a]",
        "project: &a {x: *a}",
        "project: " + "[" * 5000,
        "project: " + "[" * 60000,
        "project: " + "[" * 200 + "]" * 200,
        "project: " + "{a: " * 5000,
        "- " * 20000,
        "? " * 20000,
        "project: " + "x" * 70_000,
        "#" + "ä" * 40_000,
        "project: shop\n" + "".join(f"k{n}: 1\n" for n in range(6000)),
        "&a " * 5000,
        "!!str " * 5000,
        "project: |\n" + " " * 60000,
    ],
    ids=lambda text: text[:20],
)
def test_a_file_made_to_hurt_is_refused(text: str) -> None:
    with pytest.raises(ProjectError):
        parse(text)


def test_bytes_that_are_no_utf8_are_found(tmp_path: Path) -> None:
    file = tmp_path / "reviewapps.yml"
    file.write_bytes(b"project: shop\nenv:\n  A: caf\xe9\n")
    with pytest.raises(ProjectError) as raised:
        load(file)
    assert [str(fault) for fault in raised.value.faults] == [
        "line 3: the file: should be UTF-8 text; this line has bytes that are not"
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_files_from_other_editors_are_read(tmp_path: Path, encoding: str, newline: str) -> None:
    file = tmp_path / "reviewapps.yml"
    file.write_bytes(newline.join(["project: shop", "env:", "  A: ä", ""]).encode(encoding))
    assert load(file).env == {"A": "ä"}


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "reviewapps.yml"
    with file.open("wb") as sparse:
        sparse.truncate(10 * 2**30)
    with pytest.raises(ProjectError, match="at most 64 KiB"):
        load(file)


def test_without_a_file_the_next_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no project file at") as raised:
        load(tmp_path / "reviewapps.yml")
    assert raised.value.hint == "reviewapps init writes one"
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        load(tmp_path)


YAML_WORDS = (
    *(
        "project: shop",
        "\n",
        " ",
        "  ",
        "- ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a",
        "*a",
        "!x",
        "|",
    ),
    *(
        ">",
        "'",
        '"',
        "#",
        "%",
        "\t",
        "---",
        "...",
        "<<",
        "~",
        "env",
        "unicorn",
        "port",
        "010",
        "yes",
    ),
)
YAML_LIKE = st.lists(st.sampled_from(YAML_WORDS), max_size=30).map("".join)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT
PLAIN = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
SECTIONS = [*Project.__dataclass_fields__]


@given(ANY_TEXT | YAML_LIKE)
@example("project: shop\nx: &a\n  - *a")
@settings(max_examples=600)
def test_any_text_is_a_project_or_a_list_of_faults(text: str) -> None:
    try:
        assert isinstance(parse(text), Project)
    except ProjectError as error:
        assert error.faults
        assert all(fault.line >= 1 for fault in error.faults)


@given(st.dictionaries(st.sampled_from(SECTIONS), PLAIN, max_size=5))
@settings(max_examples=400)
def test_any_values_are_a_project_or_a_list_of_faults(values: dict[str, Any]) -> None:
    try:
        shop = parse(json.dumps({"project": "shop"} | values))
    except ProjectError as error:
        assert error.faults
        return
    assert Project.from_dict(json.loads(json.dumps(shop.as_dict()))) == shop


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_project_or_a_list_of_faults(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "reviewapps.yml"
    file.write_bytes(raw)
    with pytest.raises(ProjectError):
        load(file)


def test_the_faults_of_a_file_with_thousands_are_counted() -> None:
    found = faults("project: shop\n" + "".join(f"k{n}: 1\n" for n in range(6000)))
    assert len(found) == 51
    assert found[-1] == "line 6001: the file: has 5950 more faults"
