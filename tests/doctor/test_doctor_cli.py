"""`ddreport doctor` on an emulated account whose caller is held to a policy."""

from __future__ import annotations

import json

from ddreport.doctor.permissions import Way, policy
from ddreport.mitigation.roles import Place

HERE = Place("111122223333", "eu-west-1")


def statuses(row):
    return {(v["area"], v["name"]): v["status"] for v in row["verdicts"]}


def test_an_empty_account_fails_and_a_set_up_one_does_not(site):
    ran = site.run("doctor", "-t", "here")
    assert ran.code == 1
    assert "Audit was never set up here" in ran.out
    assert site.run("setup", "apply", "--yes", "-t", "here").code == 0
    site.permit(policy(Way.AUDITOR, HERE))
    ran = site.run("doctor", "-t", "here", "--for", "setup", "--json")
    (row,) = ran.json
    found = statuses(row)
    assert found["audit", "checks"] == found["logging", "V2 logging"] == found["role", "AWSIoTLoggingRole"] == "ok"
    assert found["notification", "subscribers"] == "ok"
    assert found["archive", "newest pull"] == "warn"
    # IAM was asked about what is not tried, and says no to an auditor.
    assert found["permission", "SetUpRoles"] == found["permission", "PassRoles"] == "fail"
    assert found["permission", "ReadInventory"] == "ok"
    assert ran.code == 1
    writes = [asked.operation for asked in site.app.asked if asked.writes]
    assert set(writes) <= {"iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity"}


def test_broken_roles_and_a_lost_topic_are_found(site):
    assert site.run("setup", "apply", "--yes", "-t", "here").code == 0
    iam, sns = site.client("iam"), site.client("sns")
    nobody = {"Version": "2012-10-17", "Statement": []}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(
        RoleName="AWSIoTDeviceDefenderAudit", PolicyDocument=json.dumps({**nobody, "Statement": [trust]})
    )
    iam.put_role_policy(
        RoleName="AWSIoTLoggingRole",
        PolicyName="ddreport-setup",
        PolicyDocument=json.dumps({**nobody, "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}),
    )
    sns.delete_topic(TopicArn=f"arn:aws:sns:eu-west-1:{HERE.account}:IoTDDNotifications")
    (row,) = site.run("doctor", "-t", "here", "--json").json
    found = statuses(row)
    assert found["role", "AWSIoTDeviceDefenderAudit"] == found["role", "AWSIoTLoggingRole"] == "fail"
    assert found["notification", "topic"] == "fail"


def test_a_target_that_does_not_answer_spoils_no_other_and_ends_with_4(site):
    ran = site.run("doctor", "-t", "here", "-t", "gone", "--json")
    assert ran.code == 4
    rows = {row["target"]: row for row in ran.json}
    assert rows["gone"]["account"] is None
    assert rows["here"]["account"] == HERE.account
    assert statuses(rows["gone"]) == {("target", "connection"): "fail"}


def test_a_reader_sees_unknown_where_it_may_not_look(site):
    assert site.run("setup", "apply", "--yes", "-t", "here").code == 0
    site.permit(policy(Way.READER, HERE))
    ran = site.run("doctor", "-t", "here", "--for", "reader", "--json")
    found = statuses(ran.json[0])
    assert found["logging", "V2 logging"] == found["alarm", "alarms"] == "unknown"
    assert found["role", "AWSIoTDeviceDefenderAudit"] == found["notification", "topic"] == "unknown"
    assert ran.code == 0
    assert all(found[key] == "ok" for key in found if key[0] == "permission")
