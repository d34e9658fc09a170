"""What people are told about a project file: all that is wrong, each with its place, no secret."""

import json
import subprocess
from pathlib import Path

import pytest

from reviewapps.errors import ProjectError
from reviewapps.project import parse
from tests.hostile import BRANCHES


def faults(text: str) -> list[str]:
    """Return the faults of a text as people read them."""
    with pytest.raises(ProjectError) as raised:
        parse(text)
    return [str(fault) for fault in raised.value.faults]


def faults_in(section: str) -> list[str]:
    """Return the faults of a file whose lines from the second on are `section`."""
    return faults(f"project: shop\n{section}")


def test_all_faults_are_told_together_in_the_order_of_their_lines() -> None:
    text = """\
project: Shop
unicorn:
  port: 0
  prot: 3
  command: foo $PORT && x
  env: {A: yes, 1B: 'x', PORT: "4", S: 1.10, T: {a: b}}
  health_path: up
web:
  x: 1
port: 3
port: 4
migrate:
resque:
  memory_mb: 010
seed: rails db:seed
database:
  mode: shared
subdomains: maybe
capacity: {policy: many}
redis: {memory_mb: 64mb}
image: {dockerfile: ../Dockerfile}
"""
    assert faults(text) == [
        "line 1: project: should be 1 to 31 of a-z, 0-9 and single hyphens, a letter first,"
        " no hyphen last, not 'Shop'",
        "line 3: unicorn/port: should be a whole number from 1 to 65535, not 0",
        "line 4: unicorn/prot: is not known; did you mean port?",
        "line 5: unicorn/command: needs a shell, and none runs it:"
        ' write it as ["sh", "-c", "exec …"], not \'foo $PORT && x\'',
        "line 6: unicorn/env/1B: should be a variable's name: letters, digits and _,"
        " no digit first",
        'line 6: unicorn/env/A: needs quotes, as in "yes":'
        " YAML reads yes, no, on, off, true, false as truth",
        "line 6: unicorn/env/PORT: is set by reviewapps itself; take it out",
        "line 6: unicorn/env/S: is a number that YAML reads otherwise than it is written"
        " (010 is 8, 1.10 is 1.1, 1:30 is 90): put it in quotes, or write it plainly",
        "line 6: unicorn/env/T: should be text or a number",
        "line 7: unicorn/health_path: should be a path such as /up, of plain ASCII without #,"
        " not 'up'",
        "line 8: web: is not known; did you mean unicorn?",
        "line 10: port: is not known here; did you mean unicorn/port?",
        "line 11: port: stands here a second time; the first is in line 10",
        "line 12: migrate: is empty: leave the key out,"
        " or write {} for a section with its defaults",
        "line 14: resque/command: is missing",
        "line 14: resque/memory_mb: is a number that YAML reads otherwise than it is written"
        " (010 is 8, 1.10 is 1.1, 1:30 is 90): put it in quotes, or write it plainly",
        "line 15: seed: should be a section with keys of its own, not 'rails db:seed'",
        "line 17: database/engine: should be postgresql or mysql",
        "line 18: subdomains: should be true or false, not 'maybe'",
        "line 19: capacity/policy: should be 'shared' or 'per-app', not 'many'",
        "line 20: redis/memory_mb: should be a whole number from 16 to 262144, not '64mb'",
        "line 21: image/dockerfile: should be a path inside the repository,"
        " without a leading / or -, not '../Dockerfile'",
    ]


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ("KEY", "line 2: secrets: should be a list of names such as [RAILS_MASTER_KEY]"),
        ("[KEY, KEY]", "line 2: secrets: has a name twice"),
        ("[PORT]", "line 2: secrets/0: is set by reviewapps itself; take it out"),
        ("[A-B]", "line 2: secrets/0: should be a variable's name: letters, digits and _,"
         " no digit first"),
        ("[KEY]\nenv: {KEY: x}", "line 2: secrets: has KEY, which env has too; keep one of them"),
        ("[KEY]\nunicorn: {env: {KEY: x}}",
         "line 2: secrets: has KEY, which env has too; keep one of them"),
    ],
)  # fmt: skip
def test_secrets_are_names_and_each_stands_in_one_place(secrets: str, said: str) -> None:
    assert faults(f"project: shop\nsecrets: {secrets}\n") == [said]


def test_the_error_is_a_message_for_people_with_the_next_command() -> None:
    with pytest.raises(ProjectError) as raised:
        parse("project: shop\nunicorn: {port: 0}", "ci/reviewapps.yml")
    assert raised.value.message == (
        "ci/reviewapps.yml has 1 fault:\n"
        "  line 2: unicorn/port: should be a whole number from 1 to 65535, not 0"
    )
    assert raised.value.hint == "reviewapps init --example prints the whole file with comments"
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Shop",
            "1shop",
            "-shop",
            "shop-",
            "my--shop",
            "my_shop",
            "my.shop",
            "",
            " shop",
            "shop ",
        ),
        *("s" * 32, "shöp", "shop\n", "shop/x", "${x}", '"} x {'),
    ],
)
def test_a_project_name_that_would_not_do_is_refused(name: str) -> None:
    assert [fault.split(": ")[1] for fault in faults(json.dumps({"project": name}))] == ["project"]


@pytest.mark.parametrize("name", ["s", "shop", "my-shop-2", "s" * 31])
def test_a_project_name_that_will_do(name: str) -> None:
    assert parse(f"project: {name}").project == name


@pytest.mark.parametrize(
    ("section", "paths"),
    [
        ("unicorn: {port: 65536}", ["unicorn/port"]),
        ("unicorn: {port: -1}", ["unicorn/port"]),
        ("unicorn: {port: '3000'}", ["unicorn/port"]),
        ("unicorn: {port: true}", ["unicorn/port"]),
        ("unicorn: {port: 3000.5}", ["unicorn/port"]),
        ("unicorn: {port: 0xBB8}", ["unicorn/port"]),
        ("unicorn: {port: 3_000}", ["unicorn/port"]),
        ("unicorn: {port: 99999999999999999999}", ["unicorn/port"]),
        ("unicorn: {port: .inf}", ["unicorn/port"]),
        ("unicorn: {port: [3000]}", ["unicorn/port"]),
        ("unicorn: {count: 0}", ["unicorn/count"]),
        ("unicorn: {memory_mb: 1}", ["unicorn/memory_mb"]),
        ("unicorn: {stop_signal: SIGKILL}", ["unicorn/stop_signal"]),
        ("unicorn: {stop_signal: 9}", ["unicorn/stop_signal"]),
        ("unicorn: {boot_seconds: 0}", ["unicorn/boot_seconds"]),
        ("unicorn: {health_path: http://evil/}", ["unicorn/health_path"]),
        ("unicorn: {health_path: '/a b'}", ["unicorn/health_path"]),
        ('unicorn: {health_path: "/a\\r\\nHost: b"}', ["unicorn/health_path"]),
        ("unicorn: {health_path: '/#x'}", ["unicorn/health_path"]),
        ("unicorn: [a]", ["unicorn"]),
        ("unicorn: unicorn", ["unicorn"]),
        ("unicorn: 3000", ["unicorn"]),
        ("redis: true", ["redis"]),
        ("redis: {memory_mb: -1}", ["redis/memory_mb"]),
        ("env: [A=b]", ["env"]),
        ("env: A=b", ["env"]),
        ("env: {A-B: c}", ["env/A-B"]),
        ("env: {'A=B': c}", ["env/A=B"]),
        ("env: {'': c}", ["env"]),
        ("env: {A: [b]}", ["env/A"]),
        ("env: {A: null}", ["env/A"]),
        ("env: {DATABASE_URL: x}", ["env/DATABASE_URL"]),
        ("env: {REDIS_URL: x}", ["env/REDIS_URL"]),
        ("env: {PORT: 1}", ["env/PORT"]),
        ("env: {REVIEWAPPS_X: x}", ["env/REVIEWAPPS_X"]),
        ("env: {NOMAD_TOKEN: x}", ["env/NOMAD_TOKEN"]),
        ("seed: {command: a, env: {REDIS_URL: x}}", ["seed/env/REDIS_URL"]),
        ("migrate: {}", ["migrate/command"]),
        ("migrate: {command: ''}", ["migrate/command"]),
        ("migrate: {command: []}", ["migrate/command"]),
        ("migrate: {command: ['']}", ["migrate/command"]),
        ("migrate: {command: [a, 1]}", ["migrate/command"]),
        ("migrate: {command: {a: b}}", ["migrate/command"]),
        ("migrate: {command: \"a 'b\"}", ["migrate/command"]),
        ("migrate: {command: a | b}", ["migrate/command"]),
        ("migrate: {command: a; b}", ["migrate/command"]),
        ("migrate: {command: A=b c}", ["migrate/command"]),
        ("migrate: {command: '&& c'}", ["migrate/command"]),
        ("migrate: {command: ( c )}", ["migrate/command"]),
        ("migrate: {command: a &}", ["migrate/command"]),
        ("migrate: {command: a > b}", ["migrate/command"]),
        ("migrate: {command: 'a `b`'}", ["migrate/command"]),
        ("migrate: {command: 'a ${B}'}", ["migrate/command"]),
        ("migrate: {command: 'a $(b)'}", ["migrate/command"]),
        ("migrate: {command: \"a\\nb\"}", ["migrate/command"]),
        ("migrate: {command: a, timeout_seconds: 1h}", ["migrate/timeout_seconds"]),
        ("migrate: {command: a, timeout_seconds: 1:30}", ["migrate/timeout_seconds"]),
        ("migrate: {comand: a}", ["migrate/comand", "migrate/command"]),
        ("database: {engine: oracle}", ["database/engine"]),
        ("database: {engine: postgresql, mode: read-only}", ["database/name"]),
        ("database: {engine: postgresql, name: x}", ["database/name"]),
        ("database: {engine: postgresql, mode: shared, name: 'x\"; drop'}", ["database/name"]),
        ("database: {engine: postgresql, mode: snapshot}", ["database/snapshot"]),
        ("database: {engine: postgresql, snapshot: x}", ["database/snapshot"]),
        ("database: {engine: mysql, extensions: [pg_trgm]}", ["database/extensions"]),
        ("database: {engine: postgresql, extensions: ['x;y']}", ["database/extensions/0"]),
        ("database: {engine: postgresql, extensions: pg_trgm}", ["database/extensions"]),
        ("database: {mode: template}", ["database/engine"]),
        ("database: {connections: 5}", ["database/engine"]),
        ("database: {engine: none, extensions: [x]}", ["database/engine"]),
        ("database: postgresql", ["database"]),
        ("image: {dockerfile: /etc/passwd}", ["image/dockerfile"]),
        ("image: {dockerfile: --build-arg=x}", ["image/dockerfile"]),
        ("image: {context: ..}", ["image/context"]),
        ("image: {context: a/../../b}", ["image/context"]),
        ("image: {build_args: {A-B: c}}", ["image/build_args/A-B"]),
        ("assets: {directory: ../x}", ["assets/directory"]),
        ("assets: {prefix: assets}", ["assets/prefix"]),
        ("domain: Preview.example.com", ["domain"]),
        ("domain: http://example.com", ["domain"]),
        ("domain: example.com.", ["domain"]),
        ("domain: '*.example.com'", ["domain"]),
        ("domain: a..b", ["domain"]),
        ("domain: " + "a." * 110 + "b", ["domain"]),
        ("branches: ''", ["branches"]),
        ("branches: [deploy-*]", ["branches"]),
        ("access: public", ["access"]),
        ("access: {kind: everyone}", ["access/kind"]),
        ("access: {kind: password, groups: [team]}", ["access/groups"]),
        ("access: {emails: [kim@example.com]}", ["access/emails"]),
        ("access: {kind: sign-in, groups: ['a,b']}", ["access/groups/0"]),
        ("subdomains: 1", ["subdomains"]),
        ("limits: {deploy_seconds: 0}", ["limits/deploy_seconds"]),
        ("capacity: {policy: null}", ["capacity/policy"]),
        ("env: {A: \"a\\0b\"}", ["env/A"]),
        ("env: {A: \"\\ud800\"}", ["env/A"]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_fault_at_its_place(section: str, paths: list[str]) -> None:
    with pytest.raises(ProjectError) as raised:
        parse(f"project: shop\n{section}")
    assert [fault.path for fault in raised.value.faults] == paths
    assert {fault.line for fault in raised.value.faults} == {2}


@pytest.mark.parametrize(
    ("section", "hint"),
    [
        ("unicron: {}", "did you mean unicorn?"),
        ("puma: {}", "did you mean unicorn?"),
        ("sidekiq: {}", "did you mean resque?"),
        ("postgresql: {}", "did you mean database?"),
        ("Redis: {}", "did you mean redis?"),
        ("unicorn: {healthcheck: /up}", "did you mean health_path?"),
        ("unicorn: {memory: 512}", "did you mean memory_mb?"),
        ("dockerfile: Dockerfile", "did you mean image/dockerfile?"),
        ("command: x", "did you mean migrate/command or seed/command or unicorn/command?"),
        ("capacity: {xyzzy: 1}", "known here: policy"),
    ],
)
def test_an_unknown_key_names_the_one_that_was_meant(section: str, hint: str) -> None:
    (fault,) = faults_in(section)
    assert fault.endswith(hint)


@pytest.mark.parametrize(
    "text",
    [
        "bin/rails server",
        "a 'b && c'",
        "a 'x|y' z",
        "a -e 'puts 1'",
        "a #b",
        "  a  b ",
        "a --url=http://x/?y=1",
    ],
)
def test_text_that_needs_no_shell_is_split_as_a_shell_would(text: str) -> None:
    command = parse(json.dumps({"project": "shop", "unicorn": {"command": text}})).unicorn.command
    script = 'for word in "$@"; do printf "%s\\0" "$word"; done'
    assert command == shell_words(script, text.replace(" #b", " '#b'"))


def shell_words(script: str, text: str) -> tuple[str, ...]:
    """Ask a real shell."""
    # noglob, so that ? stays what it is
    command = ["sh", "-fc", f"set -- {text}\n{script}"]
    return tuple(subprocess.check_output(command).decode().split("\0")[:-1])


def test_words_in_a_list_are_taken_as_they_are() -> None:
    shop = parse('project: shop\nunicorn: {command: [sh, -c, "exec puma -p $PORT && x"]}')
    assert shop.unicorn.command == ("sh", "-c", "exec puma -p $PORT && x")


# --- secrets stay out of messages


@pytest.mark.parametrize(
    "section",
    [
        "env: {A: [hunter2]}",
        "env: {A: {hunter2: hunter2}}",
        "env: hunter2",
        "env: [hunter2]",
        "env: {PORT: hunter2}",
        "env: {A: x, A: hunter2}",
        "env: {1A: hunter2}",
        "env:\n  A: *hunter2",
        "env:\n  A: !hunter2 x",
        "env:\n  A: 'hunter2",
        "env:\n  A: hunter2: x",
        "env:\n  A: hunter2\n B: x",
        "env:\n  A: %hunter2",
        "env:\n  A: @hunter2",
        "env:\n  A: `hunter2",
        'env:\n  A: "\\hunter2"',
        "env:\n  A: {hunter2",
        "env:\n  A: |hunter2\n    x",
        "env:\n  A: &hunter2! x",
        "image: {build_args: {A: [hunter2]}}",
        "image: {build_args: hunter2}",
        "unicorn: {env: {A: {b: hunter2}}}",
        "enviroment: {A: hunter2}",
        "secrets: hunter2",
    ],
)
def test_no_secret_is_in_a_message(section: str) -> None:
    with pytest.raises(ProjectError) as raised:
        parse(f"project: shop\n{section}")
    told = raised.value.message + repr(raised.value.faults)
    assert "unter2" not in told.replace("env/A/hunter2", "")


def test_a_long_value_is_cut() -> None:
    (fault,) = faults_in("domain: '" + "X" * 5000 + "'")
    assert len(fault) < 120
    (fault,) = faults_in("X" * 500 + ": 1")
    assert len(fault) < 350


@pytest.mark.parametrize("branch", BRANCHES[::7], ids=ascii)
def test_hostile_text_cannot_reach_the_terminal(branch: str) -> None:
    with pytest.raises(ProjectError) as raised:
        parse(json.dumps({"project": "shop", "domain": branch + "X", "access": {"kind": branch}}))
    assert raised.value.message.replace("\n  line", " line").isprintable()


def test_the_documents_messages_are_the_real_ones() -> None:
    document = (Path(__file__).parent.parent / "docs/project-file.md").read_text()
    text = """\
project: shop
unicorn:
  port: 0
  helth_path: /up
env:
  DEBUG: yes
web: {}
"""
    with pytest.raises(ProjectError) as raised:
        parse(text, "reviewapps.yml")
    error = raised.value
    assert f"```\nError: {error.message}\n  Next: {error.hint}\n```" in document
