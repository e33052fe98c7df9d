"""`ddreport notify`: to a webhook, by mail and to SNS, once for each change, also when it is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def test_each_change_is_told_once(fleet, hook, run, tmp_path):
    options = (*fleet.options, "--webhook", hook.url, "--report", "reports/today.html")
    fleet.audit(1, 2)
    first = run(*options)
    assert (first.code, hook.bodies) == (0, [])
    assert "from the next run on" in first.err
    assert run(*options, "--json").json[0]["status"] == "nothing new"
    fleet.audit(2, 3)
    shown = run(*options, "--dry-run")
    assert "1 new: 1 medium" in shown.out
    assert hook.bodies == []
    assert run(*options, "--json").json[0]["status"] == "sent"
    assert run(*options, "--json").json[0]["status"] == "nothing new"
    fleet.audit(1, 2, 3)
    assert run(*options).code == 0
    first, second = hook.bodies
    assert first["counts"] == {"new": {"MEDIUM": 1}, "resolved": {"MEDIUM": 1}}
    assert first["report"] == "reports/today.html"
    assert (first["worse"], first["better"]) == (True, True)
    assert second["counts"] == {"reopened": {"MEDIUM": 1}}
    assert first["id"] != second["id"]
    assert hook.keys == [first["id"], second["id"]]
    state = (fleet.archive / "notifications.json").read_text(encoding="utf-8")
    assert "SECRET" not in state
    assert run("verify", "--archive", fleet.archive).code == 0


def test_only_what_got_worse_when_asked_so(fleet, hook, run):
    options = (*fleet.options, "--webhook", hook.url, "--worse-only", "--json")
    fleet.audit(1, 2)
    run(*options)
    fleet.audit(1)
    assert run(*options).json[0]["status"] == "nothing new"
    assert hook.bodies == []


def test_a_receiver_that_fails_is_told_the_next_time_and_no_other_twice(fleet, hook, run):
    options = (*fleet.options, "--webhook", hook.url)
    fleet.audit(1)
    run(*options)
    fleet.audit(1, 2)
    hook.status = 302
    failed = run(*options)
    assert failed.code == 1
    assert "answered 302" in failed.err
    assert "SECRET" not in failed.err + failed.out
    hook.status = 200
    assert run(*options).code == 0
    assert len(hook.bodies) == 2
    assert hook.keys[0] == hook.keys[1]


def test_killed_after_sending_it_sends_the_same_message_again(fleet, hook, run):
    arguments = [str(a) for a in (*fleet.options, "--webhook", hook.url)]
    fleet.audit(1)
    run(*arguments)
    fleet.audit(1, 2)
    process = subprocess.Popen([sys.executable, "-m", "ddreport", *arguments], env=os.environ | {"NO_COLOR": "1"})

    def kill() -> None:
        process.kill()
        process.wait(30)

    hook.before_answer = kill
    assert process.wait(60) == -9
    hook.before_answer = lambda: None
    assert run(*arguments).code == 0
    assert len(hook.keys) == 2
    assert hook.keys[0] == hook.keys[1]


def test_mail_goes_encrypted_only_and_the_password_is_written_nowhere(fleet, run, mail_server, monkeypatch, caplog):
    mail = ("--email", "team@example.com", "--smtp-host", "localhost", "--smtp-port", mail_server.port)
    options = (*fleet.options, *mail, "--smtp-from", "ddreport@example.com", "--smtp-user", "fleet")
    fleet.audit(1)
    refused = run(*options)
    assert (refused.code, "DDREPORT_SMTP_PASSWORD" in refused.err) == (2, True)
    monkeypatch.setenv("DDREPORT_SMTP_PASSWORD", "S3CRET")
    assert run(*options).code == 0
    fleet.audit(1, 2)
    caplog.set_level("DEBUG")
    sent = run(*options)
    assert sent.code == 0, sent.err
    (found,) = mail_server.mails
    assert found["To"] == "team@example.com"
    assert "1 new" in found["Subject"]
    text, attached = found.iter_parts()
    assert "1 new: 1 medium" in text.get_content()
    assert json.loads(attached.get_content())["counts"] == {"new": {"MEDIUM": 1}}
    assert [word.split(" ")[0].upper() for word in mail_server.clear] == ["EHLO", "STARTTLS"]
    assert any(word.startswith("AUTH") for word in mail_server.commands)
    assert "S3CRET" not in sent.err + sent.out + caplog.text + (fleet.archive / "notifications.json").read_text()

    fleet.audit(1, 2, 3)
    mail_server.offers_starttls = False
    refused = run(*options)
    assert (refused.code, len(mail_server.mails)) == (1, 1)
    assert "STARTTLS" in refused.err
    mail_server.offers_starttls = True
    monkeypatch.delenv("SSL_CERT_FILE")
    untrusted = run(*options)
    assert (untrusted.code, len(mail_server.mails)) == (1, 1)
    assert "not trusted" in untrusted.err


def test_sns_is_told_in_the_topics_region(fleet, run, iot_emulator):
    from moto.sns.models import sns_backends

    arn = iot_emulator.client("sns").create_topic(Name="fleet")["TopicArn"]
    options = (*fleet.options, "--sns", arn, "--endpoint-url", iot_emulator.endpoint)
    fleet.audit(1)
    run(*options)
    fleet.audit(1, 2)
    sent = run(*options)
    assert sent.code == 0, sent.err
    topic = sns_backends[iot_emulator.account][iot_emulator.region].topics[arn]
    ((_, text, subject, attributes, _),) = topic.sent_notifications
    assert "1 new: 1 medium" in text
    assert subject.isascii()
    assert attributes["worse"]["Value"] == "true"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "nobody is to be told"),
        (("--webhook", "http://example.com/"), "must be an https:// address"),
        (("--sns", "arn:aws:sqs:eu-west-1:111122223333:q"), "allowed: the ARN of a topic"),
        (("--email", "a@example.com"), "is ''"),
        (("--webhook", "https://example.com/", "--endpoint-url", "http://127.0.0.1:1"), "there is no --sns"),
        (("--webhook", "https://example.com/", "--archive", "s3://bucket/archive"), "name one with --state"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_read(fleet, run, options, told):
    ran = run(*fleet.options, *options)
    assert (ran.code, told in ran.err) == (2, True), ran.err


def test_a_damaged_memory_is_refused_and_not_overwritten(fleet, hook, run):
    fleet.audit(1)
    state = fleet.archive / "notifications.json"
    state.write_text("{", encoding="utf-8")
    ran = run(*fleet.options, "--webhook", hook.url)
    assert (ran.code, "restore it" in ran.err) == (2, True)
    assert state.read_text(encoding="utf-8") == "{"
