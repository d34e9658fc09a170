"""Branch names that are meant to break something, through Nomad's own parser and whole deploys."""

import json
from typing import Any

import pytest

from reviewapps import jobs, jobspec, naming, review_app
from reviewapps.clients import Clients
from reviewapps.project import Project
from reviewapps.review_app import Release, ReviewApp
from reviewapps.settings import Settings
from reviewapps.step import Context
from reviewapps.steps import migrate, redis, resque, seed, unicorn
from tests.hostile import BRANCHES, LEGAL_IN_GIT
from tests.real.apps import TINY, WHOLE, Place, leftovers
from tests.repositories import git

pytestmark = pytest.mark.real

PLAIN = "deploy-plain"
JOBS = {"redis": redis, "unicorn": unicorn, "resque": resque, "migrate": migrate, "seed": seed}
# Every template takes the same few values; one of a service and one of a batch job see them all.
THOROUGH = ("unicorn", "migrate")
WORST = (
    'deploy-"}task"x"{',
    "deploy-${NOMAD_ALLOC_ID}%{if-true}",
    "deploy-$(id)`id`'&&id;#",
    "deploy-{{77}}%2e%2e%2f<script>alert(1)</script>",
    "-日本語\u202e😀" + "x" * 200,
)


class Answers(Clients):
    """Clients that make no database: what a step reads is answered here."""

    def databases(self, engine: str, instance: str = "") -> Any:
        """Return a server that knows one address and one database."""

        class Server:
            def find(self, _name: str) -> Any:
                return None

            def url(self, name: str, _password: str, **_more: str) -> str:
                return f"postgresql://{name}"

        return Server()


def app_of(branch: str, settings: Settings) -> ReviewApp:
    """Return the tiny application's app of a branch."""
    slug = naming.slug("tiny", branch)
    return ReviewApp(
        project=Project.from_dict(WHOLE),
        branch=branch,
        slug=slug,
        host=review_app.host(slug, settings.domain),
        url=review_app.url(slug, settings, settings.domain),
        release=Release(1, TINY, "0" * 40, built=False, project=WHOLE),
    )


def job_of(step: str, branch: str, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> jobs.Job:
    """Return a step's job for a branch; its passwords are not looked up."""
    monkeypatch.setattr(jobs, "password", lambda *_: "password")
    context = Context(clients, record=None, say=print, check=bool)  # type: ignore[arg-type]
    app = app_of(branch, clients.settings)
    module = JOBS[step]
    if step in ("migrate", "seed"):
        monkeypatch.setattr(jobs, "register", None)
        caught: list[jobs.Job] = []
        monkeypatch.setattr(
            "reviewapps.batch.run", lambda job, *_more, **_options: caught.append(job)
        )
        module.apply(app, context)
        return caught[0]
    made: jobs.Job = module.job(app, context)
    return made


def masked(value: Any, slug: str) -> Any:
    """Return what Nomad read, with a word for the slug that is always the same."""
    if isinstance(value, dict):
        return {key: masked(each, slug) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each, slug) for each in value]
    if isinstance(value, str):
        return value.replace(slug, "SLUG")
    return value


@pytest.mark.parametrize("step", JOBS)
def test_no_name_changes_more_of_a_job_than_its_names(
    cluster: Settings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nomad's own parser reads the same job for every branch, but for the slug and the branch."""
    clients = Answers(cluster)

    def read(branch: str) -> Any:
        job = job_of(step, branch, clients, monkeypatch)
        parsed = clients.nomad.parse(job.hcl)
        jobspec.require_harmless(parsed)
        assert json.loads(parsed["Meta"].pop("reviewapps_branch")) == branch
        return masked(parsed, naming.slug("tiny", branch))

    golden = read(PLAIN)
    every = BRANCHES if step in THOROUGH else LEGAL_IN_GIT
    for branch in every:
        if is_text(branch):
            assert read(branch) == golden, f"the branch {branch!r} changes the job"


def is_text(branch: str) -> bool:
    """Say whether a name can be written as UTF-8, as every name must that is deployed."""
    try:
        branch.encode()
    except UnicodeEncodeError:
        return False
    return bool(branch)


@pytest.mark.parametrize("branch", WORST)
def test_a_hostile_name_arrives_whole_inside_its_container(place: Place, branch: str) -> None:
    """One app, one key of each kind, no name in a command line; it goes without a trace."""
    place.branch = branch
    place.only()
    place.commit("1")

    done = place.deploy(image="")

    assert done.code == 0, done.said
    assert place.get("/env/REVIEWAPPS_BRANCH") == branch
    assert place.record().branch == branch
    assert len([each for each in leftovers(place) if "Consul key reviewapps/apps/" in each]) == 1
    listed = json.loads(place.run("list", "--json").out)
    assert branch in [each["branch"] for each in listed]
    shown = place.run("status", "--json", "--", branch)
    assert json.loads(shown.out)["branch"] == branch
    gone = place.destroy()
    assert gone.code == 0, gone.said
    assert leftovers(place) == []


def test_a_name_that_is_no_text_is_refused_in_a_sentence(place: Place) -> None:
    tree = git(place.folder, "rev-parse", "HEAD")
    ref = place.folder / ".git" / "refs" / "heads"
    name = "deploy-\udcff"
    (ref / name).write_text(tree + "\n")
    place.branch = name
    done = place.deploy()
    assert done.code == 2, done.said
    assert "is not UTF-8" in done.error
