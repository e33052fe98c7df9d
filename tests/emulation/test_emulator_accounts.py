"""An emulator for another account than the usual one."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3

from ddreport.emulation import Emulator, EmulatorServer, ManualClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_any_credentials_reach_the_account_that_was_asked_for():
    with (
        Emulator(ManualClock(START), account="111122223333") as emulator,
        EmulatorServer(emulator) as server,
    ):
        options = {
            "endpoint_url": server.endpoint,
            "region_name": "eu-west-1",
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "x",
        }
        iot = boto3.client("iot", **options)
        assert ":111122223333:" in iot.create_thing(thingName="t")["thingArn"]
        assert boto3.client("sts", **options).get_caller_identity()["Account"] == "111122223333"
        assert list(emulator.iot().things)
