"""The form that every step has, and the order that their needs make."""

import inspect
from graphlib import TopologicalSorter
from types import ModuleType
from typing import cast

import pytest

from reviewapps.steps import STEPS

FORM = {
    "wanted": ["app"],
    "missing": ["app", "context"],
    "apply": ["app", "context"],
    "undo": ["app", "context"],
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_the_form_of_the_contract(name: str) -> None:
    step = STEPS[name]
    assert cast(ModuleType, step).__name__ == f"reviewapps.steps.{name}"
    assert set(step.NEEDS) <= set(STEPS)
    for function, parameters in FORM.items():
        found = list(inspect.signature(getattr(step, function)).parameters)
        assert [each.lstrip("_") for each in found] == parameters


def needs(name: str) -> set[str]:
    """Return everything that comes before a step."""
    before = set(STEPS[name].NEEDS)
    return before.union(*(needs(each) for each in before))


def test_no_step_needs_itself() -> None:
    list(TopologicalSorter({name: step.NEEDS for name, step in STEPS.items()}).static_order())


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("image", "migrate"),
        ("database", "migrate"),
        ("redis", "migrate"),
        ("migrate", "seed"),
        ("seed", "unicorn"),
        ("seed", "resque"),
        ("unicorn", "route"),
        ("access", "route"),
        ("route", "notify"),
    ],
)
def test_what_must_be_there_before(early: str, late: str) -> None:
    """Backwards it is destroy: the route is withdrawn before what it leads to stops."""
    assert early in needs(late)


def test_the_list_reads_in_the_order_of_the_needs() -> None:
    order = list(STEPS)
    for name, step in STEPS.items():
        late = [need for need in step.NEEDS if order.index(need) > order.index(name)]
        assert late == [], f"{name} is listed before what it needs"
