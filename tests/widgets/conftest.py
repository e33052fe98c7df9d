"""Tables of findings, some with names that mean harm."""

from __future__ import annotations

import pandas as pd
import pytest

HOSTILE = "<img src=x onerror=alert(1)>"
STEERING = "pump\u202e01\x1b[2J"


@pytest.fixture
def frame() -> pd.DataFrame:
    """Six rows: two severities, three checks, a name with markup and one that steers the reader."""
    return pd.DataFrame(
        {
            "problem_id": pd.Series(["p0", "p1", "p2", "p3", "p4", "p5"], dtype="str"),
            "severity": pd.Categorical(
                ["LOW", "CRITICAL", "CRITICAL", "LOW", "MEDIUM", "MEDIUM"],
                categories=["CRITICAL", "HIGH", "MEDIUM", "LOW"],
                ordered=True,
            ),
            "check_name": pd.Series(
                [
                    "LOGGING_DISABLED_CHECK",
                    "IOT_POLICY_OVERLY_PERMISSIVE_CHECK",
                    "IOT_POLICY_OVERLY_PERMISSIVE_CHECK",
                    "LOGGING_DISABLED_CHECK",
                    "DEVICE_CERTIFICATE_EXPIRING_CHECK",
                    "A_CHECK_OF_TOMORROW",
                ],
                dtype="str",
            ),
            "resource_id": pd.Series(["111122223333", HOSTILE, "Gateway", STEERING, "beef", None], dtype="str"),
            "finding_time": pd.to_datetime(
                ["2026-03-02T09:15Z", None, "2026-03-01T00:00Z", "2026-03-03T00:00Z", "2026-02-01T00:00Z", None]
            ),
            "is_suppressed": pd.Series([False, True, None, False, False, True], dtype="boolean"),
            "things_count": pd.Series([3, None, 1200, 0, 7, 7], dtype="Int64"),
        }
    )
