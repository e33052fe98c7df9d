"""The check of the account's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.emulation.checks.view import StateView


@evaluator("LOGGING_DISABLED_CHECK", needs=("iot:GetLoggingOptions", "iot:GetV2LoggingOptions"))
def logging_disabled(view: StateView) -> Evaluation:
    """Find logging that is off under both the old and the new settings; either one suffices."""
    if _v2_is_on(view.v2_logging) or _v1_is_on(view.v1_logging):
        return Evaluation(1, [])
    finding = Candidate(
        resource_type="ACCOUNT_SETTINGS",
        identifier={"account": view.account},
        reason_code="LOGGING_DISABLED",
        reason="AWS IoT logging is disabled for this account and Region.",
    )
    return Evaluation(1, [finding])


def _v2_is_on(options: Mapping[str, Any] | None) -> bool:
    if options is None or options.get("disableAllLogs"):
        return False
    return bool(options.get("defaultLogLevel", "DISABLED") != "DISABLED")


def _v1_is_on(options: Mapping[str, Any] | None) -> bool:
    return options is not None and bool(options.get("roleArn")) and options.get("logLevel", "DISABLED") != "DISABLED"
