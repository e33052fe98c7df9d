"""The printed policies, against the calls that the code makes: enough for each use, and nothing that nobody calls."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from ddreport.doctor.permissions import NEEDS, PASS_ROLE, Way, actions, policy
from ddreport.mitigation.roles import Place

PACKAGE = Path(__file__).parents[2] / "ddreport"
HERE = Place("111122223333", "eu-west-1")
POLICY_CHECK = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
RULES = """
version: 1
name: fleet
suppressions:
  - id: lab
    check: IOT_POLICY_OVERLY_PERMISSIVE_CHECK
    pattern: "lab"
    owner: fleet-team
    reason: Only in the test hall
    ticket: SEC-12
    expires: 2026-06-01
"""


def calls_in_the_code() -> set[str]:
    """Every call that a word in the package names."""
    session = botocore.session.Session()
    named: dict[str, list[str]] = {}
    for service in ("iot", "iam", "sns", "cloudwatch"):
        for operation in session.get_service_model(service).operation_names:
            named.setdefault(xform_name(operation), []).append(f"{service}:{operation}")
    folders = ("aws", "setup", "workflows", "mitigation")
    texts = (p.read_text(encoding="utf-8") for folder in folders for p in (PACKAGE / folder).rglob("*.py"))
    words = {word for text in texts for word in re.findall(r'["._]([a-z0-9]+(?:_[a-z0-9]+)*)["(]', text)}
    return {name for word in words for name in named.get(word, ())}


def test_no_policy_allows_what_no_code_calls():
    allowed = set().union(*(actions(way) for way in Way)) - {PASS_ROLE}
    assert allowed <= calls_in_the_code()


@pytest.mark.parametrize("way", Way)
def test_a_policy_fits_into_iam_and_names_no_action_twice_or_by_wildcard(way):
    document = policy(way, HERE)
    assert len(json.dumps(document, separators=(",", ":"))) < 6144  # IAM's limit of a managed policy
    names = [action for need in NEEDS[way] for action in need.actions]
    assert len(names) == len(set(names))
    assert not any("*" in name for name in names)
    assert len({need.name for need in NEEDS[way]}) == len(NEEDS[way])
    assert all(re.fullmatch("[A-Za-z0-9]+", need.name) for need in NEEDS[way])
    reads = ("Describe", "Get", "List", "Search", "Simulate")
    if way in (Way.READER, Way.AUDITOR):
        assert all(name.partition(":")[2].startswith(reads) for name in names)


@pytest.mark.slow
def test_each_use_gets_by_with_its_policy_and_makes_no_other_call(site):
    run = site.run

    def by(way, *commands):
        site.permit(policy(way, HERE))
        for command in commands:
            ran = run(*command)
            assert ran.code == 0, (command, ran.err)
        assert site.app.refused == []
        assert site.called() <= actions(way)
        return site.called()

    for name in ("lab", "hall"):
        site.emulator.iot().create_policy(name, json.dumps(OPEN))
    here = ("-t", "here")
    set_up = by(Way.SETUP, ("setup", "apply", "--yes", *here), ("audit", "start", "--wait", *here))
    read = by(Way.READER, ("pull", *here), ("audit", "list", *here), ("audit", "schedules", *here))
    seen = by(Way.AUDITOR, ("pull", "--inventory", *here), ("doctor", *here), ("setup", "plan", "--check", *here))
    Path("suppressions.yaml").write_text(RULES, encoding="utf-8")
    site.permit(None)
    site.emulator.audit_duration = timedelta(hours=1)
    begun = run("audit", "start", "--check", "LOGGING_DISABLED_CHECK", *here, "--json").json["audit_task_id"]
    site.emulator.audit_duration = timedelta(milliseconds=20)
    plan = ("mitigate", "plan", *here, "--check", POLICY_CHECK, "--action", blanking(run), "--out", "p.yaml")
    operated = by(
        Way.OPERATOR,
        ("suppress", "apply", "--yes", *here),
        ("audit", "start", "--wait", *here),
        ("audit", "cancel", begun, *here),
        plan,
        ("mitigate", "approve", "p.yaml"),
        ("mitigate", "apply", "p.yaml"),
        ("mitigate", "rollback", "plan", "p.yaml", "--out", "back.yaml"),
        ("mitigate", "rollback", "approve", "back.yaml"),
        ("mitigate", "rollback", "apply", "back.yaml"),
    )
    removed = by(Way.SETUP, ("setup", "remove", "--yes", *here))
    assert {"iot:ListAuditFindings", "iot:DescribeAuditTask"} <= read
    assert {"iot:ListCertificates", "iam:GetRole", "iam:SimulatePrincipalPolicy"} <= seen
    assert {"iot:CreateAuditSuppression", "iot:StartAuditMitigationActionsTask"} <= operated
    assert "iot:SetDefaultPolicyVersion" in operated
    assert {"iam:CreateRole", "cloudwatch:PutMetricAlarm"} <= set_up
    assert {"iam:DeleteRole", "sns:DeleteTopic"} <= removed


def blanking(run):
    """Name of the action that set-up has defined for policies."""
    found = run("actions", "list", "-t", "here", "--json").json
    return next(row["name"] for row in found if row["type"] == "REPLACE_DEFAULT_POLICY_VERSION")


def test_a_reader_may_neither_start_an_audit_nor_read_the_inventory(site):
    site.permit(policy(Way.READER, HERE))
    refused = site.run("audit", "start", "--check", "LOGGING_DISABLED_CHECK", "-t", "here")
    assert refused.code == 1
    site.emulator.call(
        "UpdateAccountAuditConfiguration",
        roleArn=site.emulator.create_service_role("A", "AWSIoTDeviceDefenderAudit"),
        auditCheckConfigurations={"LOGGING_DISABLED_CHECK": {"enabled": True}},
    )
    refused = site.run("audit", "start", "-t", "here")
    assert (refused.code, "iot:StartOnDemandAuditTask" in refused.err) == (1, True)
    assert "iot:StartOnDemandAuditTask" in site.app.refused


def test_the_policy_is_printed_without_asking_anybody(run):
    printed = run("doctor", "--print-policy", "reader", "--account", "111122223333", "--region", "eu-west-1")
    assert json.loads(printed.out) == policy(Way.READER, HERE)
    assert "arn:aws:iot:*:*:scheduledaudit/*" in run("doctor", "--print-policy", "reader").out
    wrong = run("doctor", "--print-policy", "raeder")
    assert (wrong.code, "Did you mean 'reader'?" in wrong.err) == (2, True)
    assert run("doctor", "--print-policy", "reader", "--account", "12").code == 2
    assert run("doctor", "--account", "111122223333").code == 2
