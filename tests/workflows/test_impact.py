"""What depends on findings, read over HTTP from an emulated account: whole, refused in parts, interrupted, known."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.archive import Archive
from ddreport.aws import AwsSession, connect_session
from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.errors import ArchiveError, EndpointError, InputError
from ddreport.mitigation.actions import MitigationAction
from ddreport.mitigation.blast_radius import blast_radius
from ddreport.mitigation.defaults import default_action
from ddreport.mitigation.impact import IMPACTS
from ddreport.mitigation.roles import Place
from ddreport.targets import Target
from ddreport.terms import MitigationActionType as Type
from ddreport.workflows.impact import archive_inventory, read_impact
from ddreport.workflows.pulling.threads import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLACE = Place("123456789012", "eu-west-1")
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": []})


@cache
def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def a_pem(name: str, *, ca: bool = False) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fleet CA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(a_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=900))
        .not_valid_after(NOW + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return builder.sign(a_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Fleet:
    """An emulated account: three pumps share a certificate and are in a hall, others have one each."""

    emulator: Emulator
    session: AwsSession
    calls: Counter[str] = field(default_factory=Counter)
    certificates: dict[str, str] = field(default_factory=dict)
    _findings: list[dict[str, str]] = field(default_factory=list)

    def certificate(self, name: str, *things: str, policy: str | None = None, ca: str | None = None) -> str:
        iot = self.session.iot
        if ca:
            made: Any = iot.register_certificate(certificatePem=a_pem(name), caCertificatePem=ca, status="ACTIVE")
        else:
            made = iot.register_certificate_without_ca(certificatePem=a_pem(name), status="ACTIVE")
        for thing in things:
            iot.create_thing(thingName=thing)
            iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
        if policy:
            iot.attach_policy(policyName=policy, target=made["certificateArn"])
        self.certificates[name] = made["certificateId"]
        return str(made["certificateId"])

    def finding(self, kind: str, resource_id: str, check: str = "DEVICE_CERTIFICATE_SHARED_CHECK") -> str:
        number = len(self._findings)
        self._findings.append(
            {
                "account": PLACE.account,
                "region": PLACE.region,
                "finding_id": f"finding-{number:05}",
                "check_name": check,
                "resource_type": kind,
                "resource_id": resource_id,
            }
        )
        return f"finding-{number:05}"

    @property
    def findings(self) -> pd.DataFrame:
        return pd.DataFrame(self._findings)

    def index_connections(self) -> None:
        self.session.iot.update_indexing_configuration(
            thingIndexingConfiguration={"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
        )

    def connect(self, certificate: str, thing: str, began: timedelta, ended: timedelta | None = None) -> None:
        end = None if ended is None else NOW - ended
        self.emulator.connect_device(self.certificates[certificate], thing, NOW - began, end)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Emulator, AwsSession]]:
    with (
        Emulator(ManualClock(NOW), seed=1) as emulator,
        EmulatorServer(emulator) as server,
        connect_session(Target("emulated", region=PLACE.region, endpoint_url=server.endpoint)) as session,
    ):
        yield emulator, session


@pytest.fixture
def fleet(served: tuple[Emulator, AwsSession], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    emulator, session = served
    emulator.reset(ManualClock(NOW))
    emulator.faults.clear()
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    made = Fleet(emulator, session)
    iot = session.iot
    iot.create_policy(policyName="device", policyDocument=ALLOW)
    iot.create_thing_group(thingGroupName="site")
    iot.create_thing_group(thingGroupName="hall", parentGroupName="site")
    made.certificate("shared", "pump1", "pump2", "pump3", policy="device")
    made.certificate("single", "lamp", policy="device")
    made.certificate("loose")
    for thing in ("pump1", "pump2"):
        iot.add_thing_to_thing_group(thingGroupName="hall", thingName=thing)
    made.calls.clear()
    lock = threading.Lock()

    def count(*, event_name: str, **_: Any) -> None:
        with lock:
            made.calls[event_name.rpartition(".")[2]] += 1

    iot.meta.events.register("before-send.iot", count)
    yield made
    iot.meta.events.unregister("before-send.iot", count)


def read(fleet: Fleet, tmp_path: Path, **options: Any) -> pd.DataFrame:
    fleet.calls.clear()
    return read_impact(fleet.session, fleet.findings, cache_dir=tmp_path, **options)


def said(action: MitigationAction | Type, row: pd.Series[Any]) -> str:
    return blast_radius(default_action(action, PLACE) if isinstance(action, Type) else action, row, NOW)


def unknown(row: pd.Series[Any]) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["unknown"])
    return found


def test_a_certificate_with_its_things_groups_policies_and_last_connection(fleet: Fleet, tmp_path: Path) -> None:
    fleet.index_connections()
    fleet.connect("shared", "pump2", timedelta(hours=2), timedelta(minutes=4))
    fleet.connect("shared", "pump1", timedelta(days=3), timedelta(days=2))
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["shared"])
    table = read(fleet, tmp_path)
    IMPACTS.conform(table)
    (row,) = (r for _, r in table.iterrows())
    assert row["things_count"] == 3
    assert json.loads(row["things"]) == ["pump1", "pump2", "pump3"]
    assert json.loads(row["thing_groups"]) == ["hall"]
    assert json.loads(row["policies"]) == ["device"]
    assert row["resource_status"] == "ACTIVE"
    assert row["connected_count"] == 0
    assert row["last_connection_time"] == NOW - timedelta(minutes=4)
    assert unknown(row) == {}
    assert row["source"] == "AWS"
    assert row["read_time"] == NOW
    assert said(Type.UPDATE_DEVICE_CERTIFICATE, row) == (
        "deactivates the certificate of 3 things, one of them last connected 4 minutes ago"
    )
    assert said(Type.ADD_THINGS_TO_THING_GROUP, row).endswith("into the thing group Quarantine")


def test_what_is_connected_now_stands_first_and_is_said(fleet: Fleet, tmp_path: Path) -> None:
    fleet.index_connections()
    fleet.connect("shared", "pump3", timedelta(minutes=4))
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["shared"])
    row = read(fleet, tmp_path).iloc[0]
    assert json.loads(row["things"])[0] == "pump3"
    assert row["connected"]
    assert said(Type.UPDATE_DEVICE_CERTIFICATE, row).endswith("3 things, 1 of them connected now")


def test_without_fleet_indexing_the_last_connection_is_not_known_and_never_guessed(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    row = read(fleet, tmp_path).iloc[0]
    assert pd.isna(row["connected"])
    assert pd.isna(row["last_connection_time"])
    assert "fleet indexing does not keep connections" in unknown(row)["connection"]
    assert "last connection not known (fleet indexing" in said(Type.UPDATE_DEVICE_CERTIFICATE, row)
    assert fleet.calls["SearchIndex"] == 0


def test_a_policy_counts_what_its_targets_reach(fleet: Fleet, tmp_path: Path) -> None:
    group = fleet.session.iot.describe_thing_group(thingGroupName="site")["thingGroupArn"]
    fleet.session.iot.attach_policy(policyName="device", target=group)
    fleet.index_connections()
    fleet.finding("IOT_POLICY", "device", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK")
    row = read(fleet, tmp_path).iloc[0]
    assert row["certificates_count"] == 2
    assert row["things_count"] == 4  # those of the certificates; the members of the hall below are among them
    assert json.loads(row["thing_groups"]) == ["site"]
    assert said(Type.REPLACE_DEFAULT_POLICY_VERSION, row) == (
        "takes every permission of the policy from 2 certificates and the thing group site with 4 things, none ever "
        "seen connected"
    )


def test_a_ca_an_account_and_kinds_that_no_action_touches(fleet: Fleet, tmp_path: Path) -> None:
    pem = a_pem("Fleet CA", ca=True)
    ca = fleet.session.iot.register_ca_certificate(caCertificate=pem, setAsActive=True, allowAutoRegistration=True)
    fleet.certificate("signed", ca=pem)
    fleet.finding("CA_CERTIFICATE", ca["certificateId"], "CA_CERTIFICATE_EXPIRING_CHECK")
    fleet.finding("ACCOUNT_SETTINGS", PLACE.account, "LOGGING_DISABLED_CHECK")
    fleet.finding("CLIENT_ID", "pump1", "CONFLICTING_CLIENT_IDS_CHECK")
    table = read(fleet, tmp_path)
    of_ca, of_account, of_client = (row for _, row in table.iterrows())
    assert of_ca["certificates_count"] == 1
    assert said(Type.UPDATE_CA_CERTIFICATE, of_ca) == (
        "deactivates the CA certificate that 1 device certificate names; those stay active, and no new ones can be "
        "registered with it, also not by devices that connect for the first time"
    )
    assert "whole account and Region" in said(Type.ENABLE_IOT_LOGGING, of_account)
    assert "cannot be taken back" in said(Type.PUBLISH_FINDING_TO_SNS, of_client)
    assert pd.isna(of_client["source"])
    assert set(fleet.calls) == {"DescribeCACertificate", "ListCertificatesByCA"}


def test_each_resource_is_asked_about_once_however_many_findings_it_has(fleet: Fleet, tmp_path: Path) -> None:
    fleet.index_connections()
    for check in ("DEVICE_CERTIFICATE_SHARED_CHECK", "DEVICE_CERTIFICATE_AGE_CHECK"):
        fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["shared"], check)
    fleet.finding("IOT_POLICY", "device", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK")
    table = read(fleet, tmp_path)
    assert len(table) == 3
    assert table["things_count"].tolist() == [3, 3, 4]
    assert fleet.calls == {
        "ListPrincipalThings": 2,  # of the finding's certificate, and of the policy's other one
        "DescribeCertificate": 1,
        "ListAttachedPolicies": 1,
        "ListTargetsForPolicy": 1,
        "ListThingGroupsForThing": 3,
        "GetIndexingConfiguration": 1,
        "SearchIndex": 1,
    }


def test_connections_are_asked_for_a_dozen_at_a_time(fleet: Fleet, tmp_path: Path) -> None:
    fleet.index_connections()
    fleet.certificate("many", *(f"t{n:02}" for n in range(30)))
    fleet.connect("many", "t29", timedelta(minutes=1))
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["many"])
    row = read(fleet, tmp_path).iloc[0]
    assert row["connected_count"] == 1
    assert unknown(row) == {}
    assert fleet.calls["SearchIndex"] == 3


@pytest.mark.parametrize(
    ("operation", "fact", "still_known"),
    [
        ("ListPrincipalThings", "things", "resource_status"),
        ("DescribeCertificate", "status", "things_count"),
        ("ListAttachedPolicies", "policies", "things_count"),
        ("ListThingGroupsForThing", "thing_groups", "things_count"),
        ("SearchIndex", "connection", "things_count"),
        ("GetIndexingConfiguration", "connection", "things_count"),
    ],
)
def test_what_is_refused_is_unknown_with_its_reason_and_the_rest_is_read(
    fleet: Fleet, tmp_path: Path, operation: str, fact: str, still_known: str
) -> None:
    fleet.index_connections()
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["shared"])
    fleet.emulator.faults.refuse(operation, code="AccessDeniedException")
    row = read(fleet, tmp_path).iloc[0]
    assert unknown(row) == {fact: f"iot:{operation}: AccessDeniedException"}
    assert not pd.isna(row[still_known])
    assert "AccessDenied" in said(Type.UPDATE_DEVICE_CERTIFICATE, row) or fact in ("status", "policies", "thing_groups")


def test_an_operation_that_was_never_allowed_is_not_asked_ten_thousand_times(fleet: Fleet, tmp_path: Path) -> None:
    for number in range(40):
        fleet.finding("DEVICE_CERTIFICATE", f"{number:064x}")
    fleet.emulator.faults.refuse("ListAttachedPolicies", code="AccessDeniedException")
    table = read(fleet, tmp_path)
    assert fleet.calls["ListAttachedPolicies"] < 12  # three, and what was under way
    assert {unknown(row)["policies"] for _, row in table.iterrows()} == {
        "iot:ListAttachedPolicies: AccessDeniedException"
    }


def test_a_certificate_that_is_gone_is_said_to_be_gone(fleet: Fleet, tmp_path: Path) -> None:
    fleet.finding("DEVICE_CERTIFICATE", "0" * 64)
    fleet.finding("IOT_POLICY", "nothing", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK")
    certificate, policy = (row for _, row in read(fleet, tmp_path).iterrows())
    assert (
        said(Type.UPDATE_DEVICE_CERTIFICATE, certificate) == "can do nothing: the certificate does not exist any more"
    )
    assert said(Type.REPLACE_DEFAULT_POLICY_VERSION, policy) == "can do nothing: the policy does not exist any more"


def test_an_identity_that_cannot_be_awss_spoils_only_its_own_row(fleet: Fleet, tmp_path: Path) -> None:
    fleet.finding("DEVICE_CERTIFICATE", "(no identifier)")
    fleet.finding("IOT_POLICY", "", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK")
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    strange, empty, usual = (row for _, row in read(fleet, tmp_path).iterrows())
    assert "AWS's rules refuse" in unknown(strange)["status"]
    assert "targets" in unknown(empty)
    assert usual["things_count"] == 1


def test_throttling_is_lived_with(fleet: Fleet, tmp_path: Path) -> None:
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    fleet.emulator.faults.refuse("ListPrincipalThings", code="ThrottlingException", times=3)
    row = read(fleet, tmp_path).iloc[0]
    assert row["things_count"] == 1


def test_a_fault_that_lasts_leaves_a_fact_unknown_and_the_same_again_asks_only_for_that(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    fleet.emulator.faults.refuse("ListPrincipalThings", code="InternalFailureException")
    row = read(fleet, tmp_path).iloc[0]
    assert unknown(row)["things"] == "iot:ListPrincipalThings: InternalFailureException"
    fleet.emulator.faults.clear()
    row = read(fleet, tmp_path).iloc[0]
    assert row["things_count"] == 1
    assert set(fleet.calls) == {"ListPrincipalThings", "ListThingGroupsForThing", "GetIndexingConfiguration"}
    assert list(tmp_path.rglob("*.journal")) == []


def test_a_lost_connection_ends_it_and_the_same_again_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    for number in range(30):
        fleet.certificate(f"c{number}", f"t{number}")
        fleet.finding("DEVICE_CERTIFICATE", fleet.certificates[f"c{number}"])
    fleet.emulator.faults.drop("ListThingGroupsForThing", when="before")
    with pytest.raises(EndpointError):
        read(fleet, tmp_path)
    asked = fleet.calls.copy()
    fleet.emulator.faults.clear()
    table = read(fleet, tmp_path)
    assert table["things_count"].tolist() == [1] * 30
    assert fleet.calls["ListThingGroupsForThing"] == 30
    again = sum(fleet.calls[name] + asked[name] for name in ("ListPrincipalThings", "DescribeCertificate"))
    assert again <= 2 * 30 + 8  # nothing twice but what was under way when the connection was lost


READ_IN_A_PROCESS = """
import sys
from pathlib import Path

import pandas as pd

from ddreport.aws import connect_session
from ddreport.targets import Target
from ddreport.workflows.impact import read_impact

endpoint, region, findings, folder = sys.argv[1:]
with connect_session(Target("emulated", region=region, endpoint_url=endpoint)) as session:
    read_impact(session, pd.read_json(findings, dtype=str), cache_dir=Path(folder))
"""


def test_a_killed_reading_goes_on_where_it_was(fleet: Fleet, tmp_path: Path) -> None:
    for number in range(40):
        fleet.certificate(f"c{number}", f"t{number}")
        fleet.finding("DEVICE_CERTIFICATE", fleet.certificates[f"c{number}"])
    table = tmp_path / "findings.json"
    fleet.findings.to_json(table)
    fleet.emulator.faults.delay("ListAttachedPolicies", seconds=0.5)
    endpoint = str(fleet.session.target.endpoint_url)
    command = [sys.executable, "-c", READ_IN_A_PROCESS, endpoint, PLACE.region, str(table), str(tmp_path)]
    with subprocess.Popen(command) as process:
        lines = 0
        while process.poll() is None and lines < 60:  # of 40 things, 40 certificates, some policies and groups
            time.sleep(0.02)
            lines = sum(path.read_bytes().count(b"\n") for path in tmp_path.rglob("*.journal"))
        process.kill()
    assert lines >= 60
    fleet.emulator.faults.clear()
    result = read(fleet, tmp_path)
    assert result["things_count"].tolist() == [1] * 40
    assert set(result["unknown"].map(json.loads).map(tuple)) == {("connection",)}
    assert sum(fleet.calls.values()) <= 4 * 40 + 1 - 60 + 1  # a head is a line, too


def test_old_answers_of_an_interrupted_reading_do_not_count(fleet: Fleet, tmp_path: Path) -> None:
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    fleet.emulator.faults.refuse("ListAttachedPolicies", code="InternalFailureException")
    read(fleet, tmp_path)
    fleet.emulator.faults.clear()
    fleet.emulator.advance(timedelta(hours=2))
    read(fleet, tmp_path)
    assert fleet.calls["ListPrincipalThings"] == 1


def test_two_readings_of_one_account_at_once_exclude_each_other(fleet: Fleet, tmp_path: Path) -> None:
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    fleet.emulator.faults.delay("DescribeCertificate", seconds=2, times=1)
    other = threading.Thread(target=read, args=(fleet, tmp_path))
    other.start()
    while not list(tmp_path.rglob("*.journal")):
        threading.Event().wait(0.01)
    with pytest.raises(ArchiveError, match="another reading of impact of the same account"):
        read_impact(fleet.session, fleet.findings, cache_dir=tmp_path)
    other.join()


def test_a_wish_to_stop_ends_it(fleet: Fleet, tmp_path: Path) -> None:
    stop = Stop()
    stop.set()
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    with pytest.raises(Stopped):
        read(fleet, tmp_path, stop=stop)


def test_findings_of_elsewhere_are_refused(fleet: Fleet, tmp_path: Path) -> None:
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["single"])
    table = fleet.findings
    with pytest.raises(InputError, match="the findings are of account 000000000001"):
        read_impact(fleet.session, table.assign(account="000000000001"), cache_dir=tmp_path)
    both = pd.concat([table, table.assign(region="us-east-1", finding_id="other")])
    with pytest.raises(InputError, match="several accounts or Regions"):
        read_impact(fleet.session, both, cache_dir=tmp_path)
    assert read_impact(fleet.session, table.iloc[:0], cache_dir=tmp_path).columns.tolist() == IMPACTS.column_names


def with_inventory(fleet: Fleet, tmp_path: Path) -> Archive:
    """Pull the inventory of the account into an archive."""
    from ddreport.aws.inventory import Journal, fetch_inventory

    archive = Archive.open(tmp_path / "archive", create=True)
    with Journal(tmp_path / "inventory.journal", as_of=NOW) as journal:
        place = {"account": PLACE.account, "region": PLACE.region, "emulated": True}
        records = fetch_inventory(fleet.session.iot, **place, journal=journal)  # type: ignore[arg-type]  # by name
        archive.append_state(records, pulled_time=NOW)
    return archive


def test_a_young_inventory_stands_in_for_aws_and_only_connections_are_asked_for(fleet: Fleet, tmp_path: Path) -> None:
    fleet.index_connections()
    fleet.connect("shared", "pump2", timedelta(hours=2), timedelta(minutes=4))
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["shared"])
    fleet.finding("IOT_POLICY", "device", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK")
    asked = read(fleet, tmp_path)
    archive = with_inventory(fleet, tmp_path)
    inventory = archive_inventory(archive, account=PLACE.account, region=PLACE.region, as_of=NOW + timedelta(hours=3))
    assert inventory
    fleet.emulator.advance(timedelta(hours=3))
    known = read(fleet, tmp_path, inventory=inventory)
    assert set(fleet.calls) == {"GetIndexingConfiguration", "SearchIndex"}
    assert known["source"].tolist() == ["AWS, inventory"] * 2
    assert (known["read_time"] == NOW).all()  # the oldest fact's
    differing = ["source", "read_time"]
    pd.testing.assert_frame_equal(known.drop(columns=differing), asked.drop(columns=differing))
    assert archive_inventory(archive, account=PLACE.account, region=PLACE.region, as_of=NOW + timedelta(days=2)) is None


def test_what_is_younger_than_the_inventory_is_asked_for(fleet: Fleet, tmp_path: Path) -> None:
    archive = with_inventory(fleet, tmp_path)
    fleet.certificate("new", "valve")
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["new"])
    inventory = archive_inventory(archive, account=PLACE.account, region=PLACE.region, as_of=NOW)
    row = read(fleet, tmp_path, inventory=inventory).iloc[0]
    assert row["things_count"] == 1
    assert row["resource_status"] == "ACTIVE"


def test_without_aws_the_inventory_answers_and_the_rest_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    archive = with_inventory(fleet, tmp_path)
    fleet.finding("DEVICE_CERTIFICATE", fleet.certificates["shared"])
    fleet.finding("DEVICE_CERTIFICATE", "0" * 64)
    inventory = archive_inventory(archive, account=PLACE.account, region=PLACE.region, as_of=NOW)
    fleet.calls.clear()
    known, absent = (row for _, row in read_impact(None, fleet.findings, inventory=inventory).iterrows())
    assert fleet.calls == {}
    assert known["things_count"] == 3
    assert json.loads(known["thing_groups"]) == ["hall"]
    assert list(unknown(known)) == ["connection"]
    assert pd.isna(absent["resource_status"])
    assert "number is not known (AWS was not asked" in said(Type.UPDATE_DEVICE_CERTIFICATE, absent)
