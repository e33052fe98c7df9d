"""A process of its own: builds the demo fleet, serves it, reads the account back over HTTP, writes it as JSON.

python fleet_snapshot.py OUT.json --seed 7 --as-of 2026-03-02T09:15:00+00:00
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
from botocore.config import Config

from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.emulation.fleet import build_demo_fleet, history_start

SAMPLE = 60
"""Every so-many-th resource is read in detail: one call for each would take most of the tests' time."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--audits-only", action="store_true")
    options = parser.parse_args()
    with Emulator(ManualClock(history_start(options.as_of)), seed=options.seed) as emulator:
        summary = build_demo_fleet(emulator, as_of=options.as_of, seed=options.seed)
        with EmulatorServer(emulator) as server:
            reader = Reader(server.endpoint, options.as_of)
            account = reader.audits() if options.audits_only else reader.everything()
    account["summary"] = {"resources": summary.resources, "audits": summary.audits, "begins": summary.begins}
    options.out.write_text(json.dumps(account, default=_plain, sort_keys=True), encoding="utf-8")


def _plain(value):
    # boto3 hands out the machine's own zone.
    return value.astimezone(UTC).isoformat(timespec="milliseconds")


class Reader:
    """Reads an account through boto3, as any client would."""

    def __init__(self, endpoint, as_of):
        session = boto3.Session("testing", "testing", region_name="eu-west-1")
        config = Config(retries={"max_attempts": 1})
        self.iot = session.client("iot", endpoint_url=endpoint, config=config)
        self.iam = session.client("iam", endpoint_url=endpoint, config=config)
        self.sns = session.client("sns", endpoint_url=endpoint, config=config)
        self.window = {"startTime": as_of - timedelta(days=90), "endTime": as_of}

    def everything(self):
        return self.audits() | self.fleet() | self.surroundings()

    def pages(self, operation, key, **members):
        pages = self.iot.get_paginator(operation).paginate(PaginationConfig={"PageSize": 250}, **members)
        return [item for page in pages for item in page[key]]

    def call(self, operation, **members):
        answer = getattr(self.iot, operation)(**members)
        del answer["ResponseMetadata"]
        return answer

    def audits(self):
        tasks = self.pages("list_audit_tasks", "tasks", **self.window)
        findings = self.pages("list_audit_findings", "findings", **self.window)
        with_related = [f for f in findings if f.get("relatedResources")]
        schedules = self.pages("list_scheduled_audits", "scheduledAudits")
        return {
            "tasks": [task | self.call("describe_audit_task", taskId=task["taskId"]) for task in tasks],
            "findings": findings,
            "related": {
                f["findingId"]: self.pages(
                    "list_related_resources_for_audit_finding", "relatedResources", findingId=f["findingId"]
                )
                for f in with_related
            },
            "configuration": self.call("describe_account_audit_configuration"),
            "schedules": [
                self.call("describe_scheduled_audit", scheduledAuditName=s["scheduledAuditName"]) for s in schedules
            ],
            "suppressions": self.pages("list_audit_suppressions", "suppressions"),
            "logging": self.call("get_v2_logging_options"),
            "mitigation": self.mitigation(),
        }

    def mitigation(self):
        tasks = self.pages("list_audit_mitigation_actions_tasks", "tasks", **self.window)
        described = [
            task | self.call("describe_audit_mitigation_actions_task", taskId=task["taskId"]) for task in tasks
        ]
        actions = self.pages("list_mitigation_actions", "actionIdentifiers")
        return {
            "actions": [self.call("describe_mitigation_action", actionName=a["actionName"]) for a in actions],
            "tasks": described,
            "executions": [
                execution
                for task in described
                for finding in task["target"]["findingIds"]
                for execution in self.pages(
                    "list_audit_mitigation_actions_executions",
                    "actionsExecutions",
                    taskId=task["taskId"],
                    findingId=finding,
                )
            ],
        }

    def fleet(self):
        things = self.pages("list_things", "things")
        certificates = self.pages("list_certificates", "certificates")
        authorities = self.pages("list_ca_certificates", "certificates")
        policies = self.pages("list_policies", "policies")
        groups = self.pages("list_thing_groups", "thingGroups", recursive=True)
        return {
            "things": things,
            "thing_details": [self.thing(t["thingName"]) for t in [*things[::SAMPLE], *self.odd(things)]],
            "thing_types": self.pages("list_thing_types", "thingTypes"),
            "groups": [self.call("describe_thing_group", thingGroupName=g["groupName"]) for g in groups],
            "quarantined": self.call("list_things_in_thing_group", thingGroupName="quarantine")["things"],
            "certificates": certificates,
            "certificate_details": [self.certificate(c) for c in certificates[::SAMPLE]],
            "authorities": [
                self.call("describe_ca_certificate", certificateId=c["certificateId"])["certificateDescription"]
                for c in authorities
            ],
            "policies": {p["policyName"]: self.policy(p["policyName"]) for p in policies},
            "role_aliases": [
                self.call("describe_role_alias", roleAlias=name)["roleAliasDescription"]
                for name in self.call("list_role_aliases")["roleAliases"]
            ],
        }

    @staticmethod
    def odd(things):
        # Nothing but the names of the story's hostile devices lacks the two dashes of an ordinary name.
        return [t for t in things if t["thingName"].count("-") != 2]

    def thing(self, name):
        principals = self.call("list_thing_principals", thingName=name)["principals"]
        return self.call("describe_thing", thingName=name) | {
            "groups": [g["groupName"] for g in self.call("list_thing_groups_for_thing", thingName=name)["thingGroups"]],
            "principals": principals,
            "pems": [
                self.call("describe_certificate", certificateId=arn.rpartition("/")[2])["certificateDescription"][
                    "certificatePem"
                ]
                for arn in principals
            ],
        }

    def certificate(self, listed):
        described = self.call("describe_certificate", certificateId=listed["certificateId"])["certificateDescription"]
        attached = self.call("list_attached_policies", target=listed["certificateArn"])["policies"]
        things = self.call("list_principal_things", principal=listed["certificateArn"])["things"]
        return described | {"policies": sorted(p["policyName"] for p in attached), "things": things}

    def policy(self, name):
        versions = self.call("list_policy_versions", policyName=name)["policyVersions"]
        return self.call("get_policy", policyName=name) | {"versions": versions}

    def surroundings(self):
        roles = self.iam.list_roles()["Roles"]
        attached = self.iam.list_attached_role_policies(RoleName="AWSIoTDeviceDefenderAudit")["AttachedPolicies"]
        topics = self.sns.list_topics()["Topics"]
        return {
            "roles": {role["RoleName"]: role for role in roles},
            "audit_role_policies": [p["PolicyName"] for p in attached],
            "topics": [t["TopicArn"] for t in topics],
        }


if __name__ == "__main__":
    main()
