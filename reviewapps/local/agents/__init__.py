"""The configuration of Consul's and Nomad's agents, one template each."""

import json
from pathlib import Path

import jinja2

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    variable_start_string="[[",
    variable_end_string="]]",
    block_start_string="[%",
    block_end_string="%]",
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701 - HCL, not HTML; every value goes through the hcl filter
)
TEMPLATES.filters["hcl"] = json.dumps


def render(template: str, **values: object) -> str:
    """Return the configuration that `template` makes of the values."""
    return TEMPLATES.get_template(f"{template}.hcl.j2").render(**values)
