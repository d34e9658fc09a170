"""Which database a folder's files speak of, and what migrates and seeds it."""

import re
from pathlib import PurePosixPath

from reviewapps.init import database_signs
from reviewapps.init.command import Choice, as_command
from reviewapps.init.evidence import Evidence
from reviewapps.init.folder import section

ADAPTERS = {
    "postgresql": "postgresql",
    "postgis": "postgresql",
    "mysql2": "mysql",
    "trilogy": "mysql",
    "sqlite3": "sqlite",
}
BACKENDS = {"postgresql": "postgresql", "postgis": "postgresql", "mysql": "mysql"}
ALWAYS_THERE = {"plpgsql", "pg_catalog.plpgsql"}


def engine(evidence: Evidence) -> tuple[str, str]:
    """Return the database's kind, "" for none, and what says so."""
    found = (
        from_database_yml(evidence)
        or from_django(evidence)
        or from_prisma(evidence)
        or database_signs.find(evidence)
    )
    if not found and evidence.is_django:
        return "sqlite", "Django's custom."
    return found or ("", "")


def from_database_yml(evidence: Evidence) -> tuple[str, str] | None:
    """Look for the adapter of production, else for the first."""
    adapters: dict[str, str] = {}
    part = ""
    for line in evidence.folder.text("config/database.yml").splitlines():
        if head := re.match(r"([a-z_]+):", line):
            part = head[1]
        if match := re.match(r"\s+adapter:\s*['\"]?(\w+)", line):
            adapters.setdefault(part, match[1])
    for adapter in (adapters.get("production", ""), *adapters.values()):
        if adapter in ADAPTERS:
            return ADAPTERS[adapter], f"config/database.yml says adapter: {adapter}."
    return None


def from_django(evidence: Evidence) -> tuple[str, str] | None:
    """Look for the ENGINE in Django's settings."""
    if not evidence.is_django:
        return None
    for file in evidence.folder.find("*/settings.py", "*/settings/*.py", "settings.py"):
        backends = re.findall(
            r"django\.(?:contrib\.gis\.)?db\.backends\.(\w+)", text(evidence, file)
        )
        for backend in backends:
            if backend in BACKENDS:
                return BACKENDS[backend], f"{file} says django.db.backends.{backend}."
    return None


def text(evidence: Evidence, file: str) -> str:
    """Return a Python file without its comments."""
    return "\n".join(evidence.folder.lines(file))


def from_prisma(evidence: Evidence) -> tuple[str, str] | None:
    """Look for the provider in Prisma's schema."""
    schema = evidence.folder.text("prisma/schema.prisma")
    match = re.search(r"datasource\s[^}]*provider\s*=\s*\"(\w+)\"", schema)
    kind = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql"}
    if match and match[1] in kind:
        return kind[match[1]], f'prisma/schema.prisma says provider = "{match[1]}".'
    return None


def choose(evidence: Evidence) -> list[Choice]:
    """Propose the database and its extensions."""
    kind, why = engine(evidence)
    if kind == "sqlite":
        evidence.folder.note(
            "SQLite lives inside the container, so each release would start with an empty one:"
            " review apps want PostgreSQL or MySQL, which read DATABASE_URL"
        )
    if not kind and (reader := evidence.reader_of("DATABASE_URL")):
        evidence.folder.note(
            f"{reader} reads DATABASE_URL, and nothing tells of which database:"
            " add `database: {engine: postgresql}`, or mysql, and `migrate`"
        )
    if kind not in {"postgresql", "mysql"}:
        return []
    choices = [Choice("database/engine", kind, why)]
    schema = evidence.folder.text("db/schema.rb")
    enabled = re.findall(r"^\s*enable_extension\s*\(?\s*['\"]([a-z][a-z0-9_-]*)['\"]", schema, re.M)
    extensions = sorted(set(enabled) - ALWAYS_THERE)
    if extensions and kind == "postgresql":
        choices.append(Choice("database/extensions", extensions, "db/schema.rb enables these."))
    folders = made_from(evidence)
    if folders and folders != ["db"]:
        why = "What the database is made from, for mode template; add what comes later."
        choices.append(Choice("database/fingerprint", folders, why))
    return choices


def made_from(evidence: Evidence) -> list[str]:
    """Return the folders of migrations and seeds, counted from the repository's root."""
    files = evidence.folder.find(
        "db/*", "prisma/*", "alembic/*", "migrations/*", "*/migrations/*.py", "*/*/migrations/*.py"
    )
    folders = {str(PurePosixPath(evidence.below, file).parent) for file in files}
    return sorted(folders)


def migrate(evidence: Evidence) -> list[Choice]:
    """Propose what brings the database up to date."""
    if engine(evidence)[0] not in {"postgresql", "mysql"}:
        return []
    for command, why in migrations(evidence):
        return [Choice("migrate/command", as_command(command), why)]
    evidence.folder.note("nothing tells how the database is migrated: add `migrate` if it is")
    return []


def migrations(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the commands that could migrate, the surest first."""
    folder = evidence.folder
    found = []
    if "release" in evidence.processes:
        found.append((evidence.processes["release"], "The Procfile's release process."))
    if folder.has("bin/rails"):
        found.append(("bin/rails db:migrate", "bin/rails is there."))
    if folder.has("Rakefile") and folder.find("db/migrate/*.rb"):
        found.append(("bundle exec rake db:migrate", "There are a Rakefile and db/migrate."))
    if evidence.is_django:
        found.append(("python manage.py migrate --noinput", "manage.py is Django's."))
    if folder.has("alembic.ini"):
        found.append(("alembic upgrade head", "alembic.ini is there."))
    if folder.has("prisma/schema.prisma"):
        found.append(("npx prisma migrate deploy", "prisma/schema.prisma is there."))
    if "knex" in evidence.node:
        found.append(("npx knex migrate:latest", "The npm package knex is used."))
    names = [
        name for name in ("db:migrate", "migrate", "migrate:deploy") if name in evidence.scripts
    ]
    found += [(f"npm run {name}", f"A script {name} of package.json.") for name in names]
    return [*found, *evidence.script("migrate")]


def seed(evidence: Evidence) -> list[Choice]:
    """Propose what fills a new database."""
    if engine(evidence)[0] not in {"postgresql", "mysql"}:
        return []
    for command, why in seeds(evidence):
        return [Choice("seed/command", as_command(command), why)]
    return []


def seeds(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the commands that could seed, the surest first."""
    folder = evidence.folder
    found = []
    if folder.lines("db/seeds.rb") and folder.has("bin/rails"):
        found.append(("bin/rails db:seed", "db/seeds.rb has something in it."))
    elif folder.lines("db/seeds.rb") and folder.has("Rakefile"):
        found.append(("bundle exec rake db:seed", "db/seeds.rb has something in it."))
    if section(folder.table("package.json"), "prisma").get("seed"):
        found.append(("npx prisma db seed", "package.json says prisma.seed."))
    return [*found, *evidence.script("seed")]
