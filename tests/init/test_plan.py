"""What init proposes for real-shaped folders, and what it makes of the files that are there."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from reviewapps.errors import UserError
from reviewapps.init import plan
from reviewapps.init.plan import FilePlan, Plan
from reviewapps.project import Project, parse
from tests.init import folders
from tests.init.folders import Files, lay_out

CIRCLECI = "version: 2.1\n"


def planned(folder: Path, files: Files) -> Plan:
    """Return the plan for a folder named `shop` with these files."""
    return plan.make(lay_out(folder / "shop", files), CIRCLECI)


def chosen(made: Plan) -> dict[str, Any]:
    """Return the values by path."""
    return {choice.path: choice.value for choice in made.choices}


def test_rails_with_postgresql_and_resque(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.RAILS_POSTGRESQL_RESQUE)
    assert chosen(made) == {
        "project": "big-shop",
        "database/engine": "postgresql",
        "database/extensions": ["pg_trgm"],
        "redis/memory_mb": 64,
        "migrate/command": "bin/rails db:migrate",
        "seed/command": "bin/rails db:seed",
        "unicorn/command": [
            "sh",
            "-c",
            "exec bundle exec unicorn -p $PORT -c config/unicorn.rb",
        ],
        "unicorn/port": 8080,
        "unicorn/health_path": "/up",
        "unicorn/stop_signal": "SIGQUIT",
        "resque/command": ["sh", "-c", "QUEUE=* exec bundle exec rake resque:work"],
        "resque/stop_signal": "SIGQUIT",
        "env/RAILS_SERVE_STATIC_FILES": "1",
        "env/SECRET_KEY_BASE_DUMMY": "1",
    }
    assert made.notes == []


def test_credentials_whose_key_is_not_in_git_are_noted(tmp_path: Path) -> None:
    files = {**folders.RAILS_POSTGRESQL_RESQUE, "config/credentials.yml.enc": "x"}
    made = planned(tmp_path, files)
    assert "secrets" not in chosen(made)
    (note,) = made.notes
    assert "reviewapps secret set RAILS_MASTER_KEY" in note


def test_rails_with_mysql_and_sidekiq(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.RAILS_MYSQL_SIDEKIQ)
    assert chosen(made) == {
        "project": "shop",
        "database/engine": "mysql",
        "redis/memory_mb": 64,
        "migrate/command": "bin/rails db:migrate",
        "unicorn/port": 80,
        "unicorn/health_path": "/",
        "unicorn/stop_signal": "SIGINT",
        "resque/command": "bundle exec sidekiq",
        "env/RAILS_ENV": "production",
        "env/RAILS_LOG_TO_STDOUT": "1",
        "env/RAILS_SERVE_STATIC_FILES": "1",
        "env/SECRET_KEY_BASE_DUMMY": "1",
    }
    assert made.notes == ["this folder is not in a git repository; deploys start from commits"]


def test_django_with_celery(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.DJANGO)
    assert chosen(made) == {
        "project": "shop",
        "database/engine": "postgresql",
        "database/fingerprint": ["shop/cart/migrations", "shop/users/migrations"],
        "redis/memory_mb": 64,
        "migrate/command": "python manage.py migrate --noinput",
        "unicorn/command": "gunicorn shop.wsgi:application --bind 0.0.0.0:8000",
        "unicorn/port": 8000,
        "unicorn/health_path": "/healthz/",
        "resque/command": "celery -A shop worker --loglevel INFO",
    }
    assert made.notes[0].startswith("Django answers only to the hosts in ALLOWED_HOSTS")


def test_node_with_prisma(tmp_path: Path) -> None:
    assert chosen(planned(tmp_path, folders.NODE_PRISMA)) == {
        "project": "shop",
        "database/engine": "mysql",
        "database/fingerprint": ["prisma"],
        "redis/memory_mb": 64,
        "migrate/command": "npx prisma migrate deploy",
        "seed/command": "npx prisma db seed",
        "unicorn/port": 3100,
        "unicorn/health_path": "/ready",
        "resque/command": "npm run worker",
        "env/NODE_ENV": "production",
    }


def test_a_plain_dockerfile(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.PLAIN_DOCKERFILE)
    assert chosen(made) == {"project": "shop", "unicorn/port": 5000, "unicorn/health_path": "/"}


GUESTBOOK = Path(__file__).parents[2] / "examples" / "guestbook"


def test_the_guest_book_which_has_no_gemfile(tmp_path: Path) -> None:
    """Its gems are Debian's packages, its tasks plain scripts: nothing is left to be asked."""
    shutil.copytree(GUESTBOOK, tmp_path / "shop", ignore=shutil.ignore_patterns("reviewapps.yml"))
    made = planned(tmp_path, {".git/config": ""})
    assert chosen(made) == {
        "project": "shop",
        "database/engine": "postgresql",
        "redis/memory_mb": 64,
        "migrate/command": "ruby tasks/migrate.rb",
        "seed/command": "ruby tasks/seed.rb",
        "unicorn/port": 3000,
        "unicorn/health_path": "/up",
        "unicorn/stop_signal": "SIGQUIT",
        "resque/command": "ruby tasks/worker.rb",
    }
    assert made.notes == []


IMAGE = "FROM x\nCMD y\n"


def with_packages(command: str) -> Files:
    return {"Dockerfile": f"FROM x AS build\nRUN {command}\nFROM x\nCMD y\n"}


@pytest.mark.parametrize(
    ("files", "kind", "why"),
    [
        (
            with_packages("apt-get update && apt-get install -y ruby-pg=1.4-1 ruby-mysql2 && true"),
            "postgresql",
            "Dockerfile installs ruby-pg.",
        ),
        (
            with_packages("apk add --no-cache \\\n  # the client\n  mariadb-dev"),
            "mysql",
            "Dockerfile installs mariadb-dev.",
        ),
        (
            with_packages("docker-php-ext-install -j4 pdo_mysql"),
            "mysql",
            "Dockerfile installs pdo_mysql.",
        ),
        (
            {"Dockerfile": IMAGE, ".env.example": "DATABASE_URL=mysql2://root@localhost/shop\n"},
            "mysql",
            ".env.example says DATABASE_URL is mysql2://…",
        ),
        (
            {
                "Dockerfile": IMAGE,
                "shop/db.py": "x = environ['DATABASE_URL']  # postgresql+psycopg://user@host/name\n",
            },
            "postgresql",
            "shop/db.py says DATABASE_URL is postgresql+psycopg://…",
        ),
        (
            {"Dockerfile": IMAGE, "docker-compose.yml": "services:\n db:\n  image: postgres:16\n"},
            "postgresql",
            "docker-compose.yml runs postgres.",
        ),
        (
            {"Dockerfile": IMAGE, "app.json": '{"addons": ["heroku-postgresql:mini"]}'},
            "postgresql",
            "app.json adds heroku-postgresql.",
        ),
        (
            {"Dockerfile": IMAGE, "go.mod": "require github.com/go-sql-driver/mysql v1.8.1\n"},
            "mysql",
            "go.mod names github.com/go-sql-driver/mysql.",
        ),
        (
            {"Dockerfile": IMAGE, "mix.exs": '{:postgrex, ">= 0.0.0"},\n'},
            "postgresql",
            "mix.exs names postgrex.",
        ),
        (
            {"requirements.txt": "asyncpg\n", "Dockerfile": IMAGE},
            "postgresql",
            "The Python package asyncpg is used.",
        ),
        (
            {"package.json": '{"dependencies": {"mysql2": "3"}}', "Dockerfile": IMAGE},
            "mysql",
            "The npm package mysql2 is used.",
        ),
    ],
)
def test_a_database_is_seen_by_what_speaks_to_it(
    tmp_path: Path, files: Files, kind: str, why: str
) -> None:
    made = planned(tmp_path, files)
    (choice,) = [each for each in made.choices if each.path == "database/engine"]
    assert (choice.value, choice.why) == (kind, why)
    assert parse(made.files[0].text).database.engine == kind


@pytest.mark.parametrize(
    "files",
    [
        with_packages("apt-get install -y curl postfix mysteriously && echo apt-get libpq"),
        {"Dockerfile": IMAGE, ".env.example": "CACHE=postgres://\nDATABASE_URL=sqlite3:db/x\n"},
        {"Dockerfile": IMAGE, "docker-compose.yml": "services:\n db:\n  image: me/postgrest:1\n"},
        {"Dockerfile": "FROM postgres:16\nCMD y\n", "go.mod": "module example.com/mysql\n"},
    ],
)
def test_what_only_looks_like_a_database_is_none(tmp_path: Path, files: Files) -> None:
    assert "database/engine" not in chosen(planned(tmp_path, files))


def test_scripts_that_are_named_for_it_migrate_seed_and_work(tmp_path: Path) -> None:
    files: Files = {
        "requirements.txt": "psycopg\n",
        "Dockerfile": IMAGE,
        "scripts/migrate.py": "",
        "db/seed.sh": "",
        "bin/worker": "#!/bin/sh\n",
        "worker.js": "a browser's worker, for all we know",
    }
    (lay_out(tmp_path / "shop", files) / "bin/worker").chmod(0o755)
    values = chosen(plan.make(tmp_path / "shop", CIRCLECI))
    assert values["migrate/command"] == "python3 scripts/migrate.py"
    assert values["seed/command"] == "sh db/seed.sh"
    assert values["resque/command"] == "bin/worker"


def test_without_a_dockerfile_the_next_thing_is_to_write_one(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.NO_DOCKERFILE)
    assert chosen(made) == {
        "project": "shop",
        "unicorn/command": ["sh", "-c", "./server --port $PORT && true"],
        "unicorn/port": 8080,
        "unicorn/health_path": "/",
    }
    assert "there is no Dockerfile" in made.notes[0]


def test_malformed_files_are_told_and_passed_over(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.MALFORMED)
    assert chosen(made) == {"project": "shop", "unicorn/port": 8080, "unicorn/health_path": "/"}
    assert made.notes == [
        "Gemfile could not be read (UnicodeDecodeError) and is passed over",
        "pyproject.toml is malformed and is passed over",
        "package.json is malformed and is passed over",
    ]


def test_hostile_files_end_as_quoted_text_or_nowhere(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.HOSTILE)
    values = chosen(made)
    assert values["database/extensions"] == ["a-b_c"]
    assert values["unicorn/port"] == 8080
    assert "unicorn/stop_signal" not in values
    text = made.files[0].text
    assert "hunter2" not in text
    assert "\x1b" not in text
    shop = parse(text)
    assert shop.unicorn.command == (
        "sh",
        "-c",
        "exec sh -c 'echo \"${NOMAD_TOKEN}\" [[ x ]] # {{ y }}'",
    )


@pytest.mark.parametrize("name", folders.ALL)
def test_what_is_proposed_is_a_project_file_that_says_what_was_chosen(
    tmp_path: Path, name: str
) -> None:
    if name == "MONOREPO":
        return
    made = planned(tmp_path, folders.ALL[name])
    shop = parse(made.files[0].text)
    assert isinstance(shop, Project)
    for path, value in chosen(made).items():
        kept: Any = shop.as_dict()
        for key in path.split("/"):
            kept = kept[key]
        assert kept == value or kept == (value.split() if isinstance(value, str) else None)
    assert all(choice.why.endswith(".") for choice in made.choices)
    assert all(len(line) <= 100 for line in made.files[0].text.splitlines() if "#" in line[:6])


def test_an_empty_folder_is_no_application(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no application was found in") as raised:
        planned(tmp_path, {"notes.txt": ""})
    assert (
        raised.value.hint == "reviewapps init --project-dir FOLDER, or --example for the whole file"
    )
    with pytest.raises(UserError, match="there is no folder"):
        plan.make(tmp_path / "none", CIRCLECI)


def test_a_monorepo_names_its_applications(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        planned(tmp_path, folders.MONOREPO)
    top = tmp_path / "shop"
    assert raised.value.hint == (
        f"reviewapps init --project-dir {top / 'apps/admin'} (also here: apps/shop)"
    )


def test_an_application_in_a_monorepo_counts_its_paths_from_the_top(tmp_path: Path) -> None:
    top = lay_out(tmp_path / "everything", folders.MONOREPO)
    made = plan.make(top / "apps/shop", CIRCLECI)
    assert chosen(made) == {
        "project": "shop",
        "image/dockerfile": "apps/shop/Dockerfile",
        "image/context": "apps/shop",
        "database/engine": "postgresql",
        "database/fingerprint": ["apps/shop/db"],
        "migrate/command": "bundle exec rake db:migrate",
        "unicorn/port": 4567,
        "unicorn/health_path": "/",
        "env/RACK_ENV": "production",
    }
    assert [str(file.path.relative_to(top)) for file in made.files] == [
        "apps/shop/reviewapps.yml",
        ".circleci/config.yml",
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"manage.py": "# django"}, "SQLite lives inside the container"),
        ({"Gemfile": "gem 'sqlite3'"}, "SQLite lives inside the container"),
        ({"Gemfile": "gem 'pg'"}, "nothing tells how the database is migrated"),
        (
            {"Dockerfile": "FROM x\nCMD y", "lib/db.rb": 'ENV.fetch("DATABASE_URL")'},
            "lib/db.rb reads DATABASE_URL, and nothing tells of which database",
        ),
        ({"Gemfile": "gem 'pg'"}, "nothing tells how the web process is started"),
    ],
)
def test_what_init_cannot_know_is_said(tmp_path: Path, files: Files, said: str) -> None:
    assert any(note.startswith(said) for note in planned(tmp_path, files).notes)


def test_redis_is_seen_by_its_variable_too(tmp_path: Path) -> None:
    made = planned(
        tmp_path, folders.PLAIN_DOCKERFILE | {"config/redis.yml": "url: <%= ENV['REDIS_URL'] %>"}
    )
    assert chosen(made)["redis/memory_mb"] == 64
    assert "# config/redis.yml reads REDIS_URL." in made.files[0].text


def test_the_whole_text_for_a_small_project(tmp_path: Path) -> None:
    files: Files = {
        ".git/config": "",
        "Gemfile": "gem 'pg'\ngem 'resque'",
        "Dockerfile": "FROM x\nEXPOSE 3000\nCMD unicorn",
        "Procfile": "release: rake db:migrate\nresque: rake resque:work",
    }
    assert (
        planned(tmp_path, files).files[0].text
        == """\
# The review apps of this project, as `reviewapps init` found them; change what you know better.
# `reviewapps init --example` prints the whole file with every key.

# The folder's name.
project: shop

database:
  # The gem pg is used.
  engine: postgresql

redis:
  # resque is used; the app reads REDIS_URL.
  memory_mb: 64

migrate:
  # The Procfile's release process.
  command: rake db:migrate

unicorn:
  # Dockerfile says EXPOSE 3000.
  port: 3000
  # No health route was found; one that does little work, such as /up, is better.
  health_path: /
  # unicorn finishes its requests on SIGQUIT and drops them on SIGTERM.
  stop_signal: SIGQUIT

resque:
  # The Procfile's resque process.
  command: rake resque:work
  # Resque finishes its job on SIGQUIT and gives it up on SIGTERM.
  stop_signal: SIGQUIT
  env:
    # Resque wants to be told its queues.
    QUEUE: '*'
"""
    )


# --- files that are there


def states(files: list[FilePlan]) -> list[str]:
    """Return what becomes of each file."""
    return [file.state for file in files]


def test_the_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.RAILS_POSTGRESQL_RESQUE)
    assert states(made.files) == ["new", "new"]
    for file in made.files:
        file.path.parent.mkdir(exist_ok=True)
        file.path.write_text(file.text)
    again = plan.make(tmp_path / "shop", CIRCLECI)
    assert states(again.files) == ["same", "same"]
    made.files[0].path.write_bytes(made.files[0].text.replace("\n", "\r\n").encode())
    assert states(plan.make(tmp_path / "shop", CIRCLECI).files) == ["same", "same"]


def test_a_file_that_differs_is_shown_and_kept(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.PLAIN_DOCKERFILE | {"reviewapps.yml": "project: mine\n"})
    assert states(made.files) == ["different", "new"]
    diff = made.files[0].diff.splitlines()
    assert diff[:2] == ["--- reviewapps.yml (as it is)", "+++ reviewapps.yml (as proposed)"]
    assert "-project: mine" in diff
    assert "+project: shop" in diff


def test_any_bytes_that_are_there_are_a_difference(tmp_path: Path) -> None:
    made = planned(tmp_path, folders.PLAIN_DOCKERFILE | {"reviewapps.yml": b"\xff\x00\xfe"})
    assert states(made.files) == ["different", "new"]


def test_a_link_into_nowhere_is_not_written_through(tmp_path: Path) -> None:
    top = lay_out(tmp_path / "shop", folders.PLAIN_DOCKERFILE)
    (top / "reviewapps.yml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="cannot read"):
        plan.make(top, CIRCLECI)


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    top = lay_out(tmp_path / "shop", folders.PLAIN_DOCKERFILE)
    (top / "reviewapps.yml").mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        plan.make(top, CIRCLECI)
