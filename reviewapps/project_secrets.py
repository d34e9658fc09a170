"""A project's own secrets: written by people, kept in a Nomad Variable, given to its apps by name.

No task can read that Variable: a deploy copies what the project file names (`secrets`) into the
Variables of the app's own jobs. The values never pass through a command line, a job or Consul.
"""

from collections.abc import Mapping

from reviewapps.clients.nomad import Nomad
from reviewapps.errors import NotFound, UserError
from reviewapps.project import Project
from reviewapps.project_values import check_env_name

MAX_BYTES = 32 * 1024  # a Variable holds 64 KiB, and a job's has more in it


def path(project: str) -> str:
    """Return where a project's secrets are kept."""
    return f"reviewapps/projects/{project}"


def chosen(nomad: Nomad, project: Project) -> tuple[dict[str, str], int]:
    """Return the secrets that the project file names, and what grows whenever one changes.

    Without any it is ({}, 0). Raises UserError when some are not set.
    """
    if not project.secrets:
        return {}, 0
    kept, index = nomad.variable_with_index(path(project.project))
    lacking = [name for name in project.secrets if name not in kept]
    if lacking:
        raise UserError(
            f"reviewapps.yml names secrets that {project.project} does not have: "
            + ", ".join(lacking),
            hint=f"reviewapps secret set {lacking[0]}",
        )
    return {name: kept[name] for name in project.secrets}, index


def put(nomad: Nomad, project: str, name: str, value: str) -> bool:
    """Keep a secret, and say whether there was none of this name or another value.

    Raises UserError for a name that no variable can have and a value that no variable can hold.
    """
    _require_fit(name, value)
    kept, index = nomad.variable_with_index(path(project))
    if kept.get(name) == value:
        return False
    if sum(len(each.encode()) for each in (*kept.values(), value)) > MAX_BYTES:
        raise UserError(
            f"the secrets of {project} would be larger than {MAX_BYTES // 1024} KiB together",
            hint="reviewapps secret unset removes one; files are better kept in the image",
        )
    _write(nomad, project, {**kept, name: value}, index)
    return True


def remove(nomad: Nomad, project: str, name: str) -> None:
    """Forget a secret; raises NotFound when there is none of this name."""
    kept, index = nomad.variable_with_index(path(project))
    if name not in kept:
        raise NotFound(f"{project} has no secret {name}", hint="reviewapps secret list")
    _write(nomad, project, {key: kept[key] for key in kept if key != name}, index)


def names(nomad: Nomad, project: str) -> list[str]:
    """Return the names of the project's secrets."""
    return sorted(nomad.variable(path(project)))


def _write(nomad: Nomad, project: str, items: Mapping[str, str], index: int) -> None:
    """Write all of them if nobody else has meanwhile; raises Conflict when somebody has."""
    if items:
        nomad.put_variable(path(project), items, expected_index=index)
    else:
        nomad.delete_variable(path(project))


def _require_fit(name: str, value: str) -> None:
    try:
        check_env_name(name)
    except ValueError as error:
        raise UserError(f"the name {name!r} {error}") from error
    if not value:
        raise UserError(f"the value of {name} is empty", hint="reviewapps secret unset removes one")
    if "\0" in value:
        raise UserError(f"the value of {name} has a NUL byte, which no variable can hold")
