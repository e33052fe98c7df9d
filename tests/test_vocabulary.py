"""Errors, terms, schemas, settings, targets and the check catalogue."""

from __future__ import annotations

import inspect
from pathlib import Path

import pandas as pd
import pytest
from botocore.loaders import Loader

from ddreport import errors, terms
from ddreport.catalogue import checks, controls, describe_check, normalise_check_name
from ddreport.errors import DDReportError, SettingsError, TableSchemaError, TargetError
from ddreport.schemas import FINDINGS, SCHEMAS, Schema
from ddreport.settings import Settings
from ddreport.targets import Target, make_target, parse_targets

MODEL = Loader().load_service_model("iot", "service-2")["shapes"]


def a_finding(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "account": "012345678901",
        "region": "eu-west-1",
        "audit_task_id": "a" * 32,
        "finding_id": "f" * 32,
        "check_name": "LOGGING_DISABLED_CHECK",
        "task_start_time": "2026-03-01T06:00:00Z",
        "finding_time": "2026-03-01T06:00:01Z",
        "severity": "LOW",
        "resource_type": "ACCOUNT_SETTINGS",
        "resource_id": "012345678901",
        "policy_version_id": None,
        "reason_code": "LOGGING_DISABLED",
        "reason": None,
        "is_suppressed": False,
        "expiration_time": None,
        "related_resources_count": 0,
        "resource_identifier": '{"account":"012345678901"}',
        "additional_info": None,
    }
    return row | changes


# --- errors


@pytest.mark.parametrize(
    "kind", [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, DDReportError)]
)
def test_every_error_ends_the_command_line_with_a_documented_code(kind: type[DDReportError]) -> None:
    assert kind.exit_code in {1, 2, 3, 4}


def test_an_error_shows_its_hint_after_the_message() -> None:
    assert str(TargetError.unknown("prd", ["demo", "prod"], where="ddreport.toml")) == (
        "target 'prd' is not defined in ddreport.toml; defined: demo, prod. Did you mean 'prod'? "
        "Hint: add a table [targets.NAME] to ddreport.toml, or use --profile and --region."
    )


# --- terms: exactly what botocore's model allows


@pytest.mark.parametrize(
    ("enum", "shape"),
    [
        (terms.Severity, "AuditFindingSeverity"),
        (terms.TaskStatus, "AuditTaskStatus"),
        (terms.TaskType, "AuditTaskType"),
        (terms.CheckRunStatus, "AuditCheckRunStatus"),
        (terms.ResourceType, "ResourceType"),
        (terms.Frequency, "AuditFrequency"),
        (terms.MitigationActionType, "MitigationActionType"),
        (terms.ExecutionStatus, "AuditMitigationActionsExecutionStatus"),
    ],
)
def test_terms_are_those_of_the_service_model(enum: type[terms.Severity], shape: str) -> None:
    assert {m.value for m in enum} == set(MODEL[shape]["enum"])


# --- schemas


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_an_empty_table_has_all_columns_and_dtypes(schema: Schema) -> None:
    empty = schema.empty()
    assert list(empty.columns) == schema.column_names
    assert schema.conform(empty).dtypes.equals(empty.dtypes)
    assert schema.arrow().names == schema.column_names
    assert set(schema.key) <= set(schema.column_names)
    assert all(c.meaning and not c.meaning.endswith(".") for c in schema.columns)


def test_conform_gives_order_dtypes_and_utc_and_leaves_the_caller_alone() -> None:
    given = pd.DataFrame([a_finding(extra=1)])
    before = given.copy()
    table = FINDINGS.conform(given)
    pd.testing.assert_frame_equal(given, before)
    assert list(table.columns) == FINDINGS.column_names
    assert str(table["finding_time"].dtype) == "datetime64[us, UTC]"
    assert str(table["account"].dtype) == "str"
    assert table["severity"].cat.ordered


def test_severities_sort_most_severe_first() -> None:
    rows = [a_finding(finding_id=s, severity=s) for s in ("LOW", "CRITICAL", "MEDIUM", "HIGH")]
    ordered = FINDINGS.conform(pd.DataFrame(rows)).sort_values("severity")
    assert list(ordered["severity"]) == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]


def test_an_unknown_severity_is_refused_with_its_rows() -> None:
    with pytest.raises(TableSchemaError, match=r"1 of 2 rows have severity 'INFO'; allowed: CRITICAL") as caught:
        FINDINGS.conform(pd.DataFrame([a_finding(), a_finding(finding_id="g", severity="INFO")]))
    assert list(caught.value.failure_cases["finding_id"]) == ["g"]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{k: v for k, v in a_finding().items() if k != "reason"}], "missing columns: reason"),
        ([a_finding(resource_id=None)], "1 of 1 rows have no resource_id"),
        ([a_finding(), a_finding()], "2 of 2 rows share a key"),
        ([a_finding(related_resources_count="many")], "cannot be read as Int64"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(rows: list[dict[str, object]], text: str) -> None:
    with pytest.raises(TableSchemaError, match=text):
        FINDINGS.conform(pd.DataFrame(rows))


# --- settings


def test_an_argument_beats_the_environment_which_beats_the_default() -> None:
    environ = {"DDREPORT_ARCHIVE": "/from/env", "DDREPORT_DEMO_SEED": "11", "DDREPORT_REQUIRE_NODE": "1"}
    assert Settings.from_env(environ, archive=Path("/given")).archive_dir == Path("/given")
    assert Settings.from_env(environ, archive=None).archive_dir == Path("/from/env")
    assert Settings.from_env(environ).demo_seed == 11
    assert Settings.from_env({}).demo_seed == 7


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"DDREPORT_ARCHIV": "x"}, "Did you mean 'DDREPORT_ARCHIVE'"),
        ({"DDREPORT_DEMO_SEED": "seven"}, "allowed: a whole number"),
    ],
)
def test_a_wrong_environment_variable_is_refused(environ: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        Settings.from_env(environ)


# --- targets


def test_targets_are_read_with_demo_built_in() -> None:
    targets = parse_targets('[targets.prod-eu]\nprofile = "p"\nregion = "eu-west-1"\n', source="ddreport.toml")
    assert list(targets) == ["demo", "prod-eu"]
    assert targets["prod-eu"] == Target("prod-eu", profile="p", region="eu-west-1")
    assert targets["demo"].is_demo


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[targets.x", "is not valid TOML"),
        ("targets = 3", "must hold tables"),
        ("[target.x]", "Did you mean 'targets'"),
        ('[targets.x]\nregoin = "eu-west-1"', "Did you mean 'region'"),
        ('[targets.x]\naws_secret_access_key = "s3cr3t"', "looks like a secret"),
        ('[targets.x]\nregion = "Ireland"', "is not a Region such as eu-west-1"),
        ('[targets.x]\nrole_arn = "reader"', "is not an IAM role ARN"),
        ('[targets.x]\nendpoint_url = "localhost:5000"', "is not an http"),
        ('[targets.x]\nexternal_id = "e"', "needs a role_arn"),
        ("[targets.x]\nregion = 3", "must be a text"),
        ('[targets.demo]\nregion = "eu-west-1"', "cannot be redefined"),
        ('[targets."a b"]\nregion = "eu-west-1"', "1 to 64 letters"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises((SettingsError, TargetError), match=message) as caught:
        parse_targets(text, source="ddreport.toml")
    assert "ddreport.toml" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_an_external_id_is_not_shown() -> None:
    target = make_target("x", role_arn="arn:aws:iam::111122223333:role/R", external_id="between-us")
    assert "between-us" not in repr(target)


# --- catalogue


def test_the_catalogue_has_all_17_checks_with_texts_for_people() -> None:
    assert len(checks()) == 17
    for check in checks().values():
        assert check.title
        assert check.severity
        assert check.resource_type
        assert check.identifier_key in MODEL["ResourceIdentifier"]["members"]
        assert check.rule.endswith(".")
        assert check.why.endswith(".")
        assert check.fix.endswith(".")
        assert check.mitigation_action_types
        assert check.doc_url.startswith("https://docs.aws.amazon.com/iot-device-defender/")
        assert all(code == code.strip() and meaning.endswith(".") for code, meaning in check.reason_codes)


def test_every_check_can_publish_to_sns_and_is_linked_to_controls() -> None:
    assert all(
        terms.MitigationActionType.PUBLISH_FINDING_TO_SNS in c.mitigation_action_types for c in checks().values()
    )
    assert {c.check_name for c in controls()} == set(checks())
    assert {c.confidence for c in controls()} == {"sure", "unsure"}


def test_an_old_name_is_the_same_check() -> None:
    assert normalise_check_name("REVOKED_DEVICE_CERT_CHECK") == "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"
    assert describe_check("REVOKED_DEVICE_CERT_CHECK").in_catalogue


def test_a_check_of_a_newer_service_is_shown_by_its_name() -> None:
    check = describe_check("QUANTUM_SAFETY_CHECK")
    assert (check.title, check.in_catalogue) == ("QUANTUM_SAFETY_CHECK (not in the catalogue)", False)
    assert check.explain("TOO_CLASSICAL") == "TOO_CLASSICAL (not in the catalogue)"


def test_a_reason_code_is_explained_in_plain_words() -> None:
    text = describe_check("DEVICE_CERTIFICATE_EXPIRING_CHECK").explain("CERTIFICATE_PAST_EXPIRATION")
    assert text == "The certificate has expired and is still active."
