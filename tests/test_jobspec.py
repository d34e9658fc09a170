"""No value becomes structure in a job, and no job asks for more than an app may have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from reviewapps.errors import UserError
from reviewapps.jobspec import fingerprint, hcl, marked, render, require_harmless
from tests.hostile import BRANCHES, generated

HARMLESS: dict[str, Any] = {
    "ID": "blue-aaaaaa--unicorn",
    "TaskGroups": [
        {
            "Networks": [{"Mode": "", "DynamicPorts": [{"Label": "http"}]}],
            "Tasks": [{"Driver": "docker", "Config": {"image": "shop:1", "ports": ["http"]}}],
        }
    ],
}


def with_task(**changes: Any) -> dict[str, Any]:
    """Return the harmless job with something else in its task."""
    group = HARMLESS["TaskGroups"][0]
    return HARMLESS | {"TaskGroups": [group | {"Tasks": [group["Tasks"][0] | changes]}]}


def with_group(**changes: Any) -> dict[str, Any]:
    """Return the harmless job with something else in its group."""
    return HARMLESS | {"TaskGroups": [HARMLESS["TaskGroups"][0] | changes]}


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("plain", '"plain"'),
        ('say "hi"\\', '"say \\"hi\\"\\\\"'),
        ("a\nb\r\tc", '"a\\nb\\r\\tc"'),
        ("${id} %{if}", '"$${id} %%{if}"'),
        ("$${x}", '"$$${x}"'),
        ("\x00\u2028", '"\\U00000000\\U00002028"'),
        (["a", 1, True, 1.5], '["a", 1, true, 1.5]'),
        ({"key one": "${x}"}, '{ "key one" = "$${x}" }'),
    ],
)
def test_a_value_is_written_as_a_literal(value: object, literal: str) -> None:
    assert hcl(value) == literal


def test_what_has_no_literal_is_an_error() -> None:
    with pytest.raises(TypeError):
        hcl(None)


@given(generated() | st.sampled_from(BRANCHES))
def test_no_text_ends_its_literal_or_holds_a_template(text: str) -> None:
    """Read back by HCL's rules for quoted strings, the literal is the text again."""
    literal = hcl(text)
    assert "\n" not in literal
    assert read_back(literal) == text


def read_back(literal: str) -> str:
    """Return what HCL reads from a quoted string without templates."""
    assert (literal[0], literal[-1]) == ('"', '"')
    text, place, inner = "", 0, literal[1:-1]
    while place < len(inner):
        here = inner[place:]
        assert here[0] != '"', "the string ends here"
        if here[0] == "\\":
            width = {"U": 10}.get(here[1], 2)
            plain = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
            text += chr(int(here[2:10], 16)) if width == 10 else plain[here[1]]
        elif here[:3] in ("$${", "%%{"):
            text, width = text + here[1:3], 3
        else:
            assert here[:2] not in ("${", "%{"), "a template begins here"
            text, width = text + here[0], 1
        place += width
    return text


def test_a_template_that_lacks_a_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("unicorn", {})


def test_a_job_is_known_again_by_its_text() -> None:
    assert fingerprint("a") == fingerprint("a") != fingerprint("b")
    assert marked({"Meta": None}, "x") == {"Meta": {"reviewapps_spec": "x"}}


def test_a_harmless_job_passes() -> None:
    require_harmless(HARMLESS)


@pytest.mark.parametrize(
    ("job", "fault"),
    [
        (with_task(Driver="raw_exec"), "driver raw_exec"),
        (with_task(Config={"image": "x", "privileged": True}), "config privileged"),
        (with_task(Config={"image": "x", "volumes": ["/:/host"]}), "config volumes"),
        (with_task(Config={"image": "x", "network_mode": "host"}), "config network_mode"),
        (with_task(Config={"image": "x", "cap_add": ["all"]}), "config cap_add"),
        (with_task(VolumeMounts=[{"Volume": "x"}]), "mounts or artifacts"),
        (with_task(Artifacts=[{"GetterSource": "x"}]), "mounts or artifacts"),
        (with_task(Templates=[{"SourcePath": "/etc/shadow"}]), "template source /etc/shadow"),
        (with_group(Volumes={"data": {}}), "volume data"),
        (with_group(Networks=[{"ReservedPorts": [{"Value": 22}]}]), "a reserved port"),
        (with_group(Networks=[{"Mode": "host"}]), "the host's network"),
        (with_group(Networks=[{"Mode": "cni/other"}]), "a network of its own"),
        (HARMLESS | {"Namespace": "platform"}, "namespace platform"),
    ],
)
def test_a_job_that_asks_for_more_is_refused(job: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match="may not have") as refused:
        require_harmless(job)
    assert fault in refused.value.message
