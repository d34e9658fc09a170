"""What each role is granted, and what it needs: the tool's own calls, and what others call for it.

The calls are those that tests/real/test_rights.py sees the commands make; a right beyond them has
its reason here.
"""

import json
from collections.abc import Mapping
from typing import Any

PRUNE_CALLS = {
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "ec2:DescribeInstances",
    "ecr:BatchDeleteImage",
    "ecr:GetAuthorizationToken",
    "ecr:ListImages",
    "rds:DescribeDBInstances",
    "secretsmanager:GetSecretValue",
}
DEPLOY_CALLS = PRUNE_CALLS | {
    "autoscaling:DescribeScalingActivities",
    "autoscaling:LaunchInstances",
    "autoscaling:SetDesiredCapacity",
    "ecr:BatchGetImage",
    "s3:ListBucket",
    "s3:PutObject",
}
RESTORE_CALLS = {
    "rds:DeleteDBInstance",
    "rds:DescribeDBInstances",
    "rds:ModifyDBInstance",
    "rds:RestoreDBInstanceFromDBSnapshot",
    "secretsmanager:GetSecretValue",
}
CREATE_CALLS = {
    "rds:CreateDBInstance",
    "rds:DescribeDBInstances",
    "secretsmanager:GetSecretValue",
}

TUNNEL = {"ssm:StartSession": "circleci/config.yml: aws ssm start-session, to Nomad and Consul"}
LAUNCH = "LaunchInstances makes a fleet in its caller's name"
PUSH = "docker push and pull, with the tool's login"
TAGS = "what is made with tags needs the right to tag"
KEPT = "RDS makes the secret of a password that it keeps in its caller's name"
DATABASES = {
    "kms:DescribeKey": KEPT,
    "rds:AddTagsToResource": TAGS,
    "secretsmanager:CreateSecret": KEPT,
    "secretsmanager:TagResource": KEPT,
}
REASONS: dict[str, dict[str, str]] = {
    "prune": TUNNEL,
    "deploy": TUNNEL
    | {
        "ec2:CreateFleet": LAUNCH,
        "ec2:CreateTags": LAUNCH,
        "ec2:DescribeLaunchTemplateVersions": LAUNCH,
        "ec2:RunInstances": LAUNCH,
        "iam:PassRole": f"{LAUNCH}, and hands the nodes' role on",
        "ecr:BatchCheckLayerAvailability": PUSH,
        "ecr:CompleteLayerUpload": PUSH,
        "ecr:GetDownloadUrlForLayer": PUSH,
        "ecr:InitiateLayerUpload": PUSH,
        "ecr:PutImage": PUSH,
        "ecr:UploadLayerPart": PUSH,
    },
    "node": {
        "ecr:BatchCheckLayerAvailability": "Docker pulls",
        "ecr:BatchGetImage": "Docker pulls",
        "ecr:GetAuthorizationToken": "the credential helper that Docker pulls with",
        "ecr:GetDownloadUrlForLayer": "Docker pulls",
    },
    "server": dict.fromkeys(
        [
            "ssm:UpdateInstanceInformation",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ],
        "Session Manager's agent, the tunnel's end",
    ),
}

Policies = dict[str, set[str]]


def granted(told: list[dict[str, Any]]) -> dict[str, Policies]:
    """Return, for each run of `terraform test`, the actions that each role's policy names."""
    return {
        each["@testrun"]: policies(each["test_state"]["root_module"]["resources"])
        for each in told
        if each["type"] == "test_state"
    }


def policies(resources: list[Mapping[str, Any]]) -> Policies:
    """Return the actions of each role's policy, by the policy's address."""
    found: Policies = {}
    for each in resources:
        if each["type"] == "aws_iam_role_policy":
            statements = json.loads(each["values"]["policy"])["Statement"]
            named = [statement["Action"] for statement in statements]
            actions = [[each] if isinstance(each, str) else each for each in named]
            found[each["address"].removeprefix("aws_iam_role_policy.")] = set().union(*actions)
    return found
