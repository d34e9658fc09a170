"""What the docker client asks of docker's command line, and what it makes of the answers.

A script stands for `docker` and writes down its arguments; tests/real has the real one.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reviewapps.clients.docker import Docker
from reviewapps.errors import Failed, ServiceError, Unreachable, UserError
from tests import repositories

SCRIPT = """\
#!/bin/sh
for argument in "$@"; do printf '%s\\0' "$argument"; done >> "{folder}/arguments"
printf '\\n' >> "{folder}/arguments"
cat "{folder}/output"
cat "{folder}/errors" >&2
exit "$(cat "{folder}/code")"
"""
NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?"
Says = Callable[..., None]


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[list[str]]]:
    """What docker was called with, one list a call."""

    def read() -> list[list[str]]:
        file = tmp_path / "docker/arguments"
        lines = file.read_text().split("\0\n") if file.exists() else []
        return [line.split("\0") for line in lines if line]

    return read


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """Let `docker` be a script that prints this and exits like that."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "docker").write_text(SCRIPT.format(folder=folder))
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def answer(output: str = "", errors: str = "", code: int = 0) -> None:
        (folder / "output").write_text(output)
        (folder / "errors").write_text(errors)
        (folder / "code").write_text(str(code))

    answer()
    return answer


def inspected(**labels: str) -> str:
    return json.dumps([{"Id": "sha256:abc", "Config": {"Labels": labels or None}}])


def test_an_image_is_looked_up_by_its_tag_only(says: Says, calls: Callable) -> None:
    says(inspected())
    assert Docker().image_exists("shop:x-1")
    assert Docker().digest("shop:x-1") == "sha256:abc"
    assert calls() == [["image", "inspect", "--", "shop:x-1"]] * 2


def test_a_missing_image_is_an_answer_and_not_an_error(says: Says) -> None:
    says("[]\n", "Error: No such image: shop:x-1\n", 1)
    docker = Docker()
    assert not docker.image_exists("shop:x-1")
    assert docker.labels("shop:x-1") == {}
    docker.remove("shop:x-1")
    with pytest.raises(UserError):
        docker.digest("shop:x-1")


def test_a_daemon_that_does_not_answer_is_told_from_a_missing_image(says: Says) -> None:
    says("", NO_DAEMON, 1)
    for ask in (Docker().image_exists, Docker().remove, Docker().images, Docker().digest):
        with pytest.raises(Unreachable) as caught:
            ask("shop:x-1")
        assert caught.value.hint == "reviewapps doctor"
    with pytest.raises(Unreachable, match=r"unix:///run/x\.sock"):
        Docker("unix:///run/x.sock").image_exists("shop:x-1")


def test_dockers_own_words_are_kept(says: Says) -> None:
    said = "conflict: unable to remove repository reference (must force)"
    says("", f"Error response from daemon: {said}\n", 1)
    with pytest.raises(ServiceError, match="Docker refused: conflict: unable"):
        Docker().remove("shop:x-1")


def test_docker_not_installed_is_the_users_to_correct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="docker is not installed"):
        Docker().image_exists("shop:x-1")


def test_a_build_names_its_tag_labels_and_arguments(
    says: Says, calls: Callable, tmp_path: Path
) -> None:
    says("Step 1\nSuccessfully built\n")
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\n"})
    lines: list[str] = []
    Docker("unix:///run/x.sock", build_network="host").build(
        tmp_path / "shop",
        commit,
        "registry:5000/shop:x-1",
        build_args={"RUBY": '3.3 "; $(id)'},
        labels={"project": "shop", "slug": "x-abcdef"},
        on_line=lines.append,
    )
    assert lines == ["Step 1", "Successfully built"]
    [[host, build, tag, file, *options, end, folder]] = calls()
    assert (host, build, end) == ("--host=unix:///run/x.sock", "build", "--")
    assert tag == "--tag=registry:5000/shop:x-1"
    assert file == f"--file={folder}/Dockerfile"
    assert options == [
        "--network=host",
        "--label=reviewapps.project=shop",
        "--label=reviewapps.slug=x-abcdef",
        f"--label=reviewapps.commit={commit}",
        '--build-arg=RUBY=3.3 "; $(id)',
    ]
    assert not Path(folder).exists(), "the checkout is removed"


def test_a_build_that_fails_tells_its_last_line_and_keeps_more(says: Says, tmp_path: Path) -> None:
    says("".join(f"line {number}\n" for number in range(50)), "E: no package", 100)
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\n"})
    with pytest.raises(Failed, match="shop:x-1 did not build: E: no package") as caught:
        Docker().build(tmp_path / "shop", commit, "shop:x-1")
    assert caught.value.details.splitlines()[0] == "line 21"
    assert "Dockerfile" in caught.value.hint


def test_a_failed_build_shows_what_the_dockerfile_did_and_no_colours(
    says: Says, tmp_path: Path
) -> None:
    output = (
        "DEPRECATED: The legacy builder is deprecated\n            Install buildx\n\n"
        "Sending build context to Docker daemon  45kB\n\nStep 1/2 : FROM scratch\n"
        "\x1b[91mruby: no such file\n"
    )
    says(output, "\x1b[0mThe command 'ruby x' returned 1", 1)
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\n"})
    with pytest.raises(Failed) as caught:
        Docker().build(tmp_path / "shop", commit, "shop:x-1")
    assert caught.value.message.endswith("did not build: The command 'ruby x' returned 1")
    assert caught.value.details.splitlines() == [
        "Step 1/2 : FROM scratch",
        "ruby: no such file",
        "The command 'ruby x' returned 1",
    ]


def test_a_build_without_a_daemon_is_not_the_dockerfiles_fault(says: Says, tmp_path: Path) -> None:
    says("", NO_DAEMON, 1)
    commit = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\n"})
    with pytest.raises(Unreachable):
        Docker().build(tmp_path / "shop", commit, "shop:x-1")


@pytest.mark.parametrize(
    "tag", ["", "shop", "-shop:1", "Shop:1", "shop:-1", "shop:a b", "shop:1\n"]
)
def test_a_tag_that_is_none_never_reaches_docker(
    says: Says, calls: Callable, tmp_path: Path, tag: str
) -> None:
    with pytest.raises(UserError, match="not the tag of an image"):
        Docker().build_folder(tmp_path, tag)
    assert calls() == []


@pytest.mark.parametrize("name", ["", "A=B", "--label", "A B", "Ä"])
def test_a_build_argument_has_a_plain_name(says: Says, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="build argument"):
        Docker().build_folder(tmp_path, "shop:x-1", build_args={name: "x"})


def test_the_dockerfile_counts_from_the_root_or_from_the_context(
    says: Says, calls: Callable, tmp_path: Path
) -> None:
    files = {"apps/web/Dockerfile": "FROM scratch\n", "docker/web": "FROM scratch\n"}
    commit = repositories.make(tmp_path / "shop", files)
    for dockerfile in ("Dockerfile", "apps/web/Dockerfile", "docker/web"):
        Docker().build(
            tmp_path / "shop", commit, "shop:x-1", dockerfile=dockerfile, context="apps/web"
        )
    told = [(Path(call[2]), Path(call[-1])) for call in calls()]
    files_told = [str(file).partition("/tree/")[2] for file, _ in told]
    assert files_told == ["apps/web/Dockerfile", "apps/web/Dockerfile", "docker/web"]
    assert all(str(folder).endswith("/tree/apps/web") for _, folder in told)


@pytest.mark.parametrize("path", ["../..", "/etc", "out", "gone", "out/passwd"])
def test_nothing_outside_of_the_commit_reaches_the_build(
    says: Says, calls: Callable, tmp_path: Path, path: str
) -> None:
    """A link in a commit may point at the whole machine; the build must not take it."""
    repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\n"})
    (tmp_path / "shop/out").symlink_to("/etc")
    commit = repositories.commit(tmp_path / "shop", {})
    with pytest.raises(UserError, match="to build from"):
        Docker().build(tmp_path / "shop", commit, "shop:x-1", context=path)
    with pytest.raises(UserError, match="to build from"):
        Docker().build(tmp_path / "shop", commit, "shop:x-1", dockerfile=path)
    assert calls() == []


def test_submodules_are_refused_by_name(says: Says, calls: Callable, tmp_path: Path) -> None:
    head = repositories.make(tmp_path / "shop", {"Dockerfile": "FROM scratch\n"})
    repositories.git(
        tmp_path / "shop", "update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib"
    )
    repositories.git(tmp_path / "shop", "commit", "--quiet", "--message=Add a submodule")
    commit = repositories.git(tmp_path / "shop", "rev-parse", "HEAD")
    with pytest.raises(UserError, match=r"git submodules \(vendor/lib\)"):
        Docker().build(tmp_path / "shop", commit, "shop:x-1")
    assert calls() == []
