"""Which nodes come and go, on a group and a Nomad in memory."""

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reviewapps import capacity, retirement
from reviewapps.clients.aws.group import AtMaximum, CannotLaunch, Group, Instance, NoCapacity
from reviewapps.clients.consul import Entry, Operation
from reviewapps.errors import Failed, Unreachable
from reviewapps.retirement import Work
from reviewapps.step import Context
from reviewapps.store import nodes as notes
from reviewapps.store.lock import Held

LONG = 1000.0
JOB = "blue-6tfrkg--unicorn"


@dataclass
class Nodes:
    """A group in memory; `trouble` is raised by the next launch, before or after its effect."""

    minimum: int = 0
    maximum: int = 3
    members: list[str] = field(default_factory=list)
    desired: int = 0
    launched: dict[str, str] = field(default_factory=dict)
    trouble: Exception | None = None
    after: Exception | None = None
    old: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    terminate_trouble: BaseException | None = None

    def look(self) -> Group:
        instances = tuple(Instance(each, "InService") for each in self.members)
        return Group("nodes", self.minimum, self.maximum, self.desired, instances, ("a", "b"))

    glance = look

    def launch(self, _group: Group, token: str) -> tuple[str, ...]:
        trouble, self.trouble = self.trouble, None
        if trouble:
            raise trouble
        if token not in self.launched:
            self.launched[token] = f"i-{len(self.launched) + 1}"
            self.members.append(self.launched[token])
            self.desired += 1
        after, self.after = self.after, None
        if after:
            raise after
        return (self.launched[token],)

    def set_desired(self, desired: int) -> None:
        self.desired = desired

    def failures(self, _since: datetime) -> list[str]:
        return self.words

    def at_maximum(self) -> AtMaximum:
        return AtMaximum("full", hint="")

    def ages(self, ids: list[str]) -> dict[str, float]:
        return {each: LONG if each in self.old else 1.0 for each in ids}

    def terminate(self, instance: str, *, replace: bool = False) -> bool:
        if not replace and self.desired <= self.minimum:
            return False
        self.members.remove(instance)
        if replace:
            self.replaced.append(instance)
        else:
            self.desired -= 1
        if self.terminate_trouble:
            raise self.terminate_trouble
        return True


@dataclass
class Nomad:
    """Nomad's nodes in memory, each named by its instance, and what runs on them."""

    status: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    on: dict[str, list[str]] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)
    lacks: bool = True
    comes_when_closed: str = ""

    def nodes(self) -> list[dict[str, Any]]:
        return [{"ID": f"node-{each}"} for each in self.status]

    def node(self, node_id: str) -> dict[str, Any]:
        instance = node_id.removeprefix("node-")
        return {
            "ID": node_id,
            "Name": instance,
            "Meta": {"instance_id": instance},
            "Status": self.status[instance],
            "SchedulingEligibility": "ineligible" if node_id in self.closed else "eligible",
            "StatusUpdatedAt": time.time() - LONG,
            "ModifyIndex": 1,
            "Drivers": {"docker": {"Healthy": True}},
        }

    def node_allocations(self, node_id: str) -> list[dict[str, Any]]:
        jobs = self.on.get(node_id.removeprefix("node-"), [])
        router = {"ClientStatus": "running", "DesiredStatus": "run", "Job": {"Type": "system"}}
        return [router, *(router | {"Job": {"Type": "service", "ID": each}} for each in jobs)]

    def set_eligible(self, node_id: str, eligible: bool) -> None:
        if eligible:
            self.closed.discard(node_id)
            return
        self.closed.add(node_id)
        if self.comes_when_closed:
            self.on[node_id.removeprefix("node-")] = [self.comes_when_closed]

    def purge_node(self, node_id: str) -> None:
        self.purged.append(node_id)

    def blocked_jobs(self) -> list[str]:
        return self.blocked

    def job(self, job_id: str) -> dict[str, Any]:
        return {"ID": job_id}

    def plan(self, _job: dict[str, Any]) -> dict[str, Any]:
        return {"FailedTGAllocs": {"unicorn": {}} if self.lacks else None}


class Consul:
    """The keys, without locks."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str, **_: Any) -> tuple[int, Entry | None]:
        return 1, Entry(key, self.values[key], 1) if key in self.values else None

    def list(self, prefix: str, **_: Any) -> tuple[int, list[Entry]]:
        found = sorted(self.values.items())
        return 1, [Entry(*each, 1) for each in found if each[0].startswith(prefix)]

    def transact(self, *operations: Operation) -> None:
        for body in (each.body["KV"] for each in operations):
            if body["Verb"] == "set":
                self.values[body["Key"]] = base64.b64decode(body["Value"]).decode()
            elif body["Verb"] == "delete":
                self.values.pop(body["Key"], None)


@dataclass
class Scene:
    """Everything that the tests look at."""

    nodes: Nodes = field(default_factory=Nodes)
    nomad: Nomad = field(default_factory=Nomad)
    consul: Consul = field(default_factory=Consul)
    said: list[str] = field(default_factory=list)

    @property
    def work(self) -> Work:
        return Work(cast(Any, self), self.said.append, lambda: None)

    @property
    def context(self) -> Context:
        return cast(
            Context,
            SimpleNamespace(clients=self, say=self.said.append, check=lambda: None),
        )

    def joined(self, *instances: str, status: str = "ready") -> None:
        """Put instances into the group that have joined Nomad."""
        self.nodes.members += instances
        self.nodes.desired += len(instances)
        self.nomad.status |= dict.fromkeys(instances, status)

    def make_room(self) -> None:
        capacity.make_room(JOB, "no node has room", self.context)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()

    @contextlib.contextmanager
    def hold(consul: Any, slug: str, **_: Any) -> Iterator[Held]:
        yield Held(consul, slug, "session")

    monkeypatch.setattr(retirement, "hold", hold)
    return made


def test_a_node_is_launched_once_and_then_waited_for(scene: Scene) -> None:
    scene.make_room()
    scene.make_room()
    scene.make_room()
    assert scene.nodes.members == ["i-1"]
    assert scene.said[:2] == [
        "launching a node: no node has room",
        "waiting for node i-1 to join: no node has room",
    ]


def test_a_launch_without_an_answer_is_asked_for_again_with_its_token(scene: Scene) -> None:
    scene.nodes.after = Unreachable("AWS did not answer")
    with pytest.raises(Unreachable):
        scene.make_room()
    scene.nodes.members.clear()  # not listed yet
    scene.make_room()
    assert list(scene.nodes.launched.values()) == ["i-1"]


def test_a_launch_whose_node_has_come_unheard_and_gone_is_not_asked_for_again(
    scene: Scene,
) -> None:
    """With its token AWS would name the instance that is gone, and it would be waited for."""
    scene.nodes.after = Unreachable("AWS did not answer")
    with pytest.raises(Unreachable):
        scene.make_room()
    scene.nomad.status["i-1"] = "ready"  # it joined, and nobody asked for another meanwhile
    retirement.give_back(scene.work)
    assert scene.nodes.members == []
    assert notes.KEY not in scene.consul.values
    scene.make_room()
    assert scene.nodes.members == ["i-2"]


def test_a_launch_whose_node_has_come_unheard_and_works_is_not_asked_for_again(
    scene: Scene,
) -> None:
    scene.joined("i-9")
    scene.nomad.on["i-9"] = ["other"]
    scene.nodes.after = Unreachable("AWS did not answer")
    with pytest.raises(Unreachable):
        scene.make_room()
    scene.nomad.status["i-1"] = "ready"
    scene.nomad.on["i-1"] = ["another"]
    scene.make_room()
    assert scene.nodes.members == ["i-9", "i-1", "i-2"]


def test_an_instance_that_aws_does_not_list_yet_is_waited_for(scene: Scene) -> None:
    scene.make_room()
    scene.nodes.members.clear()
    scene.make_room()
    assert len(scene.nodes.launched) == 1


def test_a_refusal_is_not_remembered(scene: Scene) -> None:
    """AWS may answer an old token with an old refusal."""
    scene.nodes.trouble = NoCapacity("no Spot capacity")
    with pytest.raises(NoCapacity):
        scene.make_room()
    assert notes.KEY not in scene.consul.values
    scene.make_room()
    assert scene.nodes.members == ["i-1"]


def test_a_group_without_launch_instances_has_its_desired_capacity_raised_once(
    scene: Scene,
) -> None:
    scene.joined("i-9")
    scene.nomad.on["i-9"] = ["other"]
    scene.nodes.trouble = CannotLaunch("warm pool")
    scene.make_room()
    scene.make_room()
    assert scene.nodes.desired == 2
    assert scene.said[-1] == "waiting for AWS to launch a node: no node has room"


def test_what_the_group_cannot_launch_is_told_and_given_up(scene: Scene) -> None:
    scene.nodes.trouble = CannotLaunch("warm pool")
    scene.make_room()
    scene.nodes.words = ["no Spot capacity"]
    with pytest.raises(NoCapacity, match="no Spot capacity"):
        scene.make_room()
    assert scene.nodes.desired == 0


def test_the_maximum_is_told_with_the_cause(scene: Scene) -> None:
    scene.nodes.maximum = 0
    with pytest.raises(AtMaximum, match="no node has room, and the group nodes is at its maximum"):
        scene.make_room()


def test_room_that_has_come_meanwhile_launches_nothing(scene: Scene) -> None:
    scene.joined("i-9")
    scene.nomad.lacks = False
    scene.make_room()
    assert not scene.nodes.launched


def test_a_job_that_an_empty_node_has_no_room_for_launches_nothing(scene: Scene) -> None:
    scene.joined("i-9")
    with pytest.raises(Failed, match="an empty node of the group nodes has not either"):
        scene.make_room()
    assert not scene.nodes.launched


def test_a_node_that_is_known_and_not_ready_yet_is_waited_for(scene: Scene) -> None:
    scene.joined("i-9", status="initializing")
    scene.make_room()
    assert not scene.nodes.launched
    assert scene.said == ["waiting for node i-9 to join: no node has room"]


def test_a_node_that_somebody_began_to_give_back_is_used(scene: Scene) -> None:
    scene.joined("i-9")
    scene.nomad.closed.add("node-i-9")
    scene.consul.values[f"{notes.LEAVING}node-i-9"] = ""
    scene.make_room()
    assert not scene.nodes.launched
    assert not scene.nomad.closed
    assert f"{notes.LEAVING}node-i-9" not in scene.consul.values


def test_a_node_that_a_person_closed_is_left_to_them(scene: Scene) -> None:
    scene.joined("i-9")
    scene.nomad.closed.add("node-i-9")
    scene.make_room()
    retirement.give_back(scene.work)
    assert scene.nomad.closed == {"node-i-9"}
    assert "i-9" in scene.nodes.members


def test_a_node_that_does_not_join_is_replaced(scene: Scene) -> None:
    scene.make_room()
    scene.nodes.old = ["i-1"]
    scene.make_room()
    assert scene.nodes.members == ["i-2"]
    assert "node i-1 has not joined within 600 s" in scene.said


def test_only_nodes_without_an_app_go(scene: Scene) -> None:
    scene.joined("i-1", "i-2")
    scene.nomad.on["i-1"] = [JOB]
    retirement.give_back(scene.work)
    assert scene.nodes.members == ["i-1"]


def test_a_node_that_gets_an_app_while_it_is_closed_stays(scene: Scene) -> None:
    scene.joined("i-1")
    scene.nomad.comes_when_closed = JOB
    retirement.give_back(scene.work)
    assert scene.nodes.members == ["i-1"]
    assert not scene.nomad.closed
    assert not scene.consul.list(notes.LEAVING)[1]


def test_the_minimum_stays(scene: Scene) -> None:
    scene.joined("i-1", "i-2")
    scene.nodes.minimum = 1
    retirement.give_back(scene.work)
    assert len(scene.nodes.members) == 1


def test_a_lost_node_goes_and_at_the_minimum_is_replaced(scene: Scene) -> None:
    scene.joined("i-1", status="down")
    retirement.replace_lost(scene.work)
    assert scene.nodes.members == []
    scene.nodes.minimum = 1
    scene.joined("i-2", status="down")
    retirement.replace_lost(scene.work)
    assert scene.nodes.replaced == ["i-2"]


def test_nothing_is_terminated_when_most_nodes_seem_lost_at_once(scene: Scene) -> None:
    scene.joined("i-1", "i-2", status="down")
    scene.joined("i-3")
    scene.nomad.on["i-3"] = [JOB]
    retirement.replace_lost(scene.work)
    assert scene.nodes.members == ["i-1", "i-2", "i-3"]
    assert "2 of 3 nodes are lost at once: none is terminated" in scene.said


def test_nobody_waits_for_a_node_that_a_killed_run_gave_back(scene: Scene) -> None:
    scene.make_room()
    scene.nodes.terminate_trouble = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        retirement.give_back(scene.work)
    assert scene.nodes.members == []
    scene.make_room()
    assert scene.nodes.members == ["i-2"]


def test_nomad_forgets_nodes_whose_instance_is_gone(scene: Scene) -> None:
    scene.joined("i-1", status="down")
    scene.nodes.members.clear()
    scene.consul.values[f"{notes.LEAVING}node-i-1"] = ""
    retirement.give_back(scene.work)
    assert scene.nomad.purged == ["node-i-1"]
    assert not scene.consul.list(notes.LEAVING)[1]


def test_a_launch_is_written_before_aws_is_asked(scene: Scene) -> None:
    scene.nodes.trouble = Unreachable("AWS did not answer")
    with pytest.raises(Unreachable):
        scene.make_room()
    written = json.loads(scene.consul.values[notes.KEY])
    assert written["token"]
    assert written["instances"] == []
