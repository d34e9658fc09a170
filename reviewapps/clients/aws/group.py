"""The Auto Scaling group whose instances are the nodes: one more, one less, and why not."""

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reviewapps.clients.aws.session import Aws, Refused, errors
from reviewapps.errors import Failed, ServiceError

GONE = ("not found", "No managed instance", "does not exist", "not part of")
AT_MINIMUM = ("equals minSize", "below min")
ABOVE_MAXIMUM = ("above max", "greater than the max", "exceeds the max", "more than the max")
NO_LAUNCH_INSTANCES = ("UnsupportedOperation", "InvalidAction", "UnsupportedOperationException")
ALIVE = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
FRESH_SECONDS = 2.0


@dataclass(frozen=True)
class Instance:
    """One instance of the group; `state` is the group's word, such as Pending or InService."""

    id: str
    state: str


@dataclass(frozen=True)
class Group:
    """The group as it is: its limits, and its instances that live or come to life."""

    name: str
    minimum: int
    maximum: int
    desired: int
    instances: tuple[Instance, ...]
    subnets: tuple[str, ...]


class AtMaximum(Failed):
    """The group may not grow."""


class NoCapacity(Failed):
    """AWS has no machine for us; the message has its own reasons."""


class CannotLaunch(ServiceError):
    """The group is one that LaunchInstances does not serve; its desired capacity can be raised."""


class Nodes:
    """The group that `settings.aws.group` names. Safe to use from several threads."""

    def __init__(self, aws: Aws) -> None:
        self.name = aws.where.group
        self._api = aws.client("autoscaling")
        self._ec2 = aws.client("ec2")
        self._looking = threading.Lock()
        self._seen: tuple[float, Group] | None = None
        self._launched: dict[str, datetime] = {}

    def glance(self) -> Group:
        """Return the group as it was at most two seconds ago: what waits asks often."""
        with self._looking:
            if self._seen and time.monotonic() - self._seen[0] < FRESH_SECONDS:
                return self._seen[1]
            return self.look()

    def look(self) -> Group:
        """Return the group as it is; raises ServiceError when there is none."""
        with errors(f"describe the group {self.name}"):
            answer = self._api.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        if not answer["AutoScalingGroups"]:
            raise ServiceError(
                f"there is no Auto Scaling group {self.name}",
                hint="aws.group in the settings: terraform output -raw settings",
            )
        group = _group(answer["AutoScalingGroups"][0])
        self._seen = (time.monotonic(), group)
        return group

    def launch(self, group: Group, token: str) -> tuple[str, ...]:
        """Launch one instance and return its id; the same `token` again launches nothing more.

        Tries each subnet in turn, since one call is for one of them, and in each all of the
        group's types:
        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchInstances.html.
        Raises NoCapacity with AWS's own reasons when none has room, AtMaximum, CannotLaunch.
        """
        reasons: list[str] = []
        for subnet in group.subnets:
            try:
                made, errors_told = self._launch_in(subnet, token)
            except Refused as refused:
                raise self._translated(refused) from refused
            if made:
                return tuple(made)
            reasons += errors_told
        raise NoCapacity(
            f"AWS has no instance for the group {self.name}: "
            f"{'; '.join(dict.fromkeys(reasons)) or 'it gives no reason'}",
            hint="more instance types or zones in terraform/nodes.tf, or the same command later",
        )

    def _launch_in(self, subnet: str, token: str) -> tuple[list[str], list[str]]:
        attempt = hashlib.sha256(f"{self.name}/{token}/{subnet}".encode()).hexdigest()[:48]
        with errors("launch an instance"):
            answer = self._api.launch_instances(
                AutoScalingGroupName=self.name,
                RequestedCapacity=1,
                SubnetIds=[subnet],
                ClientToken=attempt,
                RetryStrategy="none",
            )
        made = [each for part in answer.get("Instances", []) for each in part["InstanceIds"]]
        return made, [_reason(each) for each in answer.get("Errors", [])]

    def _translated(self, refused: Refused) -> Failed | ServiceError:
        if refused.code in NO_LAUNCH_INSTANCES:
            return CannotLaunch(refused.message)
        if refused.code == "ValidationError" and any(
            word in refused.text for word in ABOVE_MAXIMUM
        ):
            return self.at_maximum()
        return refused

    def at_maximum(self) -> AtMaximum:
        """Return the error for a group that may not grow."""
        return AtMaximum(
            f"the group {self.name} is at its maximum",
            hint="destroy an app that is not needed, or raise node_maximum in Terraform",
        )

    def set_desired(self, desired: int) -> None:
        """Set the desired capacity. It is absolute, so the caller holds the lock of all nodes."""
        try:
            with errors("change the desired capacity"):
                self._api.set_desired_capacity(
                    AutoScalingGroupName=self.name, DesiredCapacity=desired, HonorCooldown=False
                )
        except Refused as refused:
            raise self._translated(refused) from refused

    def failures(self, since: datetime) -> list[str]:
        """Return AWS's own words on launches that have failed since then, newest first."""
        with errors("describe the group's activities"):
            answer = self._api.describe_scaling_activities(
                AutoScalingGroupName=self.name, MaxRecords=20
            )
        failed = [
            str(each.get("StatusMessage", ""))
            for each in answer["Activities"]
            if each["StatusCode"] in ("Failed", "Cancelled") and each["StartTime"] >= since
        ]
        return list(dict.fromkeys(failed))

    def ages(self, ids: list[str]) -> dict[str, float]:
        """Return how many seconds ago each instance was launched; unknown ones are left out."""
        unknown = sorted(set(ids) - self._launched.keys())
        if unknown:
            with errors("describe instances"):
                answer = self._ec2.describe_instances(
                    Filters=[{"Name": "instance-id", "Values": unknown}]
                )
            found = [each for part in answer["Reservations"] for each in part["Instances"]]
            self._launched |= {each["InstanceId"]: each["LaunchTime"] for each in found}
        now = datetime.now(UTC)
        known = {each: self._launched[each] for each in ids if each in self._launched}
        return {each: (now - launched).total_seconds() for each, launched in known.items()}

    def terminate(self, instance_id: str, *, replace: bool = False) -> bool:
        """End an instance; unless AWS is to `replace` it, lower the desired capacity with it.

        One that is gone is no error; False when the group is at its minimum and keeps it.
        """
        try:
            with errors(f"terminate {instance_id}"):
                self._api.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance_id, ShouldDecrementDesiredCapacity=not replace
                )
        except Refused as refused:
            if any(word in refused.text for word in AT_MINIMUM):
                return False
            if not any(word in refused.text for word in GONE):
                raise
        self._seen = None
        return True


def _group(found: dict[str, Any]) -> Group:
    return Group(
        name=found["AutoScalingGroupName"],
        minimum=int(found["MinSize"]),
        maximum=int(found["MaxSize"]),
        desired=int(found["DesiredCapacity"]),
        instances=tuple(
            Instance(each["InstanceId"], each["LifecycleState"])
            for each in found["Instances"]
            if each["LifecycleState"] in ALIVE
        ),
        subnets=tuple(filter(None, found.get("VPCZoneIdentifier", "").split(","))),
    )


def _reason(error: dict[str, Any]) -> str:
    return f"{error.get('ErrorMessage', '')} ({error.get('ErrorCode', '')})".strip()
