"""Which of AWS's operations are emulated, held against botocore's model."""

from __future__ import annotations

from ddreport.emulation.service_model import service_model

LOGGING_OPERATIONS = {
    "SetV2LoggingOptions",
    "GetV2LoggingOptions",
    "SetV2LoggingLevel",
    "ListV2LoggingLevels",
    "DeleteV2LoggingLevel",
    "SetLoggingOptions",
    "GetLoggingOptions",
}


def audit_operations() -> set[str]:
    """Return the audit half of Device Defender: its paths begin alike, those of Detect do not."""
    beginnings = ("/audit/", "/mitigationactions/")
    model = service_model()
    return {n for n in model.operation_names if model.operation_model(n).http["requestUri"].startswith(beginnings)}


def test_every_operation_of_the_audit_and_its_logging_options_is_emulated(account):
    wanted = audit_operations() | LOGGING_OPERATIONS
    assert len(wanted) == 37
    assert wanted - set(account.emulator.audit().operations) == set()


def test_every_emulated_operation_exists_in_the_model(account):
    assert set(account.emulator.audit().operations) <= set(service_model().operation_names)
