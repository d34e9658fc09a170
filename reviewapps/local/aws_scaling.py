"""Auto Scaling as AWS does it, where moto's differs: limits, launches, failures and Pending.

moto knows no LaunchInstances, checks no limit, launches at once and never fails. `install` changes
that in this process only; it is called by the process that serves the local AWS and by tests.
"""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

ALIVE = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
PENDING = "Pending:Wait"
KEPT_ACTIVITIES = 20
Json = dict[str, Any]
Group = Any
Refusals = Callable[[], dict[str, list[str]]]


class ValidationError(ServiceException):
    """What AWS answers when a request does not fit the group."""

    code = "ValidationError"


class Scaling:
    """What there is to know beside moto's own state.

    `refusals` returns, for each subnet in which AWS has no room, its code and its text.
    """

    def __init__(self, refusals: Refusals) -> None:
        self.refusals = refusals
        self.activities: dict[str, list[Json]] = {}
        self.tokens: dict[str, Json] = {}

    def launch(self, group: Group, wanted: int, subnets: list[str], token: str) -> Json:
        """Launch `wanted` instances in one of the subnets, once for each token."""
        if token in self.tokens:
            return self.tokens[token]
        if len(subnets) != 1:
            raise ValidationError("You must specify exactly one subnet or Availability Zone.")
        require_within(group, group.desired_capacity + wanted)
        answer: Json = {"AutoScalingGroupName": group.name, "ClientToken": token}
        place = {"SubnetId": subnets[0], "InstanceType": "t3.large", "MarketType": "spot"}
        refusal = self.refusals().get(subnets[0])
        if refusal:
            error = {"ErrorCode": refusal[0], "ErrorMessage": refusal[1]}
            return answer | {"Instances": [], "Errors": [place | error]}
        known = {each.instance.id for each in group.instance_states}
        zones, group.vpc_zone_identifier = group.vpc_zone_identifier, subnets[0]
        try:
            group.set_desired_capacity(group.desired_capacity + wanted)
        finally:
            group.vpc_zone_identifier = zones
        made = [each.instance.id for each in group.instance_states]
        ids = [each for each in made if each not in known]
        answer |= {"Instances": [place | {"InstanceIds": ids}], "Errors": []}
        self.tokens[token] = answer
        return answer

    def note(self, group: Group, code: str, text: str) -> None:
        """Keep a failed launch for describe_scaling_activities."""
        now = datetime.now(UTC)
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "AutoScalingGroupName": group.name,
            "Description": "Launching a new EC2 instance.  Status Reason: " + text,
            "Cause": "an instance was started in response to a difference between desired and "
            "actual capacity",
            "StartTime": now,
            "EndTime": now,
            "StatusCode": "Failed",
            "StatusMessage": f"{text} Launching EC2 instance failed. ({code})",
            "Progress": 100,
        }
        self.activities.setdefault(group.name, []).insert(0, activity)
        del self.activities[group.name][KEPT_ACTIVITIES:]


def require_within(group: Group, wanted: int) -> None:
    """Raise AWS's error when a capacity is outside of the group's limits."""
    name = "for the AutoScalingGroup."
    if wanted > group.max_size:
        text = f"New SetDesiredCapacity value {wanted} is above max value {group.max_size} {name}"
        raise ValidationError(text)
    if wanted < group.min_size:
        text = f"New SetDesiredCapacity value {wanted} is below min value {group.min_size} {name}"
        raise ValidationError(text)


def install(refusals: Refusals) -> Scaling:  # noqa: PLR0915 - one patch after the other
    """Change moto in this process; return what the changed parts keep."""
    scaling = Scaling(refusals)
    launch = FakeAutoScalingGroup.replace_autoscaling_group_instances
    set_desired = AutoScalingBackend.set_desired_capacity
    terminate = AutoScalingBackend.terminate_instance

    def active_instances(self: Group) -> list[Any]:
        return [each for each in self.instance_states if each.lifecycle_state in ALIVE]

    def launch_as_pending(self: Group, count: int, tags: dict[str, str]) -> None:
        zones = (self.vpc_zone_identifier or "").split(",")
        refused = scaling.refusals()
        free = [each for each in zones if each not in refused]
        if not free:
            scaling.note(self, *refused[zones[0]])
            return
        known = len(self.instance_states)
        before, self.vpc_zone_identifier = self.vpc_zone_identifier, free[0] or None
        try:
            launch(self, count, tags)
        finally:
            self.vpc_zone_identifier = before
        for each in self.instance_states[known:]:
            each.lifecycle_state = PENDING

    def set_desired_within(self: Any, group_name: str, desired: int | None) -> None:
        if group_name not in self.autoscaling_groups:
            raise ValidationError(f"AutoScalingGroup name not found - {group_name}")
        require_within(self.autoscaling_groups[group_name], desired or 0)
        set_desired(self, group_name, desired)

    def terminate_known(self: Any, instance_id: str, should_decrement: bool) -> Any:
        groups = self.autoscaling_groups.values()
        found = [g for g in groups for s in g.instance_states if s.instance.id == instance_id]
        if not found:
            text = (
                f"Instance Id not found - No managed instance found for instance ID {instance_id}"
            )
            raise ValidationError(text)
        if should_decrement and found[0].desired_capacity <= found[0].min_size:
            raise ValidationError(
                f"Currently, desiredSize equals minSize ({found[0].min_size}). Terminating "
                "instance without replacement will violate group's min size constraint. Either "
                "set shouldDecrementDesiredCapacity flag to false or lower group's min size."
            )
        return terminate(self, instance_id, should_decrement)

    def launch_instances(self: Any) -> ActionResult:
        group = group_of(self)
        wanted = int(self._get_param("RequestedCapacity"))
        token = str(self._get_param("ClientToken") or uuid.uuid4())
        return ActionResult(scaling.launch(group, wanted, self._get_param("SubnetIds", []), token))

    def complete_lifecycle_action(self: Any) -> ActionResult:
        for each in group_of(self).instance_states:
            if each.instance.id == self._get_param("InstanceId"):
                each.lifecycle_state = "InService"
        return ActionResult({})

    def describe_scaling_activities(self: Any) -> ActionResult:
        name = self._get_param("AutoScalingGroupName")
        return ActionResult({"Activities": scaling.activities.get(name, [])})

    def group_of(response: Any) -> Group:
        name = response._get_param("AutoScalingGroupName")
        groups = response.autoscaling_backend.autoscaling_groups
        if name not in groups:
            raise ValidationError(f"AutoScalingGroup name not found - {name}")
        return groups[name]

    for owner, method in (
        (FakeAutoScalingGroup, active_instances),
        (AutoScalingResponse, launch_instances),
        (AutoScalingResponse, complete_lifecycle_action),
        (AutoScalingResponse, describe_scaling_activities),
    ):
        setattr(owner, method.__name__, method)
    setattr(FakeAutoScalingGroup, launch.__name__, launch_as_pending)
    setattr(AutoScalingBackend, set_desired.__name__, set_desired_within)
    setattr(AutoScalingBackend, terminate.__name__, terminate_known)
    return scaling


def refusals_in(file: Path) -> Refusals:
    """Return what reads, at each launch, in which subnets AWS shall have no room."""

    def read() -> dict[str, list[str]]:
        try:
            found: dict[str, list[str]] = json.loads(file.read_text())
        except FileNotFoundError:
            return {}
        return found

    return read
