"""All that a project's folder tells, gathered once before anything is proposed."""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path

from reviewapps.init import dockerfile, folder
from reviewapps.init.dockerfile import Dockerfile
from reviewapps.init.folder import Folder

MARKS = (
    *("Gemfile", "Procfile", "package.json", "manage.py", "pyproject.toml", "requirements.txt"),
    *("Pipfile", "go.mod", "mix.exs", "composer.json", *dockerfile.NAMES),
)
SCRIPTS = ("bin/", "script/", "scripts/", "tasks/", "db/")


@dataclass(frozen=True)
class Evidence:
    """The folder, read: what each file says, without any conclusion."""

    folder: Folder
    repository: Path | None
    dockerfile: Dockerfile
    gems: dict[str, str]
    python: set[str]
    node: set[str]
    scripts: dict[str, str]
    processes: dict[str, str]

    @property
    def is_rails(self) -> bool:
        """Rails as an application, not just some of its gems."""
        named = "rails" in self.gems or "railties" in self.gems
        return named and self.folder.first("config/application.rb", "bin/rails") != ""

    @property
    def is_django(self) -> bool:
        """Django by its manage.py."""
        return self.folder.has("manage.py") and "django" in self.folder.text("manage.py").lower()

    def reader_of(self, variable: str) -> str:
        """Return a source file near the top that names the environment variable, or ""."""
        return next(iter(self.readers_of(variable)), "")

    def readers_of(self, variable: str) -> list[str]:
        """Return the source files near the top that name the environment variable."""
        sources = self.folder.find(
            *(
                f"{place}*.{kind}"
                for place in ("", "*/")
                for kind in ("rb", "ru", "py", "js", "ts", "yml")
            )
        )
        return [file for file in sources if variable in self.folder.text(file)]

    def script(self, *names: str) -> list[tuple[str, str]]:
        """Return the commands that run files of these names, such as `tasks/migrate.rb`."""
        runners = {".rb": "ruby", ".py": "python3", ".js": "node", ".mjs": "node", ".sh": "sh"}
        if self.gems:
            runners[".rb"] = "bundle exec ruby"
        stems = [f"{place}{name}" for name in names for place in SCRIPTS]
        found = [stem for stem in stems if self.folder.runs(stem)]
        found += [
            f"{runner} {stem}{kind}"
            for stem in stems
            for kind, runner in runners.items()
            if self.folder.has(stem + kind)
        ]
        return [(command, f"{command.split()[-1]} is there.") for command in found]

    @property
    def below(self) -> str:
        """The folder's place in its repository, "." at the root."""
        if self.repository is None:
            return "."
        return str(self.folder.path.relative_to(self.repository))


def gather(path: Path) -> Evidence:
    """Return what the folder at `path` tells."""
    path = path.resolve()
    here = Folder(path)
    return Evidence(
        folder=here,
        repository=next((up for up in (path, *path.parents) if (up / ".git").exists()), None),
        dockerfile=dockerfile.read(here),
        gems=folder.gems(here),
        python=folder.python_packages(here),
        node=folder.node_packages(here),
        scripts=folder.node_scripts(here),
        processes=folder.procfile(here),
    )


def looks_like_an_application(path: Path) -> bool:
    """Say whether one of the files is there that applications have at their top."""
    return any((path / mark).is_file() for mark in MARKS)


def applications_below(path: Path) -> list[str]:
    """Return the folders, one or two deep, that look like applications."""
    found = {
        str(mark.parent.relative_to(path))
        for pattern in ("*/{}", "*/*/{}")
        for name in MARKS
        for mark in path.glob(pattern.format(name))
        if not {"node_modules", "vendor"}.intersection(mark.parts) and "/." not in str(mark)
    }
    inner = {name for name in found for other in found if name.startswith(f"{other}/")}
    return sorted(found - inner)


def remote_name(repository: Path) -> str:
    """Return the repository's name on its remote `origin`, or ""."""
    reader = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        text = (repository / ".git" / "config").read_text("utf-8")
        reader.read_string("\n".join(line.strip() for line in text.splitlines()))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return ""
    url = reader.get('remote "origin"', "url", fallback="") or ""
    return re.sub(r"\.git$", "", re.split(r"[/:\\]", url.rstrip("/"))[-1])
