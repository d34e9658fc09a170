"""What in a folder tells of PostgreSQL or MySQL beside a configuration file: clients and URLs."""

import re

from reviewapps.init.evidence import Evidence

Sign = tuple[str, str]  # the database's kind, and the sentence that says what tells it

GEMS = {"pg": "postgresql", "mysql2": "mysql", "trilogy": "mysql", "sqlite3": "sqlite"}
PYTHON = {
    **dict.fromkeys(("psycopg", "psycopg2", "psycopg2-binary", "asyncpg"), "postgresql"),
    **dict.fromkeys(("mysqlclient", "pymysql", "aiomysql"), "mysql"),
}
NODE = {
    **dict.fromkeys(("pg", "pg-promise", "postgres"), "postgresql"),
    **dict.fromkeys(("mysql", "mysql2"), "mysql"),
    **dict.fromkeys(("sqlite3", "better-sqlite3"), "sqlite"),
}
# file → a pattern for each kind
MANIFESTS = {
    "go.mod": (r"github\.com/(?:lib/pq|jackc/pgx)", r"github\.com/go-sql-driver/mysql"),
    "mix.exs": (r":postgrex", r":myxql"),
    "composer.json": (r"\bext-(?:pdo_)?pgsql", r"\bext-(?:pdo_mysql|mysqli)"),
}
# packages of Debian, Alpine and the official PHP images
INSTALLED = {
    "postgresql": r"ruby-pg|libpq.*|postgresql.*|python3-(psycopg\w*|asyncpg)|libdbd-pg-perl"
    r"|php[\d.]*-pgsql|(pdo_)?pgsql",
    "mysql": r"ruby-mysql2|ruby-trilogy|(default-)?(lib)?(mysql|mariadb).*"
    r"|python3-(mysqldb|pymysql)|libdbd-(mysql|mariadb)-perl|php[\d.]*-mysql|pdo_mysql|mysqli",
}
SCHEME = re.compile(r"\b(postgres|postgresql|postgis|mysql2?|mariadb|trilogy)(?:\+\w+)?://")
SERVER = re.compile(r"^\s*image:\s*[\"']?(?:[\w.-]+/)*(postgres|postgis|mysql|mariadb)\b", re.M)
ADDON = re.compile(r"\b(heroku-postgresql|cleardb|jawsdb)\b")
EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.development", ".env")


def find(evidence: Evidence) -> Sign | None:
    """Return the surest sign, None without any."""
    return (
        from_packages(evidence)
        or from_manifests(evidence)
        or from_urls(evidence)
        or from_servers(evidence)
        or from_image(evidence)
    )


def from_packages(evidence: Evidence) -> Sign | None:
    """Look for a database's client among the packages."""
    for kind, known, used in (
        ("gem", GEMS, [*evidence.gems]),
        ("Python package", PYTHON, sorted(evidence.python)),
        ("npm package", NODE, sorted(evidence.node)),
    ):
        hits = [name for name in known if name in used]
        if hits:
            return known[hits[0]], f"The {kind} {hits[0]} is used."
    return None


def from_manifests(evidence: Evidence) -> Sign | None:
    """Look for a client in the manifests of other languages."""
    for file, (postgresql, mysql) in MANIFESTS.items():
        for kind, pattern in (("postgresql", postgresql), ("mysql", mysql)):
            if match := re.search(pattern, evidence.folder.text(file)):
                return kind, f"{file} names {match[0].lstrip(':')}."
    return None


def from_urls(evidence: Evidence) -> Sign | None:
    """Look for the form of the URL where DATABASE_URL is read or given an example."""
    for file in (*EXAMPLES, *evidence.readers_of("DATABASE_URL")):
        for line in evidence.folder.text(file).splitlines():
            if "DATABASE_URL" in line and (match := SCHEME.search(line)):
                return kind_of(match[1]), f"{file} says DATABASE_URL is {match[0]}…"
    return None


def from_servers(evidence: Evidence) -> Sign | None:
    """Look for the server that developers run, or that Heroku adds."""
    for file in evidence.folder.find("docker-compose*.y*ml", "compose*.y*ml"):
        if match := SERVER.search(evidence.folder.text(file)):
            return kind_of(match[1]), f"{file} runs {match[1]}."
    if match := ADDON.search(evidence.folder.text("app.json")):
        return kind_of(match[1].removeprefix("heroku-")), f"app.json adds {match[1]}."
    return None


def from_image(evidence: Evidence) -> Sign | None:
    """Look for a client among the packages that the Dockerfile installs; the first one counts."""
    for package in evidence.dockerfile.packages:
        for kind, pattern in INSTALLED.items():
            if re.fullmatch(pattern, package):
                return kind, f"{evidence.dockerfile.name} installs {package}."
    return None


def kind_of(word: str) -> str:
    """Return the kind that a URL's scheme, an image or an add-on stands for."""
    return "postgresql" if word.startswith("post") else "mysql"
