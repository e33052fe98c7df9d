"""Ninety days as the audits saw them; days are numbered as in the fleet's file."""

from collections import Counter
from itertools import pairwise

import pytest

AGE = "DEVICE_CERTIFICATE_AGE_CHECK"
AUTHORITY = "CA_CERTIFICATE_EXPIRING_CHECK"
CONFLICT = "CONFLICTING_CLIENT_IDS_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
AUTHORITY_KEY = "CA_CERTIFICATE_KEY_QUALITY_CHECK"
AUTHORITY_REVOKED = "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK"
GUESTS = "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
KEY = "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
MISCONFIGURED = "IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK"
PERMISSIVE = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
REVOKED = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"
ROLE_ALIAS = "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK"
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
UNUSED = "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK"
USERS = "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"


def identifier(finding):
    return finding["nonCompliantResource"]["resourceIdentifier"]


def policy(finding):
    return identifier(finding)["policyVersionIdentifier"]["policyName"]


def is_policy(name, **members):
    return lambda finding: policy(finding) == name and members.items() <= finding.items()


def statuses(task):
    return {check: details["checkRunStatus"] for check, details in task["auditDetails"].items()}


# The run of the audits


def test_exactly_one_day_has_no_completed_daily_audit(account):
    completed = [day for day, task in account.daily.items() if task["taskStatus"] == "COMPLETED"]
    assert sorted(set(range(1, 91)) - set(completed)) == [61]


def test_there_is_one_daily_audit_a_day(account):
    assert len([t for t in account.tasks if t["taskType"] == "SCHEDULED_AUDIT_TASK"]) == len(account.daily) == 89


def test_two_audits_of_a_few_checks_were_started_by_hand(account):
    completed = [task for task in account.on_demand if task["taskStatus"] == "COMPLETED"]
    assert [sorted(task["auditDetails"]) for task in completed] == [
        sorted([PERMISSIVE, MISCONFIGURED]),
        sorted([LOGGING, EXPIRING, AUTHORITY]),
    ]


def test_one_audit_was_cancelled_half_way(account):
    (cancelled,) = [task for task in account.tasks if task["taskStatus"] == "CANCELED"]
    kinds = Counter(status.partition("_")[0] for status in statuses(cancelled).values())
    assert set(kinds) == {"CANCELED", "COMPLETED"}


def test_one_audit_failed_half_way_and_no_other_did(account):
    failed = {
        day: {check for check, status in statuses(task).items() if status == "FAILED"}
        for day, task in account.daily.items()
        if "FAILED" in statuses(task).values()
    }
    certificates_only = {PERMISSIVE, MISCONFIGURED, AUTHORITY, AUTHORITY_KEY, AUTHORITY_REVOKED}
    assert failed == {27: certificates_only | {GUESTS, USERS, ROLE_ALIAS, UNUSED}}


def test_the_checks_that_failed_say_that_a_permission_was_missing(account):
    details = account.details(27, PERMISSIVE)
    assert details["errorCode"] == "INSUFFICIENT_PERMISSIONS"
    assert details["message"]
    assert account.findings(27, PERMISSIVE) == []


def test_the_other_checks_of_the_failed_audit_finished(account):
    assert statuses(account.daily[27])[EXPIRING] == "COMPLETED_NON_COMPLIANT"
    assert statuses(account.daily[27])[LOGGING] == "COMPLETED_COMPLIANT"


def test_the_age_check_joins_on_day_20(account):
    assert min(day for day, task in account.daily.items() if AGE in task["auditDetails"]) == 20


# How much is found


def test_every_daily_audit_has_a_believable_number_of_findings(account):
    counts = [len(account.findings(day)) for day in account.daily]
    assert min(counts) >= 60
    assert max(counts) <= 220


def test_the_newest_audit_has_findings_of_every_severity(account):
    assert {finding["severity"] for finding in account.findings(90)} == {"CRITICAL", "HIGH", "MEDIUM", "LOW"}


def test_things_get_better_with_interruptions(account):
    counts = {day: len(account.findings(day)) for day in account.daily}
    assert counts[90] < 0.65 * counts[1]
    assert counts[20] > 1.3 * counts[19]  # a further check
    assert counts[63] > 1.2 * counts[62]  # a wider threshold


@pytest.mark.parametrize("day", [12, 41, 74])
def test_a_renewal_campaign_helps_but_does_not_reach_every_device(account, day):
    before, after = (len(account.findings(d, EXPIRING)) for d in (day, day + 1))
    assert 0.3 * before < after < 0.8 * before


def test_certificates_expire_a_few_at_a_time(account):
    counts = [len(account.findings(day, EXPIRING)) for day in range(1, 13)]
    assert all(0 <= later - earlier <= 8 for earlier, later in pairwise(counts))
    assert counts[-1] > counts[0]


def test_certificates_are_both_expired_and_about_to_expire(account):
    reasons = Counter(f["reasonForNonComplianceCode"] for f in account.findings(1, EXPIRING))
    assert reasons["CERTIFICATE_PAST_EXPIRATION"] >= 20
    assert reasons["CERTIFICATE_APPROACHING_EXPIRATION"] >= 20


def test_mass_provisioning_brings_120_kiosks_some_with_test_certificates(account):
    before, after = (account.details(day, EXPIRING) for day in (55, 56))
    assert 110 <= after["totalResourcesCount"] - before["totalResourcesCount"] <= 120
    # Their 45 days lie beyond the threshold of 30 at first and inside the one of 60 later.
    assert account.details(63, EXPIRING)["nonCompliantResourcesCount"] >= (
        account.details(62, EXPIRING)["nonCompliantResourcesCount"] + 11
    )


def test_thresholds_are_what_they_were_set_to_last(account):
    checks = account["configuration"]["auditCheckConfigurations"]
    assert checks[EXPIRING]["configuration"] == {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "60"}
    assert checks[AGE]["configuration"] == {"CERT_AGE_THRESHOLD_IN_DAYS": "1000"}


# Incidents


def test_logging_is_off_at_five_audits_and_later_at_two(account):
    assert account.days_with(LOGGING) == [44, 45, 46, 47, 48, 76, 77]


def test_logging_was_switched_on_again_by_hand_in_the_end(account):
    assert account["logging"]["defaultLogLevel"] == "WARN"


def test_the_permissive_policy_appears_is_fixed_and_comes_back(account):
    days = account.days_with(PERMISSIVE, is_policy("lumen-telemetry"))
    assert days == [day for day in [*range(30, 38), *range(71, 91)] if day != 61]


def test_the_permissive_policy_comes_back_as_another_version(account):
    versions = {
        day: identifier(finding)["policyVersionIdentifier"]["policyVersionId"]
        for day in (30, 90)
        for finding in account.findings(day, PERMISSIVE)
        if policy(finding) == "lumen-telemetry"
    }
    assert versions == {30: "2", 90: "4"}


def test_two_certificates_were_shared_for_some_days_each(account):
    assert account.days_with(SHARED) == [7, 8, 9, *range(81, 91)]


def test_a_shared_certificate_names_the_clients_that_used_it(account):
    (finding,) = account.findings(90, SHARED)
    related = account["related"][finding["findingId"]]
    assert {r["resourceType"] for r in related} == {"CLIENT_ID"}
    assert {r["resourceIdentifier"]["clientId"] for r in related} == {
        "frost-resold",
        "tracker\u200b-spare\u2066 1\u2069",
        "'; DROP TABLE devices; --",
    }
    assert all(r["additionalInfo"]["CONNECTION_TIME"].isdecimal() for r in related)


def test_the_second_cloned_device_is_in_quarantine(account):
    assert len(account["quarantined"]) == 1


def test_client_ids_are_fought_for_on_some_days(account):
    days = account.days_with(CONFLICT)
    assert {2, 3, 4, 15, 16, 26, 27, 43, 56, 57, 58, 88, 89, 90} <= set(days)
    assert not set(days) & set(range(63, 88))


def test_an_authority_that_had_expired_stayed_active_for_a_while(account):
    expired = account.days_with(
        AUTHORITY, lambda finding: finding["reasonForNonComplianceCode"] == "CERTIFICATE_PAST_EXPIRATION"
    )
    assert expired == [*range(1, 25), *[day for day in range(47, 67) if day != 61]]


def test_an_authority_is_about_to_expire_at_the_end(account):
    (finding,) = account.findings(90, AUTHORITY)
    assert finding["reasonForNonComplianceCode"] == "CERTIFICATE_APPROACHING_EXPIRATION"


# Keys, revocation, roles


def all_days(first, last=90, but=(61,)):
    return [day for day in range(first, last + 1) if day not in but]


def role_alias(name):
    return lambda finding: identifier(finding)["roleAliasArn"].endswith(f":rolealias/{name}")


def test_three_pumps_have_keys_that_can_be_factored(account):
    found = account.findings(90, KEY)
    assert {f["reasonForNonComplianceCode"] for f in found} == {"CERTIFICATE_KEY_VULNERABILITY_CVE-2017-15361"}
    assert len({str(identifier(f)) for f in found}) == 3
    assert account.days_with(KEY) == all_days(1)


def test_a_gateway_that_its_authority_revoked_stays_active_to_the_end(account):
    assert account.days_with(REVOKED) == all_days(40)
    (finding,) = account.findings(90, REVOKED)
    status = {c["certificateId"]: c["status"] for c in account["certificates"]}
    assert status[identifier(finding)["deviceCertificateId"]] == "ACTIVE"


def test_guests_of_the_kiosks_may_too_much_all_the_time(account):
    assert account.days_with(GUESTS) == all_days(1, but=(27, 61))
    assert {f["reasonForNonComplianceCode"] for f in account.findings(90, GUESTS)} == {
        "ALLOWS_ACCESS_TO_IOT_ADMIN_ACTIONS",
        "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS",
    }


def test_the_installers_role_is_narrowed_and_its_pool_forgotten_later(account):
    assert account.days_with(USERS) == all_days(1, 51, but=(27,))
    totals = {day: account.details(day, USERS)["totalResourcesCount"] for day in (52, 87, 90)}
    assert totals == {52: 2, 87: 2, 90: 1}


def test_a_pool_that_nobody_uses_is_never_found(account):
    pools = {
        identifier(f)["cognitoIdentityPoolId"]
        for c in (GUESTS, USERS)
        for f in account["findings"]
        if f["checkName"] == c
    }
    assert len(pools) == 2


@pytest.mark.parametrize(
    ("name", "last"), [("atrium-building-admin", 44), ("legacy-everything", 67), ("plaza-receipts", 90)]
)
def test_role_aliases_are_too_wide_until_somebody_narrows_them(account, name, last):
    assert account.days_with(ROLE_ALIAS, role_alias(name)) == all_days(1, last, but=(27, 61))


@pytest.mark.parametrize("name", ["lumen-log-upload", "frost-route-data"])
def test_role_aliases_that_are_narrow_and_used_are_never_found(account, name):
    assert account.days_with(ROLE_ALIAS, role_alias(name)) == account.days_with(UNUSED, role_alias(name)) == []


def test_services_that_nobody_uses_are_named(account):
    reasons = {identifier(f)["roleAliasArn"].rpartition("/")[2]: f for f in account.findings(90, UNUSED)}
    assert set(reasons) == {"hydra-diagnostics", "plaza-receipts", "legacy-everything"}
    assert "[kinesisvideo]" in reasons["hydra-diagnostics"]["reasonForNonCompliance"]


# Suppressions


def test_a_suppression_ends_inside_the_window_and_its_finding_counts_again(account):
    legacy = account.days_with(PERMISSIVE, is_policy("LegacyBridgeFullAccess", isSuppressed=True))
    assert legacy == [day for day in range(3, 58) if day != 27]
    assert is_policy("LegacyBridgeFullAccess", isSuppressed=False)(
        next(f for f in account.findings(58, PERMISSIVE) if policy(f) == "LegacyBridgeFullAccess")
    )


@pytest.mark.parametrize(
    ("day", "check", "count"),
    [
        (2, PERMISSIVE, 0),
        (3, PERMISSIVE, 2),
        (58, PERMISSIVE, 1),
        (87, PERMISSIVE, 2),
        (5, MISCONFIGURED, 0),
        (6, MISCONFIGURED, 1),
        (40, EXPIRING, 0),
        (41, EXPIRING, 3),
        (90, EXPIRING, 3),
    ],
)
def test_suppressed_resources_are_counted_apart(account, day, check, count):
    details = account.details(day, check)
    suppressed = [f for f in account.findings(day, check) if f["isSuppressed"]]
    assert details["suppressedNonCompliantResourcesCount"] == len(suppressed) == count


def test_suppressions_in_force_end_at_some_time_or_never(account):
    kinds = Counter(bool(s.get("suppressIndefinitely")) for s in account["suppressions"])
    assert kinds == {True: 2, False: 4}


# Mitigation


def task_of(account, name):
    return next(task for task in account["mitigation"]["tasks"] if task["taskId"] == name)


def test_a_mitigation_task_switched_logging_on(account):
    task = task_of(account, "restore-logging")
    assert task["taskStatus"] == "COMPLETED"
    assert task["startTime"].startswith("2026-01-19T10:00:00")


def test_a_mitigation_task_deactivated_eight_certificates_and_failed_on_one(account):
    task = task_of(account, "retire-expired-trackers")
    statistics = task["taskStatistics"][EXPIRING]
    assert task["taskStatus"] == "FAILED"
    assert (statistics["succeededFindingsCount"], statistics["failedFindingsCount"]) == (8, 1)


def test_the_failed_execution_says_why(account):
    (failed,) = [e for e in account["mitigation"]["executions"] if e["status"] == "FAILED"]
    assert failed["errorCode"] == "INVALID_STATE_OF_RESOURCE"


def test_the_mitigated_certificates_are_gone_from_the_next_audit(account):
    targets = set(task_of(account, "retire-expired-trackers")["target"]["findingIds"])
    mitigated = {str(identifier(f)) for f in account.findings(52, EXPIRING) if f["findingId"] in targets}
    assert len(mitigated) == 9
    assert not mitigated & {str(identifier(f)) for f in account.findings(53, EXPIRING)}


def test_actions_of_four_types_are_defined(account):
    assert sorted(action["actionType"] for action in account["mitigation"]["actions"]) == [
        "ADD_THINGS_TO_THING_GROUP",
        "ENABLE_IOT_LOGGING",
        "PUBLISH_FINDING_TO_SNS",
        "UPDATE_DEVICE_CERTIFICATE",
    ]
