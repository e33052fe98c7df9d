"""The way from bytes to Arrow, held against the way from records to DataFrames."""

import copy
import json

import pytest
from botocore.utils import parse_timestamp
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ddreport.catalogue import checks
from ddreport.errors import TableSchemaError
from ddreport.schemas import FINDINGS, RELATED_RESOURCES
from ddreport.tables import (
    FindingTables,
    decode_findings_page,
    decode_resources_page,
    findings_table,
    frame_to_arrow,
    related_resources_table,
)

PLACE = {"account": "111122223333", "region": "eu-west-1", "audit_task_id": "a1"}
START = 1772442000.123


def by_pages(records, size=250, related=None):
    tables = FindingTables(**PLACE, task_start_time=START)
    for first in range(0, len(records), size):
        page = decode_findings_page(json.dumps({"findings": records[first : first + size]}).encode())
        tables.add(page.findings)
    for finding_id in tables.to_list:
        body = json.dumps({"relatedResources": (related or {})[finding_id]}).encode()
        tables.add_related(finding_id, decode_resources_page(body).related_resources)
    return tables.finish()


def by_records(records, related=None):
    findings = findings_table(records, **PLACE, task_start_time=START, related=related)
    resources = related_resources_table(records, **PLACE, related=related)
    return frame_to_arrow(FINDINGS, findings), frame_to_arrow(RELATED_RESOURCES, resources)


def as_boto3_gives_them(records):
    given = copy.deepcopy(records)
    for record in given:
        for member in ("taskStartTime", "findingTime"):
            if record.get(member) is not None:
                record[member] = parse_timestamp(record[member])
    return given


# Half characters, direction marks, control characters, formulas and markup are among these.
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "<img onerror=x>", "=1+1", "\x1b[2J", "\u202egnp", "a\x00b", "\ud800"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda values: st.lists(values, max_size=2) | st.dictionaries(TEXTS, values, max_size=2),
    max_leaves=4,
)
TIMES = (
    st.integers(0, 4_000_000_000)
    | st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)
    | st.floats(0, 4e9, allow_nan=False)
)


def some_of(members):
    return st.fixed_dictionaries({}, optional=members)


IDENTIFIERS = st.none() | some_of(
    {
        "deviceCertificateId": TEXTS,
        "caCertificateId": TEXTS,
        "clientId": TEXTS,
        "policyVersionIdentifier": some_of({"policyName": TEXTS, "policyVersionId": TEXTS}),
        "issuerCertificateIdentifier": some_of({"issuerId": TEXTS, "issuerCertificateSubject": TEXTS}),
        "newer": JSON,
    }
)
INFO = st.none() | st.dictionaries(
    st.sampled_from(["EXPIRATION_TIME", "CONNECTION_TIME", "DISCONNECTION_TIME", "OTHER"]),
    TEXTS | st.integers(0, 10**13).map(str),
    max_size=3,
)
RESOURCES = some_of({"resourceType": TEXTS, "resourceIdentifier": IDENTIFIERS, "additionalInfo": INFO, "newer": JSON})
CHECK_NAMES = st.sampled_from([*checks(), "IOT_POLICY_UNRESTRICTED_CHECK", "NEW_CHECK"])
SEVERITIES = st.sampled_from(["CRITICAL", "HIGH", "MEDIUM", "LOW"])


@st.composite
def findings(draw):
    members = {
        "checkName": CHECK_NAMES | st.none(),
        "taskId": st.none() | st.just("a1"),
        "taskStartTime": st.none() | TIMES,
        "findingTime": st.none() | TIMES,
        "severity": SEVERITIES | st.sampled_from(["INFO", "", None]),
        "nonCompliantResource": st.none() | RESOURCES,
        "relatedResources": st.none() | st.lists(RESOURCES, max_size=3),
        "reasonForNonComplianceCode": st.none() | TEXTS,
        "reasonForNonCompliance": st.none() | TEXTS,
        "isSuppressed": st.none() | st.booleans(),
        "newer": JSON,
    }
    usual = {"checkName": CHECK_NAMES, "severity": SEVERITIES} if draw(st.booleans()) else {}
    records = draw(st.lists(some_of(members), max_size=4))
    for number, record in enumerate(records):
        record.update({name: draw(values) for name, values in usual.items()})
        record["findingId"] = draw(st.sampled_from([f"f{number}", f"f{number}", f"f{number}", "same", None]))
    return records


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(findings(), st.integers(1, 3), st.booleans())
def test_both_ways_give_the_same_tables_or_refuse_alike(records, size, boto3):
    related = {
        r["findingId"]: (r.get("relatedResources") or []) * 2
        for r in records
        if r["findingId"] and r.get("checkName") == "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"
    }
    given = as_boto3_gives_them(records) if boto3 else records
    wanted = outcome(lambda: by_records(given, related))
    event("refused" if wanted == "refused" else f"{wanted[0].num_rows} findings")
    assert outcome(lambda: by_pages(records, size, related)) == wanted


def outcome(way):
    try:
        return way()
    except TableSchemaError:
        return "refused"


def test_no_pages_give_empty_tables_with_their_schemas():
    found = by_pages([])
    assert [t.schema for t in found] == [FINDINGS.arrow(), RELATED_RESOURCES.arrow()]
    assert [t.num_rows for t in found] == [0, 0]


def test_many_pages_give_the_rows_in_their_order(a_finding):
    records = [a_finding(findingId=f"f{n}") for n in range(1001)]
    assert by_pages(records)[0]["finding_id"].to_pylist() == [r["findingId"] for r in records]


def test_columns_that_repeat_over_pages_are_not_mixed_up(a_finding):
    records = [a_finding(findingId=f"f{n}", severity=s) for n, s in enumerate(["LOW", "LOW", "HIGH", "HIGH", "LOW"])]
    assert by_pages(records, size=1)[0]["severity"].to_pylist() == ["LOW", "LOW", "HIGH", "HIGH", "LOW"]


def test_findings_with_ten_related_resources_wait_for_all_of_theirs(a_finding):
    tables = FindingTables(**PLACE)
    record = a_finding(relatedResources=[{"resourceIdentifier": {"clientId": f"c{n}"}} for n in range(10)])
    tables.add(decode_findings_page(json.dumps({"findings": [record]}).encode()).findings)
    assert tables.to_list == ["f1"]
    with pytest.raises(ValueError, match="not listed"):
        tables.finish()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"findings": 1}', b'{"findings": [{"findingId": 1}]}'])
def test_bytes_that_are_no_page_are_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        decode_findings_page(body)


def test_a_page_tells_where_the_next_begins():
    assert decode_findings_page(b'{"findings": [], "nextToken": "more"}').next_token == "more"


def test_pandas_is_not_needed_for_pages():
    import subprocess
    import sys

    code = (
        "import sys; from ddreport.tables import FindingTables, decode_findings_page as page;"
        "t = FindingTables(account='1', region='r', audit_task_id='a', task_start_time=1.5);"
        'body = b\'{"findings": [{"findingId": "f", "checkName": "LOGGING_DISABLED_CHECK"}]}\';'
        "t.add(page(body).findings); assert t.finish()[0].num_rows == 1; sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
