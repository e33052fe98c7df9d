"""`ddreport emulator --throttle`: AWS's published request rates are refused beyond."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


def list_often(iot: Any, times: int) -> None:
    for _ in range(times):
        iot.list_scheduled_audits()


def test_requests_beyond_the_published_rate_are_refused() -> None:
    command = [sys.executable, "-m", "ddreport", "emulator", "--port", "0", "--fleet", "none", "--throttle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            ready = json.loads(process.stdout.readline())
            iot = boto3.client(
                "iot",
                endpoint_url=ready["endpoint"],
                region_name=ready["region"],
                config=Config(retries={"total_max_attempts": 1}),
            )
            # Five a second are allowed; a hundred take far less time than the twenty seconds that would need.
            with pytest.raises(ClientError, match="ThrottlingException"):
                list_often(iot, 100)
        finally:
            process.kill()
