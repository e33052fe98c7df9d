"""The pytest plugin, in test suites of other people: runs of pytest in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

MARKED = pytest.mark.slow


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run a test module with the plugin that pytest finds by itself, and warnings as errors."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(source, *options, ini="", ignored=()):
        warnings = "".join(f"\n    {one}" for one in ("error", *ignored))
        pytester.makeini(
            f"[pytest]\nfilterwarnings ={warnings}\naddopts = --strict-markers -p no:cacheprovider\n{ini}\n"
        )
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(*options, timeout=120)

    return run


@MARKED
def test_each_test_has_an_empty_account_of_its_own(suite):
    ran = suite(
        """
        import pytest
        from datetime import UTC, datetime, timedelta

        @pytest.mark.parametrize("number", [1, 2])
        def test_own(iot_emulator, number):
            iot = iot_emulator.client("iot")
            assert iot.list_things()["things"] == []
            iot.create_thing(thingName="t")
            states = iot.describe_account_audit_configuration()["auditCheckConfigurations"]
            assert not any(state["enabled"] for state in states.values())
            assert iot_emulator.client("sts").get_caller_identity()["Account"] == iot_emulator.account
            assert iot_emulator.endpoint.startswith("http://127.0.0.1:")
            assert abs(iot_emulator.now - datetime.now(UTC)) < timedelta(minutes=1)

        def test_audit(iot_emulator):
            task = iot_emulator.audit("LOGGING_DISABLED_CHECK")
            assert [f["reasonForNonComplianceCode"] for f in iot_emulator.findings(task)] == ["LOGGING_DISABLED"]
            everything = iot_emulator.audit()
            described = iot_emulator.client().describe_audit_task(taskId=everything)
            assert described["taskStatus"] == "COMPLETED"
            assert len(described["auditDetails"]) > 15

        @pytest.mark.iot_emulator(start="2026-03-02T09:00:00+00:00", manual=True, account="111122223333")
        class TestMarked:
            @pytest.mark.iot_emulator(region="us-west-2")
            def test_near_and_far(self, iot_emulator):
                assert iot_emulator.now == datetime(2026, 3, 2, 9, tzinfo=UTC)
                iot_emulator.advance(days=1)
                iot_emulator.advance(timedelta(hours=1))
                assert iot_emulator.now == datetime(2026, 3, 3, 10, tzinfo=UTC)
                assert (iot_emulator.account, iot_emulator.region) == ("111122223333", "us-west-2")
                arn = iot_emulator.client().create_thing(thingName="t")["thingArn"]
                assert arn == "arn:aws:iot:us-west-2:111122223333:thing/t"

        def test_environment_is_left_alone(iot_emulator):
            import os
            assert "AWS_ENDPOINT_URL" not in os.environ
        """
    )
    ran.assert_outcomes(passed=5)


@MARKED
def test_the_environment_leads_every_sdk_there_when_asked_for(suite, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("AWS_ENDPOINT_URL_IOT", "http://127.0.0.1:9")
    source = """
        import os, subprocess, sys
        import boto3

        CODE = "import boto3; print([t['thingName'] for t in boto3.client('iot').list_things()['things']])"

        def test_here_and_in_a_subprocess(FIXTURE):
            boto3.client("iot").create_thing(thingName="pump")
            ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
            assert ran.stdout.strip() == "['pump']"

        def test_again(FIXTURE):
            assert boto3.client("iot").list_things()["things"] == []

        def test_afterwards():
            assert os.environ["AWS_PROFILE"] == "somebody"
            assert "AWS_ENDPOINT_URL" not in os.environ
        """
    # boto3 leaves the clients of its shared session open.
    open_clients = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    for fixture, option, ini in (
        ("iot_emulator_env", (), ""),
        ("iot_emulator", ("--iot-emulator-env",), ""),
        ("iot_emulator", (), "iot_emulator_env = true"),
    ):
        ran = suite(source.replace("FIXTURE", fixture), *option, ini=ini, ignored=open_clients)
        ran.assert_outcomes(passed=3)


@MARKED
def test_the_demo_account_is_built_once_and_given_anew_to_each_test(suite):
    ran = suite(
        """
        import pytest
        from datetime import UTC, datetime

        pytestmark = pytest.mark.iot_emulator(start=datetime(2026, 3, 2, 9, tzinfo=UTC), manual=True)

        seen = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_demo(iot_emulator_demo, number):
            iot = iot_emulator_demo.client()
            assert iot_emulator_demo.now == datetime(2026, 3, 2, 9, tzinfo=UTC)
            assert [s["scheduledAuditName"] for s in iot.list_scheduled_audits()["scheduledAudits"]]
            things = iot.list_things(maxResults=250)["things"]
            assert len(things) == 250
            held = iot_emulator_demo.emulator.iot().things
            seen.append(len(held))
            assert seen == seen[:1] * number
            iot.create_thing(thingName=f"new-{number}")
            assert len(held) == seen[0] + 1
        """,
        "--durations=0",
    )
    ran.assert_outcomes(passed=2)


@MARKED
def test_a_wrong_marker_is_told(suite):
    ran = suite(
        """
        import pytest

        @pytest.mark.iot_emulator(begin="2026-03-02")
        def test_it(iot_emulator):
            pass
        """
    )
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*the marker iot_emulator takes start, manual*begin*"])


@MARKED
def test_fixtures_marker_and_option_are_documented(suite):
    ran = suite("", "--fixtures")
    text = ran.stdout.str()
    assert "iot_emulator --" in text
    assert "iot_emulator_demo --" in text
    assert "iot_emulator_env --" in text
    assert "_iot_emulator_demo_states" not in text


def test_loading_the_plugin_loads_nothing_heavy():
    code = (
        "import sys, pytest, ddreport.emulation.pytest_plugin\n"
        "print([m for m in ('moto', 'boto3', 'pandas', 'msgspec', 'cryptography', 'werkzeug') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
