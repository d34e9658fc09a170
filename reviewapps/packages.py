"""Finds the files that ship with reviewapps: templates, nginx, terraform, circleci, tools."""

from pathlib import Path

INSTALLED = Path(__file__).parent / "packaged"
CHECKOUT = Path(__file__).parent.parent


def folder(name: str) -> Path:
    """Return the folder `name` of an installed wheel, or of the checkout this runs from."""
    installed = INSTALLED / name
    return installed if installed.is_dir() else CHECKOUT / name
