"""Same seed, same day: the same account, whatever the process, zone or hour."""

import hashlib

AUDIT_FIELDS = ("taskId", "taskStatus", "taskStartTime", "auditDetails", "taskStatistics")


def digest(account):
    return hashlib.sha256(account.text.encode()).hexdigest()


def test_two_processes_build_the_same_account_byte_for_byte(accounts):
    assert digest(accounts["first"]) == digest(accounts["again"])


def test_an_earlier_hour_of_the_same_day_has_the_same_audits_but_for_those_to_come(accounts):
    early, late = accounts["same-day"], accounts["first"]
    assert set(late.daily) - set(early.daily) == {90}
    assert {day: _audit(task) for day, task in early.daily.items()} == {
        day: _audit(task) for day, task in late.daily.items() if day != 90
    }


def test_an_earlier_hour_of_the_same_day_has_the_same_findings(accounts):
    early, late = accounts["same-day"], accounts["first"]
    assert [early.findings(day) for day in early.daily] == [late.findings(day) for day in early.daily]


def _audit(task):
    return {field: task[field] for field in AUDIT_FIELDS}
