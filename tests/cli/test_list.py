"""`reviewapps list`: the whole of what it prints."""

import json
from datetime import UTC, datetime

import pytest
from click import unstyle

from reviewapps.cli.list import ago, table
from reviewapps.store import keys
from tests.cli.stand_in import AT, COMMIT, consul, record, run

NOW = datetime(2026, 11, 21, 11, 16, 40, tzinfo=UTC)


def test_each_app_is_a_line_with_its_url_whole() -> None:
    failed = record("deploy-a-very-long-name-日本", "a-very-long-name-bbbbbb", state="failed")
    assert [unstyle(line) for line in table([failed, record()], NOW)] == [
        "BRANCH                        STATE    RELEASE  COMMIT        CHANGED  URL",
        "deploy-a-very-long-name-日本  failed   1        e8142ff1aee0  2 h ago  "
        "http://a-very-long-name-bbbbbb.localhost:8080",
        "deploy-blue                   running  1        e8142ff1aee0  2 h ago  "
        "http://blue-ajjyeh.localhost:8080",
    ]


def test_the_project_is_told_only_when_there_are_several() -> None:
    lines = table([record(), record(slug="blue-bbbbbb", project="shop")], NOW)
    assert [line.split()[0] for line in lines] == ["PROJECT", "guestbook", "shop"]


def test_a_release_that_does_not_serve_yet_is_told_with_the_one_that_does() -> None:
    older = record().releases[0]
    newer = type(older)(2, older.image, COMMIT, built=True, project=older.project)
    lines = table([record(releases=(older, newer), release=2, state="deploying")], NOW)
    assert "1 → 2" in lines[1]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-21T11:16:39Z", "1 s ago"),
        ("2026-11-21T11:17:00Z", "0 s ago"),
        ("2026-11-21T11:14:00Z", "2 min ago"),
        ("2026-11-01T11:14:00Z", "20 d ago"),
        ("", ""),
    ],
)
def test_a_moment_is_told_in_its_largest_unit(moment: str, text: str) -> None:
    assert ago(moment, NOW) == text


def test_json_is_an_array_of_apps() -> None:
    result = run("list", "--json", consul=consul(record()))
    assert json.loads(result.stdout) == [
        {
            "slug": "blue-ajjyeh",
            "project": "guestbook",
            "branch": "deploy-blue",
            "host": "blue-ajjyeh.localhost",
            "url": "http://blue-ajjyeh.localhost:8080",
            "state": "running",
            "wanted": "running",
            "release": 1,
            "serving": 1,
            "image": "guestbook:blue-ajjyeh-e8142ff1aee0",
            "commit": COMMIT,
            "cause": "",
            "asked_by": "ada@laptop",
            "asked_at": AT,
            "updated_at": AT,
        }
    ]


def test_without_apps_the_next_command_is_told() -> None:
    result = run("list", consul=consul())
    assert result.stdout == "There are no apps. Next: reviewapps deploy BRANCH\n"
    assert json.loads(run("list", "--json", consul=consul()).stdout) == []


def test_a_record_that_cannot_be_read_does_not_hide_the_others() -> None:
    broken = {keys.app("odd-aaaaaa"): "{"}
    result = run("list", "--json", consul=consul(record(), **broken))
    assert len(json.loads(result.stdout)) == 1
    assert result.stderr.startswith(
        "Warning: the record reviewapps/apps/odd-aaaaaa is not readable"
    )
