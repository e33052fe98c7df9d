"""The checks as pure functions from a state to findings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.checks import StateView, Window, evaluate, evaluated_checks
from ddreport.emulation.connections import ConnectionLog

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class ACertificate:
    validity_not_after: datetime = NOW + 400 * DAY
    creation_date: datetime = NOW - DAY
    status: str = "ACTIVE"
    certificate_id: str = "c1"


@dataclass
class APolicy:
    document: str
    name: str = "p"
    default_version_id: str = "3"


def view(**state):
    defaults = {
        "as_of": NOW,
        "account": "123456789012",
        "region": "eu-west-1",
        "arn_start": "arn:aws:iot:eu-west-1:123456789012:",
        "window": Window(NOW - 31 * DAY, NOW),
    }
    return StateView(**defaults | state)


def codes(check, **state):
    return [c.reason_code for c in evaluate(check, view(**state)).candidates]


def test_every_check_of_the_catalogue_is_evaluated():
    assert set(evaluated_checks()) == set(catalogue())
    assert len(evaluated_checks()) == 17


@pytest.mark.parametrize("check", sorted(catalogue()))
def test_an_empty_account_complies_with_every_check_but_logging(check):
    expected = ["LOGGING_DISABLED"] if check == "LOGGING_DISABLED_CHECK" else []
    assert codes(check) == expected


APPROACHING, PAST = "CERTIFICATE_APPROACHING_EXPIRATION", "CERTIFICATE_PAST_EXPIRATION"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (31 * DAY, []),
        (30 * DAY + timedelta(seconds=1), []),
        (30 * DAY, [APPROACHING]),
        (timedelta(seconds=1), [APPROACHING]),
        (timedelta(0), [PAST]),
        (-400 * DAY, [PAST]),
    ],
)
@pytest.mark.parametrize(
    ("check", "member"),
    [("DEVICE_CERTIFICATE_EXPIRING_CHECK", "certificates"), ("CA_CERTIFICATE_EXPIRING_CHECK", "ca_certificates")],
)
def test_expiry_within_thirty_days_or_past(check, member, left, expected):
    assert codes(check, **{member: [ACertificate(NOW + left)]}) == expected


def test_the_expiry_threshold_is_configurable_for_devices():
    certificates = [ACertificate(NOW + 80 * DAY)]
    thresholds = {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "90"}
    assert codes("DEVICE_CERTIFICATE_EXPIRING_CHECK", certificates=certificates, thresholds=thresholds) == [APPROACHING]


@pytest.mark.parametrize(
    ("status", "judged"),
    [("ACTIVE", 1), ("PENDING_TRANSFER", 1), ("INACTIVE", 0), ("REVOKED", 0), ("PENDING_ACTIVATION", 0)],
)
@pytest.mark.parametrize("check", ["DEVICE_CERTIFICATE_EXPIRING_CHECK", "DEVICE_CERTIFICATE_AGE_CHECK"])
def test_only_certificates_in_use_are_judged(check, status, judged):
    old = ACertificate(NOW - DAY, NOW - 1000 * DAY, status)
    evaluation = evaluate(check, view(certificates=[old]))
    assert (evaluation.total, len(evaluation.candidates)) == (judged, judged)


def test_a_pending_transfer_does_not_exist_for_cas():
    evaluation = evaluate(
        "CA_CERTIFICATE_EXPIRING_CHECK", view(ca_certificates=[ACertificate(NOW, status="PENDING_TRANSFER")])
    )
    assert evaluation.total == 0


@pytest.mark.parametrize(("age", "found"), [(364, 0), (365, 1), (366, 1)])
def test_age_counts_from_the_registration(age, found):
    certificates = [ACertificate(creation_date=(NOW - age * DAY).replace(tzinfo=None))]
    assert len(codes("DEVICE_CERTIFICATE_AGE_CHECK", certificates=certificates)) == found


def test_the_age_threshold_is_configurable():
    certificates = [ACertificate(creation_date=NOW - 31 * DAY)]
    thresholds = {"CERT_AGE_THRESHOLD_IN_DAYS": "30"}
    assert codes("DEVICE_CERTIFICATE_AGE_CHECK", certificates=certificates, thresholds=thresholds) == [
        "CERTIFICATE_PAST_AGE_THRESHOLD"
    ]


ROLE = "arn:aws:iam::123456789012:role/logs"


@pytest.mark.parametrize(
    ("v1", "v2", "on"),
    [
        (None, None, False),
        (None, {"defaultLogLevel": "ERROR", "disableAllLogs": False}, True),
        (None, {"defaultLogLevel": "DISABLED", "disableAllLogs": False}, False),
        (None, {"defaultLogLevel": "ERROR", "disableAllLogs": True}, False),
        ({"roleArn": ROLE, "logLevel": "INFO"}, None, True),
        ({"roleArn": ROLE, "logLevel": "DISABLED"}, None, False),
        ({"roleArn": ROLE}, None, False),
        ({"roleArn": ROLE, "logLevel": "INFO"}, {"defaultLogLevel": "DISABLED"}, True),
    ],
)
def test_logging_is_on_when_either_setting_is(v1, v2, on):
    evaluation = evaluate("LOGGING_DISABLED_CHECK", view(v1_logging=v1, v2_logging=v2))
    assert evaluation.total == 1
    assert [c.identifier for c in evaluation.candidates] == ([] if on else [{"account": "123456789012"}])


def test_a_policy_with_two_misconfigurations_gives_two_findings_about_one_resource():
    def statement(effect, action, resource):
        return {"Effect": effect, "Action": action, "Resource": f"arn:aws:iot:eu-west-1:123456789012:{resource}"}

    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                statement("Allow", "iot:Subscribe", "topicfilter/plant/*"),
                statement("Deny", "iot:Subscribe", "topicfilter/plant/boiler/*"),
                statement("Allow", "iot:Receive", "topic/plant/*"),
                statement("Deny", "iot:Publish", "topic/plant/+"),
            ],
        }
    )
    evaluation = evaluate("IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK", view(policies=[APolicy(document)]))
    assert evaluation.total == 1
    assert len({c.reason_code for c in evaluation.candidates}) == 2
    assert {json.dumps(c.identifier) for c in evaluation.candidates} == {
        '{"policyVersionIdentifier": {"policyName": "p", "policyVersionId": "3"}}'
    }


SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
CONFLICT = "CONFLICTING_CLIENT_IDS_CHECK"


def log(*connections):
    """Make a log of (certificate, client, hours before now, hours before now or None)."""
    made = ConnectionLog()
    for certificate, client, begin, end in connections:
        made.add(certificate, client, NOW - begin * HOUR, None if end is None else NOW - end * HOUR)
    return made


@pytest.mark.parametrize(
    ("connections", "found"),
    [
        ([("c1", "a", 10, 5), ("c1", "b", 8, 6)], 1),
        ([("c1", "a", 10, None), ("c1", "b", 8, None)], 1),
        ([("c1", "a", 10, 8), ("c1", "b", 8, 6)], 0),
        ([("c1", "a", 10, 5), ("c1", "a", 8, 6)], 0),
        ([("c1", "a", 10, 5), ("c2", "b", 8, 6)], 0),
        ([("c1", "a", 10, None), ("c1", "b", 1, None)], 0),
        ([("c1", "a", 10, None), ("c1", "b", 2, None)], 1),
        ([("c1", "a", 24 * 40, 24 * 35), ("c1", "b", 24 * 40, 24 * 35)], 0),
        ([("c1", "a", 24 * 40, 24 * 20), ("c1", "b", 24 * 40, 24 * 20)], 1),
    ],
)
def test_a_certificate_is_shared_when_different_clients_overlap_up_to_two_hours_ago(connections, found):
    assert len(codes(SHARED, connections=log(*connections), certificates=[ACertificate()])) == found


def test_a_scheduled_audit_looks_only_at_the_span_since_the_one_before():
    connections = log(("c1", "a", 40, 30), ("c1", "b", 40, 30))
    assert codes(SHARED, connections=connections, window=Window(NOW - DAY, NOW)) == []
    assert len(codes(SHARED, connections=connections, window=Window(NOW - 2 * DAY, NOW))) == 1


def test_the_related_connections_are_newest_first_with_times_in_milliseconds():
    connections = log(("c1", "a", 10, None), ("c1", "b", 8, 6), ("c1", "later", 5.5, 5))
    (candidate,) = evaluate(SHARED, view(connections=connections)).candidates
    ids = [r["resourceIdentifier"]["clientId"] for r in candidate.related]
    assert ids == ["later", "b", "a"]
    assert candidate.related[1]["additionalInfo"] == {
        "CONNECTION_TIME": str(round((NOW - 8 * HOUR).timestamp() * 1000)),
        "DISCONNECTION_TIME": str(round((NOW - 6 * HOUR).timestamp() * 1000)),
    }
    assert set(candidate.related[2]["additionalInfo"]) == {"CONNECTION_TIME"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_second_connection_with_a_client_id_ends_the_first(order):
    made = log(*[("c1", "a", 10, None), ("c2", "a", 8, None)][::order])
    first, second = sorted(made, key=lambda c: c.connected)
    assert (first.disconnected, first.displaced) == (NOW - 8 * HOUR, True)
    assert (second.disconnected, second.displaced) == (None, False)


def test_conflicting_client_ids_are_found_with_the_dropped_principals():
    made = log(("c1", "a", 10, None), ("c2", "a", 8, None), ("c3", "b", 10, None))
    evaluation = evaluate(CONFLICT, view(connections=made))
    assert evaluation.total == 2
    (candidate,) = evaluation.candidates
    assert candidate.identifier == {"clientId": "a"}
    assert candidate.related[0]["additionalInfo"]["PRINCIPAL_ID"] == "c1"


def test_a_conflict_before_the_window_is_not_found():
    made = log(("c1", "a", 40, None), ("c2", "a", 30, None))
    assert codes(CONFLICT, connections=made, window=Window(NOW - DAY, NOW)) == []


def test_a_reconnect_after_the_end_is_no_conflict():
    assert codes(CONFLICT, connections=log(("c1", "a", 10, 9), ("c1", "a", 8, None))) == []
