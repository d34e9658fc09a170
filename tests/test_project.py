"""The project file: what it may say, and what the record keeps of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reviewapps import project
from reviewapps.errors import UserError
from reviewapps.project import Assets, Database, Project, Redis, Task, Unicorn, Worker, parse

EXAMPLE = Path(project.__file__).parent / "reviewapps.example.yml"


def test_one_line_is_a_whole_file() -> None:
    shop = parse("project: shop")
    assert shop == Project(project="shop")
    assert shop.database.engine == "none"
    assert (shop.redis, shop.migrate, shop.seed, shop.resque, shop.assets) == (None,) * 5
    assert shop.unicorn == Unicorn(command=None, port=8080, health_path="/")


def test_the_example_has_every_key_and_is_what_it_says() -> None:
    text = EXAMPLE.read_text()
    shop = parse(text)
    assert keys(yaml.safe_load(text)) | {
        "database/name",
        "database/snapshot",
        "access/groups",
        "access/emails",
    } == keys(shop.as_dict(), leaves={"env", "build_args"}) | {
        "image/build_args/RUBY_VERSION",
        "unicorn/env/WEB_CONCURRENCY",
        "resque/env/QUEUE",
        "env/RAILS_ENV",
        "env/RAILS_LOG_TO_STDOUT",
    }
    assert "# name:" in text
    assert "# snapshot:" in text


def keys(values: dict[str, Any], at: str = "", leaves: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    """Return the paths of all keys."""
    found: set[str] = set()
    for key, value in values.items():
        found.add(at + key)
        if isinstance(value, dict) and key not in leaves:
            found |= keys(value, f"{at}{key}/", leaves)
    return found


def test_values_of_the_example_without_a_remark_are_the_defaults() -> None:
    """The example says that it shows defaults unless a comment says otherwise."""
    plain = {
        "project": "shop",
        "database": {"engine": "postgresql"},
        "redis": {},
        "migrate": {"command": "bin/rails db:migrate"},
        "seed": {"command": "bin/rails db:seed"},
        "resque": {"command": "bundle exec rake resque:work"},
        "assets": {},
    }
    written_out = yaml.safe_load(EXAMPLE.read_text())
    defaults = parse(json.dumps(plain)).as_dict()
    differing = {
        path
        for path in keys(defaults, leaves={"env", "build_args"})
        if not path.endswith(("env", "build_args"))
        and not isinstance(value_at(defaults, path), dict)
        and value_at(written_out, path) not in (value_at(defaults, path), None)
    }
    assert differing - {name for name in differing if name.endswith("command")} == {
        "domain",
        "database/extensions",
        "secrets",
        "unicorn/health_path",
        "unicorn/stop_signal",
        "resque/stop_signal",
    }


def value_at(values: dict[str, Any], path: str) -> Any:
    """Return what stands at `path`, or None."""
    for key in path.split("/"):
        values = values.get(key) or {} if isinstance(values, dict) else {}
    return values if values != {} else None


def test_sections_become_values() -> None:
    shop = parse(
        """\
project: shop
domain: preview.example.com
branches: review/*
database: {engine: postgresql, mode: template, extensions: [pg_trgm, uuid-ossp], connections: 5}
redis: {}
migrate: {command: bin/rails db:migrate, timeout_seconds: 60}
seed: {command: [bin/rails, "db:seed"], env: {SEED: 1}}
unicorn: {command: 'unicorn -c "config/my unicorn.rb"', port: 3000, env: {A: 1.5, B: ""}}
resque: {command: rake resque:work, stop_signal: SIGQUIT}
assets: {directory: /app/public/packs, prefix: /packs}
access: {kind: password}
subdomains: true
capacity: {policy: per-app}
"""
    )
    assert shop.domain == "preview.example.com"
    assert shop.database == Database(
        engine="postgresql",
        mode="template",
        extensions=("pg_trgm", "uuid-ossp"),
        connections=5,
    )
    assert shop.redis == Redis(memory_mb=64)
    assert shop.migrate == Task(command=("bin/rails", "db:migrate"), timeout_seconds=60)
    assert shop.seed == Task(command=("bin/rails", "db:seed"), env={"SEED": "1"})
    assert shop.unicorn == Unicorn(
        command=("unicorn", "-c", "config/my unicorn.rb"), port=3000, env={"A": "1.5", "B": ""}
    )
    assert shop.resque == Worker(command=("rake", "resque:work"), stop_signal="SIGQUIT")
    assert shop.assets == Assets(directory="/app/public/packs", prefix="/packs")
    assert (shop.access.kind, shop.subdomains, shop.capacity.policy) == (
        "password",
        True,
        "per-app",
    )
    assert shop.covers("review/x/y")
    assert not shop.covers("deploy-x")


def test_nothing_can_be_changed_afterwards() -> None:
    shop = parse("project: shop")
    with pytest.raises(AttributeError):
        shop.project = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        shop.unicorn.port = 1  # type: ignore[misc]


def test_an_anchor_may_be_used_again() -> None:
    shop = parse("project: shop\nenv: &e {A: a}\nunicorn: {env: *e}")
    assert shop.unicorn.env == shop.env == {"A": "a"}


def test_json_is_yaml() -> None:
    assert parse('{"project": "shop", "unicorn": {"port": 3000}}').unicorn.port == 3000


@pytest.mark.parametrize("branch", ["deploy-x", "deploy-", "deploy-a/b", "deploy-\n"])
def test_branches_that_get_an_app(branch: str) -> None:
    assert Project(project="shop").covers(branch)


@pytest.mark.parametrize("branch", ["main", "x-deploy-x", "Deploy-x", "", "refs/heads/deploy-x"])
def test_branches_that_get_none(branch: str) -> None:
    assert not Project(project="shop").covers(branch)


# --- what the record keeps


@pytest.mark.parametrize("text", ["project: shop", EXAMPLE.read_text()])
def test_the_record_keeps_all_of_it(text: str) -> None:
    shop = parse(text)
    kept = json.loads(json.dumps(shop.as_dict()))
    assert Project.from_dict(kept) == shop
    assert Project.from_dict(kept).as_dict() == kept


def test_a_record_of_a_newer_version_can_be_read() -> None:
    kept = parse("project: shop\nredis: {}").as_dict()
    newer = json.loads(json.dumps(kept))
    newer |= {"invented": {"x": 1}}
    newer["unicorn"]["threads"] = [3]
    newer["redis"]["version"] = 8
    before = json.dumps(newer)
    assert Project.from_dict(newer).as_dict() == kept
    assert json.dumps(newer) == before, "what the caller holds stays as it is"


def test_a_record_that_is_no_project_says_so() -> None:
    with pytest.raises(UserError, match="unicorn/port should be a whole number"):
        Project.from_dict({"project": "shop", "new": 1, "unicorn": {"port": "x"}})


def test_the_document_names_every_key_with_its_default() -> None:
    text = (Path(__file__).parent.parent / "docs/project-file.md").read_text()
    rows = {
        name: default.strip(" `")
        for line in text.splitlines()
        if line.startswith("| `")
        for names, default in [line.split("|")[1:3]]
        for name in names.replace("`", "").replace(" ", "").split(",")
    }
    sections = ("redis", "migrate", "seed", "resque", "assets")
    plain: dict[str, Any] = {"project": "shop"} | {name: {} for name in sections}
    for name in ("migrate", "seed", "resque"):
        plain[name] = {"command": "x"}
    defaults = parse(json.dumps(plain)).as_dict()
    leaves = {
        path
        for path in keys(defaults, leaves={"env", "build_args"})
        if path.endswith(("env", "build_args")) or not isinstance(value_at(defaults, path), dict)
    } - {*sections, *(name for name in defaults if isinstance(defaults[name], dict))} | {"env"}
    assert leaves <= set(rows), "undocumented"
    assert {name for name in rows if "/" in name} <= leaves, "documented, and not there"
    for path in leaves:
        default = value_at(defaults, path)
        if isinstance(default, int) and not isinstance(default, bool):
            assert rows[path] == str(default), path
