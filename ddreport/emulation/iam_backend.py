"""moto's IAM with AWS's managed policies of Device Defender Audit, which roles of the tutorials attach."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import moto.iam.urls as moto_iam_urls
from moto.iam.models import AWSManagedPolicy, IAMBackend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from moto.iam.models import ManagedPolicy

_ROLE_PASSING = "iam:PassRole"

MANAGED_POLICIES: Mapping[str, tuple[str, ...]] = {
    "AWSIoTDeviceDefenderAudit": (
        "iot:GetLoggingOptions",
        "iot:GetV2LoggingOptions",
        "iot:ListCACertificates",
        "iot:ListCertificates",
        "iot:DescribeCACertificate",
        "iot:DescribeCertificate",
        "iot:ListPolicies",
        "iot:GetPolicy",
        "iot:GetEffectivePolicies",
        "iot:ListRoleAliases",
        "iot:DescribeRoleAlias",
        "cognito-identity:GetIdentityPoolRoles",
        "iam:ListRolePolicies",
        "iam:ListAttachedRolePolicies",
        "iam:GetRole",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
        "iam:GetRolePolicy",
        "iam:GenerateServiceLastAccessedDetails",
        "iam:GetServiceLastAccessedDetails",
    ),
    "AWSIoTDeviceDefenderUpdateDeviceCertMitigationAction": ("iot:UpdateCertificate",),
    "AWSIoTDeviceDefenderUpdateCACertMitigationAction": ("iot:UpdateCACertificate",),
    "AWSIoTDeviceDefenderAddThingsToThingGroupMitigationAction": (
        "iot:ListPrincipalThings",
        "iot:AddThingToThingGroup",
    ),
    "AWSIoTDeviceDefenderReplaceDefaultPolicyMitigationAction": ("iot:CreatePolicyVersion",),
    "AWSIoTDeviceDefenderEnableIoTLoggingMitigationAction": ("iot:SetV2LoggingOptions", _ROLE_PASSING),
    "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction": ("sns:Publish",),
    "AWSIoTLogging": (
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:PutMetricFilter",
        "logs:PutRetentionPolicy",
        "logs:GetLogEvents",
        "logs:DeleteLogStream",
    ),
}
"""Actions of each managed policy, all on resource `*` (AWS IoT Device Defender and AWS IoT documentation)."""


def _document(actions: tuple[str, ...]) -> str:
    plain = [a for a in actions if a != _ROLE_PASSING]
    statements: list[dict[str, object]] = [{"Effect": "Allow", "Action": plain, "Resource": "*"}]
    if _ROLE_PASSING in actions:
        only_to_iot = {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}
        statements.append({"Effect": "Allow", "Action": [_ROLE_PASSING], "Resource": "*", "Condition": only_to_iot})
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class EmulatedIAMBackend(IAMBackend):
    """IAM of one account and partition, with the audit's managed policies in place from the start.

    Attributes
    ----------
    service_use
        Per role ARN the services that it was used for, with the last time of each.
    access_reports
        Per job id of GenerateServiceLastAccessedDetails its time and rows.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.service_use: dict[str, dict[str, datetime]] = {}
        self.access_reports: dict[str, tuple[datetime, list[dict[str, Any]]]] = {}

    @property
    def _url_module(self) -> Any:
        # moto looks for it beside the class.
        return moto_iam_urls

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        known = super()._init_aws_policies()
        present = {policy.name for policy in known}
        known += [
            AWSManagedPolicy.from_data(
                name,
                self.account_id,
                self.region_name,
                {
                    "DefaultVersionId": "v1",
                    "Path": "/service-role/",
                    "Document": json.loads(_document(actions)),
                    "CreateDate": "2018-07-18T21:17:40+00:00",
                    "UpdateDate": "2018-07-18T21:17:40+00:00",
                },
            )
            for name, actions in MANAGED_POLICIES.items()
            if name not in present
        ]
        return known
