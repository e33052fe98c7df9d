"""What `[setup]` of a ddreport.toml may say, what it means, and every way of getting it wrong."""

from __future__ import annotations

import pytest

from ddreport.catalogue import checks
from ddreport.errors import SettingsError
from ddreport.setup.desired import AlarmsPer, Desired, Subscriber, WantedAction, WantedSchedule
from ddreport.setup.reading import parse_setup
from ddreport.targets import parse_targets
from ddreport.terms import MitigationActionType as Type
from ddreport.terms import Severity

EXPIRING, LOGGING = "DEVICE_CERTIFICATE_EXPIRING_CHECK", "LOGGING_DISABLED_CHECK"


def read(text: str, target: str = "prod", targets: tuple[str, ...] = ("prod", "test")) -> Desired:
    return parse_setup(text, source="ddreport.toml", target=target, targets=targets)


def test_without_a_word_everything_of_the_tutorial_is_wanted():
    wanted = read("")
    assert wanted == Desired(source=wanted.source)
    assert wanted.checks == tuple(checks())
    assert wanted.schedules == (WantedSchedule("AWSIoTDeviceDefenderDailyAudit"),)
    assert (wanted.topic, wanted.log_level) == ("IoTDDNotifications", "ERROR")
    assert {a.action_type for a in wanted.actions or ()} == set(Type)
    assert {"EnableErrorLoggingAction", "IoTMitigationActionErrorLoggingRole"} <= {
        word for a in wanted.actions or () for word in (a.name, a.role)
    }


def test_everything_can_be_said():
    wanted = read(
        """
        [setup]
        checks = ["LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK"]
        disable_other_checks = true
        logging = "info"
        [setup.thresholds]
        DEVICE_CERTIFICATE_EXPIRING_CHECK = 60
        [setup.roles]
        audit = "arn:aws:iam::111122223333:role/service-role/Audit"
        notifications = "Teller"
        [setup.schedules.Monthly]
        frequency = "MONTHLY"
        day_of_month = 31
        checks = ["LOGGING_DISABLED_CHECK"]
        [setup.schedules.Weekly]
        frequency = "weekly"
        day_of_week = "mon"
        [setup.notifications]
        topic = "Audits"
        subscribers = ["mailto:a@example.com", "arn:aws:sqs:eu-west-1:111122223333:queue", "https://example.com/hook"]
        [setup.mitigation_actions.Tell]
        type = "PUBLISH_FINDING_TO_SNS"
        role = "TellRole"
        topic = "Findings"
        [setup.alarms]
        per = "severity"
        severities = ["critical", "high"]
        dead_man = false
        [setup.tags]
        team = "iot"
        """
    )
    assert wanted.checks == (LOGGING, EXPIRING)
    assert wanted.disable_other_checks
    assert wanted.thresholds == {EXPIRING: 60}
    assert wanted.log_level == "INFO"
    assert wanted.roles.audit == "arn:aws:iam::111122223333:role/service-role/Audit"
    assert wanted.schedules == (
        WantedSchedule("Monthly", "MONTHLY", day_of_month="31", checks=(LOGGING,)),
        WantedSchedule("Weekly", "WEEKLY", "MON"),
    )
    assert wanted.subscribers == (
        Subscriber("email", "a@example.com"),
        Subscriber("sqs", "arn:aws:sqs:eu-west-1:111122223333:queue"),
        Subscriber("https", "https://example.com/hook"),
    )
    assert wanted.actions == (WantedAction("Tell", Type.PUBLISH_FINDING_TO_SNS, "TellRole", topic="Findings"),)
    assert wanted.alarms is not None
    assert (wanted.alarms.per, wanted.alarms.dead_man) == (AlarmsPer.SEVERITY, False)
    assert wanted.alarms.severities == (Severity.CRITICAL, Severity.HIGH)
    assert wanted.tags == {"team": "iot"}


def test_a_target_says_what_is_different_for_it():
    text = """
        [setup]
        logging = "ERROR"
        [setup.thresholds]
        DEVICE_CERTIFICATE_EXPIRING_CHECK = 60
        [setup.prod]
        logging = "DEBUG"
        [setup.prod.thresholds]
        DEVICE_CERTIFICATE_AGE_CHECK = 100
        [setup.test]
        alarms = "none"
        """
    prod, test = read(text), read(text, "test")
    assert (prod.log_level, test.log_level) == ("DEBUG", "ERROR")
    assert prod.thresholds == {EXPIRING: 60, "DEVICE_CERTIFICATE_AGE_CHECK": 100}
    assert test.thresholds == {EXPIRING: 60, "DEVICE_CERTIFICATE_AGE_CHECK": 365}
    assert prod.alarms is not None
    assert test.alarms is None


def test_parts_can_be_left_alone():
    text = "[setup]\n" + "".join(
        f'{part} = "none"\n' for part in ("schedules", "notifications", "logging", "mitigation_actions", "alarms")
    )
    wanted = read(text)
    assert (wanted.schedules, wanted.topic, wanted.log_level, wanted.actions, wanted.alarms) == (None,) * 5


def test_without_notifications_the_defaults_that_would_tell_somebody_fall_away():
    wanted = read('[setup]\nnotifications = "none"')
    assert wanted.alarms is None
    assert Type.PUBLISH_FINDING_TO_SNS not in {a.action_type for a in wanted.actions or ()}


def test_old_names_of_checks_are_understood():
    assert read('[setup]\nchecks = ["REVOKED_CA_CERT_CHECK"]').checks == ("REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK",)


def test_setup_is_no_unknown_key_of_a_file_with_targets():
    assert list(parse_targets("[setup]\n[targets.prod]\n", source="x")) == ["demo", "prod"]


WRONG = {
    "unknown check": ('checks = ["LOGGING_DISABLE_CHECK"]', "Did you mean 'LOGGING_DISABLED_CHECK'"),
    "no check": ("checks = []", "is empty; AWS wants at least one check enabled"),
    "check twice": (f'checks = ["{LOGGING}", "{LOGGING}"]', "twice"),
    "word for checks": ('checks = "every"', "allowed: 'all', or a list"),
    "misspelt key": ("check = []", "unknown key 'check'.*Did you mean 'checks'"),
    "misspelt inner key": ("[setup.notifications]\nsubscriber = []", "Did you mean 'subscribers'"),
    "misspelt target": ("[setup.prd]\nlogging = 'INFO'", "unknown key 'prd'.*Did you mean 'prod'"),
    "wrong key of a target": ("[setup.test]\nloging = 'INFO'", r"\[setup.test\]: unknown key 'loging'"),
    "threshold too low": (
        f"[setup.thresholds]\n{EXPIRING} = 29",
        "is 29; allowed: a whole number of days from 30 to 3652",
    ),
    "threshold too high": (f"[setup.thresholds]\n{EXPIRING} = 3653", "is 3653"),
    "threshold no number": (f"[setup.thresholds]\n{EXPIRING} = '60'", "is '60'"),
    "threshold true": (f"[setup.thresholds]\n{EXPIRING} = true", "is True"),
    "threshold where none is": (f"[setup.thresholds]\n{LOGGING} = 60", "has no threshold; those that have one"),
    "threshold of a check that is off": (
        f'checks = ["{LOGGING}"]\n[setup.thresholds]\n{EXPIRING} = 60',
        "has a threshold but is not among `checks`",
    ),
    "schedule name": ('[setup.schedules."a b"]', "the name is 'a b'; allowed: 1 to 128"),
    "frequency": ("[setup.schedules.A]\nfrequency = 'HOURLY'", "allowed: DAILY, WEEKLY, BIWEEKLY, MONTHLY"),
    "day of month missing": ("[setup.schedules.A]\nfrequency = 'MONTHLY'", "needs day_of_month"),
    "day of week missing": ("[setup.schedules.A]\nfrequency = 'BIWEEKLY'", "needs day_of_week"),
    "day too many": ("[setup.schedules.A]\nfrequency = 'DAILY'\nday_of_week = 'MON'", "does not fit"),
    "day of month": ("[setup.schedules.A]\nfrequency = 'MONTHLY'\nday_of_month = 32", "allowed: 1 to 31, or LAST"),
    "day with zero": ("[setup.schedules.A]\nfrequency = 'MONTHLY'\nday_of_month = '01'", "allowed: 1 to 31"),
    "six schedules": ("".join(f"[setup.schedules.S{n}]\n" for n in range(6)), "has 6 scheduled audits; AWS allows 5"),
    "schedule of a check that is off": (
        f'checks = ["{LOGGING}"]\n[setup.schedules.A]\nchecks = ["{EXPIRING}"]',
        "AWS runs only enabled checks",
    ),
    "role": ("[setup.roles]\naudit = 'a role'", "allowed: the name of a role"),
    "role of a user": ("[setup.roles]\naudit = 'arn:aws:iam::111122223333:user/A'", "allowed: the name of a role"),
    "topic": ("[setup.notifications]\ntopic = 'a topic'", "allowed: the name of a topic"),
    "FIFO topic": (
        "[setup.notifications]\ntopic = 'arn:aws:sns:eu-west-1:111122223333:a.fifo'",
        "does not publish to FIFO topics",
    ),
    "subscriber": ("[setup.notifications]\nsubscribers = ['somebody']", "allowed: an e-mail address"),
    "plain http": ("[setup.notifications]\nsubscribers = ['http://example.com']", "https://"),
    "FIFO queue": (
        "[setup.notifications]\nsubscribers = ['arn:aws:sqs:eu-west-1:111122223333:q.fifo']",
        "no FIFO queue",
    ),
    "log level": ("logging = 'VERBOSE'", "allowed: DEBUG, INFO, WARN, ERROR, DISABLED"),
    "action name": ('[setup.mitigation_actions."a b"]\ntype = "ENABLE_IOT_LOGGING"', "name of a mitigation action"),
    "action type": ("[setup.mitigation_actions.A]\ntype = 'ENABLE_LOGGING'", "Did you mean 'ENABLE_IOT_LOGGING'"),
    "action without type": ("[setup.mitigation_actions.A]\nrole = 'R'", "has no type"),
    "parameter of another type": (
        "[setup.mitigation_actions.A]\ntype = 'ENABLE_IOT_LOGGING'\nthing_groups = ['Q']",
        "has no parameter thing_groups; it takes log_level",
    ),
    "action log level": (
        "[setup.mitigation_actions.A]\ntype = 'ENABLE_IOT_LOGGING'\nlog_level = 'DISABLED'",
        "allowed: DEBUG, INFO, WARN, ERROR",
    ),
    "alarms per": ("[setup.alarms]\nper = 'audit'", "allowed: check, severity"),
    "severity": ("[setup.alarms]\nseverities = ['WORST']", "allowed: CRITICAL, HIGH, MEDIUM, LOW"),
    "flag": ("disable_other_checks = 'yes'", "allowed: true or false"),
    "disabling others of all": ("disable_other_checks = true", "so there are no others"),
    "alarms for nobody": ("notifications = 'none'\n[setup.alarms]\nper = 'check'", "nobody to tell"),
    "alarms on no schedule": ("schedules = 'none'\n[setup.alarms]\nper = 'check'", "alarms watch the audits"),
    "action that tells nobody": (
        "notifications = 'none'\n[setup.mitigation_actions.A]\ntype = 'PUBLISH_FINDING_TO_SNS'",
        "publishes to the topic of the notifications",
    ),
    "tag key": ("[setup.tags]\n'aws:x' = '1'", "not beginning with aws: or ddreport:"),
    "own tag": ("[setup.tags]\n'ddreport:setup' = 'made/1'", "not beginning with"),
    "tag value": ("[setup.tags]\nteam = 'a<b'", "allowed: at most 256"),
    "table": ("notifications = 3", "allowed: 'none', or a table"),
    "no TOML": ("checks = [", "is not valid TOML"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_with_what_would_be_right(kind):
    text, message = WRONG[kind]
    with pytest.raises(SettingsError, match=message):
        read(f"[setup]\n{text}\n")


def test_setup_must_be_a_table():
    with pytest.raises(SettingsError, match="`setup` must be a table"):
        read("setup = 3")
