"""The clock, the ids, and that a story told twice is the same story."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ddreport.emulation import Clock, ManualClock, RunningClock
from ddreport.emulation.ids import HashIds
from ddreport.errors import InputError

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(START)
    clock.advance(timedelta(days=1))
    clock.set(START + timedelta(days=2))
    assert clock.now() == START + timedelta(days=2)
    assert isinstance(clock, Clock)


@pytest.mark.parametrize("move", [timedelta(seconds=-1), timedelta(days=-400)])
def test_time_does_not_go_back(move):
    with pytest.raises(InputError, match="cannot go back"):
        ManualClock(START).advance(move)
    with pytest.raises(InputError, match="cannot go back"):
        RunningClock(START).advance(move)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InputError, match="without a time zone"):
        ManualClock(datetime(2026, 3, 2))


def test_other_zones_are_turned_into_utc_with_milliseconds():
    clock = ManualClock(datetime(2026, 3, 2, 10, 0, 0, 123_456, timezone(timedelta(hours=1))))
    assert clock.now() == START.replace(microsecond=123_000)
    assert clock.now().utcoffset() == timedelta(0)


def test_a_running_clock_goes_as_fast_as_it_is_told():
    real = [100.0]
    clock = RunningClock(START, speed=3600, monotonic=lambda: real[0])
    real[0] += 24
    assert clock.now() == START + timedelta(days=1)
    clock.advance(timedelta(days=1))
    assert clock.now() == START + timedelta(days=2)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_clock_that_does_not_go_is_refused(speed):
    with pytest.raises(InputError, match="above 0"):
        RunningClock(START, speed=speed)


def test_ids_depend_on_seed_kind_and_subject_alone():
    ids = HashIds(7)
    assert ids.hex32("finding", "a", "b") == HashIds(7).hex32("finding", "a", "b")
    others = {HashIds(8).hex32("finding", "a", "b"), ids.hex32("task", "a", "b"), ids.hex32("finding", "ab")}
    assert ids.hex32("finding", "a", "b") not in others
    assert len(others) == 3


def test_ids_have_the_forms_of_aws():
    assert re.fullmatch("[0-9a-f]{32}", HashIds(1).hex32("x"))
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", HashIds(1).uuid("x"))


STORY = """
import json, sys, urllib.request
from datetime import UTC, datetime, timedelta
from ddreport.emulation import Emulator, EmulatorServer, ManualClock

PEM = sys.stdin.read()
CHECKS = ["LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"]
with Emulator(ManualClock(datetime(2026, 3, 2, tzinfo=UTC)), seed=5) as emulator, EmulatorServer(emulator) as server:
    iot = emulator.iot()
    iot.register_certificate_without_ca(PEM, "ACTIVE")
    iot.create_thing_group("pumps", None, {})
    iot.create_thing("pump-1", None, None)
    iot.create_policy("p", json.dumps({"Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}))
    role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    emulator.call(
        "UpdateAccountAuditConfiguration", roleArn=role, auditCheckConfigurations={c: {"enabled": True} for c in CHECKS}
    )
    emulator.call("CreateScheduledAudit", scheduledAuditName="D", frequency="DAILY", targetCheckNames=CHECKS)
    emulator.advance(timedelta(days=5))
    for path in ("/audit/configuration", "/audit/scheduledaudits/D", "/certificates", "/things/pump-1",
                 "/thing-groups/pumps", "/policies/p",
                 "/audit/tasks?startTime=2026-03-02T00:00:00Z&endTime=2026-03-08T00:00:00Z"):
        request = urllib.request.Request(server.endpoint + path, headers={"Authorization":
            "AWS4-HMAC-SHA256 Credential=x/20260302/eu-west-1/iot/aws4_request, SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request) as answer:
            headers = sorted((k, v) for k, v in answer.headers.items())
            print(path, headers, answer.read())
    body = json.dumps({"startTime": 1772409600, "endTime": 1772928000, "maxResults": 250}).encode()
    request = urllib.request.Request(server.endpoint + "/audit/findings", data=body, headers={"Authorization":
        "AWS4-HMAC-SHA256 Credential=x/20260302/eu-west-1/iot/aws4_request, SignedHeaders=host, Signature=0"})
    with urllib.request.urlopen(request) as answer:
        print(answer.read())
"""


def test_the_same_story_gives_the_same_answers_byte_for_byte_in_every_process(certificate_key):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([])
    pem = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(certificate_key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=20))
        .sign(certificate_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    texts = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", STORY],
            input=pem,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PYTHONHASHSEED": hash_seed, "TZ": "Asia/Tokyo" if hash_seed == "2" else "UTC"},
        )
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    assert "findingId" in texts[0]
    assert texts[0] == texts[1]
