"""The account audit configuration over HTTP."""

from __future__ import annotations

import pytest

EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
AGE = "DEVICE_CERTIFICATE_AGE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
SNS = {"targetArn": "arn:aws:sns:eu-west-1:123456789012:t", "roleArn": "arn:aws:iam::123456789012:role/sns"}


def test_an_account_that_was_never_configured_lists_every_check_as_disabled(account):
    answer = account.iot.describe_account_audit_configuration()
    assert "roleArn" not in answer
    assert "auditNotificationTargetConfigurations" not in answer
    assert len(answer["auditCheckConfigurations"]) == 17
    assert set(map(str, answer["auditCheckConfigurations"].values())) == {"{'enabled': False}"}


@pytest.mark.parametrize(
    "members",
    [
        {"auditCheckConfigurations": {LOGGING: {"enabled": True}}},
        {"roleArn": "arn:aws:iam::123456789012:role/r"},
        {"roleArn": "arn:aws:iam::123456789012:role/r", "auditCheckConfigurations": {LOGGING: {"enabled": False}}},
    ],
)
def test_the_first_update_needs_a_role_and_an_enabled_check(account, refused, members):
    code, status, _ = refused(lambda: account.iot.update_account_audit_configuration(**members))
    assert (code, status) == ("InvalidRequestException", 400)


def test_later_updates_merge(account):
    role = account.enable(LOGGING)
    account.iot.update_account_audit_configuration(auditCheckConfigurations={EXPIRING: {"enabled": True}})
    answer = account.iot.describe_account_audit_configuration()
    assert answer["roleArn"] == role
    enabled = {name for name, check in answer["auditCheckConfigurations"].items() if check["enabled"]}
    assert enabled == {LOGGING, EXPIRING}


def test_a_threshold_is_shown_once_it_is_set(account):
    account.enable(**{EXPIRING: {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "90"}})
    checks = account.iot.describe_account_audit_configuration()["auditCheckConfigurations"]
    assert checks[EXPIRING]["configuration"] == {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "90"}
    assert "configuration" not in checks[AGE]


@pytest.mark.parametrize(
    ("check", "configuration"),
    [
        (EXPIRING, {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "29"}),
        (EXPIRING, {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "3653"}),
        (EXPIRING, {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "30.5"}),
        (EXPIRING, {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "٣٠"}),
        (EXPIRING, {"CERT_AGE_THRESHOLD_IN_DAYS": "365"}),
        (LOGGING, {"CERT_AGE_THRESHOLD_IN_DAYS": "365"}),
        (EXPIRING, {"NO_SUCH_KEY": "90"}),
    ],
)
def test_a_wrong_threshold_is_refused_and_nothing_changes(account, refused, check, configuration):
    account.enable(LOGGING)
    change = {check: {"enabled": True, "configuration": configuration}, AGE: {"enabled": True}}
    code, _, _ = refused(lambda: account.iot.update_account_audit_configuration(auditCheckConfigurations=change))
    assert code == "InvalidRequestException"
    checks = account.iot.describe_account_audit_configuration()["auditCheckConfigurations"]
    assert not checks[AGE]["enabled"]


@pytest.mark.parametrize("name", ["NO_SUCH_CHECK", "REVOKED_CA_CERT_CHECK"])
def test_an_unknown_or_outdated_check_name_is_refused_in_the_words_of_aws(account, refused, name):
    account.enable(LOGGING)
    change = {name: {"enabled": True}}
    _, _, message = refused(lambda: account.iot.update_account_audit_configuration(auditCheckConfigurations=change))
    assert message == "Request contains an invalid Audit Check Name."


@pytest.mark.parametrize("role", ["arn:aws:iam::999999999999:role/other", "arn:aws:s3:::a-bucket-not-a-role"])
def test_a_role_of_another_account_or_kind_is_refused(account, refused, role):
    change = {LOGGING: {"enabled": True}}
    code, _, _ = refused(
        lambda: account.iot.update_account_audit_configuration(roleArn=role, auditCheckConfigurations=change)
    )
    assert code == "InvalidRequestException"


def test_a_check_that_a_schedule_uses_cannot_be_disabled(account, refused):
    account.enable(LOGGING)
    account.iot.create_scheduled_audit(scheduledAuditName="S", frequency="DAILY", targetCheckNames=[LOGGING])
    change = {LOGGING: {"enabled": False}}
    code, _, message = refused(lambda: account.iot.update_account_audit_configuration(auditCheckConfigurations=change))
    assert code == "InvalidRequestException"
    assert "'S'" in message


def test_notifications_are_switched_off_without_losing_their_target(account):
    account.enable(LOGGING)
    update = account.iot.update_account_audit_configuration
    update(auditNotificationTargetConfigurations={"SNS": SNS | {"enabled": True}})
    update(auditNotificationTargetConfigurations={"SNS": {"enabled": False}})
    targets = account.iot.describe_account_audit_configuration()["auditNotificationTargetConfigurations"]
    assert targets == {"SNS": SNS | {"enabled": False}}


def test_notifications_without_a_target_cannot_be_enabled(account, refused):
    account.enable(LOGGING)
    change = {"SNS": {"enabled": True}}
    code, _, _ = refused(
        lambda: account.iot.update_account_audit_configuration(auditNotificationTargetConfigurations=change)
    )
    assert code == "InvalidRequestException"


def test_another_notification_kind_than_sns_is_refused(account, refused):
    account.enable(LOGGING)
    change = {"EMAIL": {"enabled": False}}
    _, _, message = refused(
        lambda: account.iot.update_account_audit_configuration(auditNotificationTargetConfigurations=change)
    )
    assert "enum value set: [SNS]" in message


def test_deleting_what_was_never_configured_is_not_found(account, refused):
    code, status, _ = refused(account.iot.delete_account_audit_configuration)
    assert (code, status) == ("ResourceNotFoundException", 404)


def test_deleting_with_schedules_needs_the_flag(account, refused):
    account.enable(LOGGING)
    account.iot.create_scheduled_audit(scheduledAuditName="S", frequency="DAILY", targetCheckNames=[LOGGING])
    assert refused(account.iot.delete_account_audit_configuration)[0] == "InvalidRequestException"
    account.iot.delete_account_audit_configuration(deleteScheduledAudits=True)
    assert account.iot.list_scheduled_audits()["scheduledAudits"] == []
    answer = account.iot.describe_account_audit_configuration()
    assert "roleArn" not in answer
    assert not answer["auditCheckConfigurations"][LOGGING]["enabled"]
