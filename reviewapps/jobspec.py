"""From a template and values to a Nomad job that was checked; no value can become structure.

Templates are Jinja2 in a sandbox with `[[ ]]` and `[% %]`, so Nomad's own `${…}` and `{{ }}` stay
as they are. Every value goes through the `hcl` filter; what Nomad reads from the result is then
compared with what a job of ours may have at all.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reviewapps.errors import UserError
from reviewapps.packages import folder

Json = dict[str, Any]
SPEC = "reviewapps_spec"
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
CONFIG_KEYS = {"image", "command", "args", "ports", "pids_limit", "security_opt"}


def hcl(value: object) -> str:
    """Return `value` as an HCL literal in which nothing is a template.

    https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#template-expressions
    """
    if isinstance(value, Mapping):
        pairs = (f"{hcl(str(key))} = {hcl(each)}" for key, each in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(hcl(each) for each in value) + "]"
    if isinstance(value, str):
        quoted = "".join(ESCAPES.get(each) or _written(each) for each in value)
        return '"' + quoted.replace("${", "$${").replace("%{", "%%{") + '"'
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"no HCL literal for {value!r}")


def _written(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return the one Jinja environment that renders jobs."""
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder("nomad_jobs")),
        undefined=StrictUndefined,
        autoescape=False,
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["hcl"] = hcl
    return made


def render(name: str, values: Mapping[str, object]) -> str:
    """Return the HCL of `nomad_jobs/<name>.nomad.hcl.j2` with `values`."""
    return environment().get_template(f"{name}.nomad.hcl.j2").render(values)


def fingerprint(hcl_text: str) -> str:
    """Return what stands in the job's meta, so that an unchanged job is recognised."""
    return hashlib.sha256(hcl_text.encode()).hexdigest()[:16]


def marked(job: Json, mark: str) -> Json:
    """Return the parsed job with its fingerprint in its meta."""
    return job | {"Meta": (job.get("Meta") or {}) | {SPEC: mark}}


def require_harmless(job: Json) -> None:
    """Raise UserError when a job asks for more than an app may have.

    An app's tasks run in Docker, unprivileged, with no volume, no host network and nothing of
    another app: whatever the template or a value made of it, this is checked on Nomad's reading.
    """
    faults = [fault for group in job.get("TaskGroups") or [] for fault in _group_faults(group)]
    if (job.get("Namespace") or "default") != "default":
        faults.append(f"namespace {job['Namespace']}")
    if faults:
        raise UserError(f"the job {job.get('ID')} may not have: {', '.join(faults)}")


def _group_faults(group: Json) -> list[str]:
    faults = [f"volume {name}" for name in group.get("Volumes") or {}]
    for network in group.get("Networks") or []:
        if network.get("Mode") not in (None, "", "bridge", "host") or network.get("ReservedPorts"):
            faults.append("a network of its own or a reserved port")
        if network.get("Mode") == "host" and network.get("DynamicPorts") is None:
            faults.append("the host's network")
    for task in group.get("Tasks") or []:
        if task["Driver"] != "docker":
            faults.append(f"driver {task['Driver']}")
        unknown = sorted(set(task.get("Config") or {}) - CONFIG_KEYS)
        faults += [f"config {key}" for key in unknown]
        if task.get("VolumeMounts") or task.get("Artifacts"):
            faults.append("mounts or artifacts")
        for template in task.get("Templates") or []:
            if template.get("SourcePath"):
                faults.append(f"template source {template['SourcePath']}")
    return faults
