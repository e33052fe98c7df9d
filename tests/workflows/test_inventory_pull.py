"""Inventories over HTTP from an emulated account: whole, incremental, interrupted, refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from botocore import xform_name
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pandas.testing import assert_frame_equal

from ddreport.archive import Archive
from ddreport.aws.inventory import assembling
from ddreport.aws.inventory import known as known_module
from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.errors import AwsCallError, CredentialsError, InputError, NoDataError
from ddreport.progress import LineProgress, NoProgress
from ddreport.schemas import INVENTORY_SCHEMAS
from ddreport.settings import Settings
from ddreport.tables import pem
from ddreport.targets import Target
from ddreport.workflows.inventory import inventory_step, newest_table
from ddreport.workflows.load import load
from ddreport.workflows.pull import pull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DEVICES = 12
KEY = ec.generate_private_key(ec.SECP256R1())
TABLES = [s.name for s in INVENTORY_SCHEMAS]
ALLOW = '{"Version": "2012-10-17", "Statement": []}'
CHECK = "LOGGING_DISABLED_CHECK"
PLACE = ("123456789012", "eu-west-1")


def a_pem(name: str, *, days: int, ca: bool = False) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = subject if ca else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fleet CA")])
    serial = int.from_bytes(name.encode(), "big")
    end = NOW + timedelta(days=days)
    made = x509.CertificateBuilder(issuer, subject, KEY.public_key(), serial, NOW - timedelta(days=9), end)
    if ca:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Fleet:
    """An emulated account, with a count of the calls that reached it."""

    emulator: Emulator
    endpoint: str
    calls: Counter[str] = field(default_factory=Counter)
    certificates: dict[str, str] = field(default_factory=dict)

    def call(self, operation: str, **asked: Any) -> Any:
        return getattr(self.client, xform_name(operation))(**asked)

    @cached_property
    def client(self) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client("iot", endpoint_url=self.endpoint, region_name=PLACE[1], **keys)

    def register(self, name: str, *, days: int) -> str:
        ca = self.ca if name.startswith("pump") else None
        asked = {"certificatePem": a_pem(name, days=days), "status": "ACTIVE"}
        if ca:
            made = self.call("RegisterCertificate", **asked, caCertificatePem=ca)
        else:
            made = self.call("RegisterCertificateWithoutCA", **asked)
        self.certificates[name] = made["certificateId"]
        return str(made["certificateArn"])

    def build(self) -> None:
        call = self.call
        role = self.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
        call("UpdateAccountAuditConfiguration", roleArn=role, auditCheckConfigurations={CHECK: {"enabled": True}})
        self.ca = a_pem("Fleet CA", days=900, ca=True)
        self.ca_id = call("RegisterCACertificate", caCertificate=self.ca, setAsActive=True)["certificateId"]
        call("CreateThingType", thingTypeName="Pump")
        call("CreateThingGroup", thingGroupName="site")
        call("CreateThingGroup", thingGroupName="hall:1", parentGroupName="site")
        call("CreatePolicy", policyName="device", policyDocument=ALLOW)
        call("CreatePolicyVersion", policyName="device", policyDocument=ALLOW.replace("[]", "[ ]"), setAsDefault=True)
        call("CreatePolicy", policyName="site-policy", policyDocument=ALLOW)
        call("CreateRoleAlias", roleAlias="logs", roleArn="arn:aws:iam::123456789012:role/logs")
        group = call("DescribeThingGroup", thingGroupName="hall:1")["thingGroupArn"]
        call("AttachPolicy", policyName="site-policy", target=group)
        for number in range(DEVICES):
            name = f"pump{number:02}"
            arn = self.register(name, days=30 * number)
            call("CreateThing", thingName=name, thingTypeName="Pump", attributePayload={"attributes": {"n": name}})
            call("AttachThingPrincipal", thingName=name, principal=arn)
            call("AttachPolicy", policyName="device", target=arn)
            call("AddThingToThingGroup", thingGroupName="hall:1", thingName=name)
        self.register("loose", days=5)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Emulator(ManualClock(NOW), seed=1) as emulator, EmulatorServer(emulator) as server:
        made = Fleet(emulator, server.endpoint)
        made.build()
        admit = emulator.admit

        def counted(account: str, region: str, operation: str) -> Any:
            outcome = admit(account, region, operation)
            if outcome.error is None:
                made.calls[operation] += 1
            return outcome

        emulator.admit = counted
        yield made
        made.client.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive", create=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache")


@pytest.fixture
def run(fleet: Fleet, archive: Archive, settings: Settings) -> Callable[..., Any]:
    """Pull the account with its inventory; returns the target's status. Calls are counted for this pull alone."""

    def run_pull(*, into: Archive = archive, progress: Any = None, **options: Any) -> Any:
        fleet.calls.clear()
        step = inventory_step(settings, **options)
        target = Target("fleet", region=PLACE[1], endpoint_url=fleet.endpoint)
        result = pull([target], into, settings=settings, progress=progress or NoProgress(), extra_steps=[step])
        return result.statuses[0]

    return run_pull


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 give up after two attempts, at once."""
    from botocore.config import Config

    from ddreport.aws import session

    monkeypatch.setattr(session, "_default_config", lambda: Config(retries={"total_max_attempts": 2}))


def tables_of(archive: Archive) -> dict[str, pd.DataFrame]:
    return {name: archive.latest_state(name) for name in TABLES}


def without_times(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    times = ["observed_time", "described_time"]
    return {name: table.drop(columns=[c for c in times if c in table]) for name, table in tables.items()}


def journals(settings: Settings) -> list[Path]:
    return sorted((settings.cache_dir / "inventory").glob("*.journal"))


def test_the_whole_inventory_is_what_the_account_holds(
    fleet: Fleet, run: Any, archive: Archive, settings: Settings
) -> None:
    status = run()
    assert (status.status, status.inventory_seen, status.inventory_changed) == ("ok", True, True)
    tables = tables_of(archive)
    certificates = tables["certificates"].set_index("certificate_id")
    assert sorted(certificates.index) == sorted(fleet.certificates.values())
    pump3 = certificates.loc[fleet.certificates["pump03"]]
    assert pump3["not_after_time"] == pd.Timestamp(NOW + timedelta(days=90))
    assert (pump3["ca_certificate_id"], pump3["subject"], pump3["issuer"]) == (fleet.ca_id, "CN=pump03", "CN=Fleet CA")
    assert (pump3["key_algorithm"], pump3["key_bits"]) == ("EC", 256)
    assert pd.isna(certificates.loc[fleet.certificates["loose"], "ca_certificate_id"])
    assert tables["ca_certificates"]["ca_certificate_id"].tolist() == [fleet.ca_id]
    assert tables["policies"]["default_version_id"].tolist() == ["2", "1"]
    assert len(tables["policy_versions"]) == 3
    assert Counter(tables["policy_targets"]["target_type"]) == {"certificate": DEVICES, "thing_group": 1}
    assert set(tables["things"]["thing_type_name"]) == {"Pump"}
    assert tables["thing_groups"]["parent_group_name"].fillna("").tolist() == ["site", ""]
    assert set(tables["thing_group_members"]["thing_group_name"]) == {"hall:1"}
    principals = tables["thing_principals"].set_index("thing_name")["principal_id"]
    assert principals.to_dict() == {n: c for n, c in fleet.certificates.items() if n != "loose"}
    assert tables["role_aliases"]["role_alias"].tolist() == ["logs"]
    known = tables["inventory_status"].set_index("table_name")
    assert known["pulled"].all()
    assert known["rows_count"].to_dict() == {n: len(tables[n]) for n in TABLES if n != "inventory_status"}
    assert journals(settings) == []


def test_the_evidence_holds_every_answer_that_the_tables_are_made_of(fleet: Fleet, run: Any, archive: Archive) -> None:
    run()
    (stored,) = archive.sets("inventory")
    evidence = Counter(response.operation for response in archive.raw(stored))
    expected = {n: c for n, c in fleet.calls.items() if n in evidence}
    assert evidence == expected
    assert evidence["DescribeCertificate"] == DEVICES + 1
    assert evidence["ListThingPrincipals"] == DEVICES


def test_lists_of_several_pages_are_read_to_their_end(
    fleet: Fleet, run: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddreport.aws.calls.PAGE_SIZE", 5)
    run()
    assert fleet.calls["ListCertificates"] == 3
    assert fleet.calls["ListThings"] == 3
    assert len(archive.latest_state("certificates")) == DEVICES + 1
    assert len(archive.latest_state("things")) == DEVICES


def test_a_second_inventory_describes_only_what_is_new_or_changed(fleet: Fleet, run: Any, archive: Archive) -> None:
    run()
    before = tables_of(archive)
    fleet.emulator.advance(timedelta(hours=1))
    assert run().inventory_changed is False
    assert fleet.calls["DescribeCertificate"] == fleet.calls["GetPolicyVersion"] == 0
    assert len(archive.sets("inventory")) == 1

    fleet.register("pump99", days=77)
    changed, deleted = fleet.certificates["pump01"], fleet.certificates.pop("loose")
    fleet.call("UpdateCertificate", certificateId=changed, newStatus="REVOKED")
    fleet.call("UpdateCertificate", certificateId=deleted, newStatus="INACTIVE")
    fleet.call("DeleteCertificate", certificateId=deleted)
    fleet.call("CreatePolicyVersion", policyName="device", policyDocument=ALLOW, setAsDefault=True)
    assert run().inventory_changed is True
    assert fleet.calls["DescribeCertificate"] == 2
    assert fleet.calls["GetPolicyVersion"] == 1
    certificates = archive.latest_state("certificates").set_index("certificate_id")
    assert sorted(certificates.index) == sorted(fleet.certificates.values())
    assert certificates.loc[changed, "status"] == "REVOKED"
    assert certificates.loc[changed, "last_modified_time"] == pd.Timestamp(NOW + timedelta(hours=1))
    old = before["certificates"].set_index("certificate_id").drop(columns="observed_time")
    same = old.index.intersection(certificates.index).drop(changed)
    assert_frame_equal(certificates.drop(columns="observed_time").loc[same], old.loc[same])
    assert set(certificates["observed_time"]) == {pd.Timestamp(NOW + timedelta(hours=1))}


def test_an_incremental_inventory_equals_one_from_scratch(
    fleet: Fleet, run: Any, archive: Archive, tmp_path: Path
) -> None:
    run()
    fleet.register("pump99", days=77)
    fleet.emulator.advance(timedelta(hours=1))
    run()
    fresh = Archive.open(tmp_path / "fresh", create=True)
    run(into=fresh)
    for name, table in without_times(tables_of(fresh)).items():
        assert_frame_equal(without_times(tables_of(archive))[name], table)


KILLED = """
import sys
from ddreport.archive import Archive
from ddreport.progress import NoProgress
from ddreport.settings import Settings
from ddreport.targets import Target
from ddreport.workflows.inventory import inventory_step
from ddreport.workflows.pull import pull

endpoint, archive, cache = sys.argv[1:]
settings = Settings(cache=__import__("pathlib").Path(cache))
target = Target("fleet", region="eu-west-1", endpoint_url=endpoint)
pull([target], Archive(archive), settings=settings, progress=NoProgress(), extra_steps=[inventory_step(settings)])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_half_way_it_goes_on_without_asking_twice(
    fleet: Fleet, run: Any, archive: Archive, settings: Settings, tmp_path: Path, how: signal.Signals
) -> None:
    fleet.emulator.faults.delay("DescribeCertificate", seconds=0.3)
    fleet.emulator.faults.delay("ListThingPrincipals", seconds=0.3)
    arguments = [fleet.endpoint, str(archive.path), str(settings.cache_dir)]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], env=os.environ, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while fleet.calls["DescribeCertificate"] + fleet.calls["ListThingPrincipals"] < DEVICES:
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(timeout=30) != 0
    fleet.emulator.faults.clear()
    first = Counter(fleet.calls)
    assert archive.sets("inventory") == []
    assert len(journals(settings)) == 1

    status = run()
    assert (status.status, status.inventory_changed) == ("ok", True)
    both = first + fleet.calls
    # Eight at once may have been under way, and the lists were whole.
    described = both["DescribeCertificate"] + both["ListThingPrincipals"]
    assert 2 * DEVICES + 1 <= described <= 2 * DEVICES + 1 + 8
    assert fleet.calls["ListCertificates"] == fleet.calls["ListThings"] == 0
    whole = Archive.open(tmp_path / "whole", create=True)
    run(into=whole)
    for name, table in without_times(tables_of(whole)).items():
        assert_frame_equal(without_times(tables_of(archive))[name], table)
    assert journals(settings) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("code", "kind"),
    [("ThrottlingException", AwsCallError), ("InternalFailureException", AwsCallError),
     ("ExpiredTokenException", CredentialsError)],
)  # fmt: skip
def test_refused_for_the_moment_it_archives_nothing_and_goes_on_later(
    fleet: Fleet, run: Any, archive: Archive, settings: Settings, code: str, kind: type[Exception]
) -> None:
    fleet.emulator.faults.refuse("ListThingPrincipals", code=code)
    status = run()
    assert (status.status, status.inventory_seen) == ("partial", False)
    assert isinstance(status.error, kind)
    assert archive.sets("inventory") == []
    first = Counter(fleet.calls)
    assert first["ListCertificates"] == 1
    fleet.emulator.faults.clear()
    assert run().status == "ok"
    both = first + fleet.calls
    assert both["ListCertificates"] == 1
    assert both["DescribeCertificate"] == DEVICES + 1
    assert archive.latest_state("inventory_status")["pulled"].all()
    assert journals(settings) == []


def test_a_throttled_emulator_is_asked_again_until_all_is_there(fleet: Fleet, run: Any, archive: Archive) -> None:
    fleet.emulator.faults.refuse("DescribeCertificate", code="ThrottlingException", times=3)
    assert run().status == "ok"
    assert len(archive.latest_state("certificates")) == DEVICES + 1


@pytest.mark.parametrize(
    ("operation", "lacking"),
    [
        ("DescribeCertificate", {"certificates"}),
        ("ListThings", {"things", "thing_principals"}),
        ("ListPolicyVersions", {"policies", "policy_versions"}),
        ("GetPolicyVersion", {"policy_versions"}),
        ("ListPolicies", {"policies", "policy_versions", "policy_targets"}),
        ("ListThingsInThingGroup", {"thing_group_members"}),
        ("ListRoleAliases", {"role_aliases"}),
    ],
)
def test_a_refused_operation_leaves_a_table_that_says_so_and_the_others_whole(
    fleet: Fleet, run: Any, archive: Archive, operation: str, lacking: set[str]
) -> None:
    fleet.emulator.faults.refuse(operation, code="AccessDeniedException")
    status = run()
    assert (status.status, status.inventory_seen) == ("partial", True)
    assert set(status.inventory_missing_tables) == lacking
    assert f"iot:{operation}: AccessDeniedException" in status.problems[0]
    known = archive.latest_state("inventory_status").set_index("table_name")
    assert set(known.index[~known["pulled"]]) == lacking
    for name in lacking:
        assert known.loc[name, "error_code"] == "AccessDeniedException"
        assert known.loc[name, "operation"] == f"iot:{operation}"
        assert pd.isna(known.loc[name, "rows_count"])
        assert archive.latest_state(name).empty
    assert (known.loc[known["pulled"], "rows_count"] > 0).all()


def test_a_table_refused_today_is_still_known_from_yesterday(fleet: Fleet, run: Any, archive: Archive) -> None:
    run()
    fleet.emulator.advance(timedelta(days=1))
    fleet.emulator.faults.refuse("ListCertificates", code="AccessDeniedException")
    run()
    assert archive.latest_state("certificates").empty
    known = newest_table(archive, "certificates", place=PLACE)
    assert set(known["observed_time"]) == {pd.Timestamp(NOW)}
    fleet.emulator.faults.clear()
    fleet.emulator.advance(timedelta(days=1))
    run()
    assert fleet.calls["DescribeCertificate"] == 0  # known from the day before yesterday
    assert len(archive.latest_state("certificates")) == DEVICES + 1
    assert len(newest_table(archive, "certificates", place=PLACE, as_of=NOW)) == DEVICES + 1
    assert newest_table(archive, "certificates", place=PLACE, as_of=NOW - timedelta(seconds=1)) is None


def test_where_everything_is_refused_there_is_no_inventory(fleet: Fleet, run: Any, archive: Archive) -> None:
    for operation in ("ListCertificates", "ListCACertificates", "ListPolicies", "ListThings", "ListThingGroups"):
        fleet.emulator.faults.refuse(operation, code="AccessDeniedException")
    fleet.emulator.faults.refuse("ListRoleAliases", code="AccessDeniedException")
    status = run()
    assert (status.status, status.inventory_seen) == ("partial", False)
    assert archive.sets("inventory") == []


def test_what_was_deleted_in_between_is_left_out(fleet: Fleet, run: Any, archive: Archive) -> None:
    fleet.emulator.faults.refuse("DescribeCertificate", code="ResourceNotFoundException", times=2)
    fleet.emulator.faults.refuse("ListThingPrincipals", code="ResourceNotFoundException", times=1)
    assert run().status == "ok"
    assert len(archive.latest_state("certificates")) == DEVICES + 1 - 2
    assert len(archive.latest_state("thing_principals")) == DEVICES - 1


def test_only_the_tables_asked_for_are_read(fleet: Fleet, run: Any, archive: Archive) -> None:
    assert run(tables=["ca_certificates", "things"]).status == "ok"
    assert fleet.calls["DescribeCertificate"] == fleet.calls["ListThingPrincipals"] == fleet.calls["ListPolicies"] == 0
    known = archive.latest_state("inventory_status").set_index("table_name")
    assert sorted(known.index[known["pulled"]]) == ["ca_certificates", "things"]
    assert known.loc["certificates", "error_code"] == "NotAsked"
    with pytest.raises(InputError, match=r"no table 'thing'.*Did you mean 'things'"):
        run(tables=["thing"])


def test_without_cryptography_keys_are_said_to_be_missing_and_are_read_once_it_is_there(
    fleet: Fleet, run: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        for module in (pem, known_module, assembling):  # each has the name, and was imported before
            without.setattr(module, "can_read_pem", lambda: False)
        assert run().status == "ok"
        known = archive.latest_state("inventory_status").set_index("table_name")
        assert known["pulled"].all()
        assert "pip install 'ddreport[inventory]'" in known.loc["certificates", "message"]
        assert archive.latest_state("certificates")["key_algorithm"].isna().all()
        assert archive.latest_state("certificates")["not_after_time"].notna().all()
        run()
        assert fleet.calls["DescribeCertificate"] == 0
    fleet.emulator.advance(timedelta(hours=1))
    run()
    assert fleet.calls["DescribeCertificate"] == DEVICES + 1
    assert set(archive.latest_state("certificates")["key_algorithm"]) == {"EC"}
    assert archive.latest_state("inventory_status")["message"].isna().all()


def test_an_empty_account_has_an_inventory_of_nothing(archive: Archive, settings: Settings) -> None:
    with Emulator(ManualClock(NOW), seed=1) as emulator, EmulatorServer(emulator) as server:
        target = Target("empty", region="us-east-1", endpoint_url=server.endpoint)
        step = inventory_step(settings)
        pull([target], archive, settings=settings, progress=NoProgress(), extra_steps=[step])
    known = archive.latest_state("inventory_status")
    assert known["pulled"].all()
    assert known["rows_count"].tolist() == [0] * 10


def test_two_names_of_one_place_are_read_once(fleet: Fleet, archive: Archive, settings: Settings) -> None:
    targets = [Target(name, region="eu-west-1", endpoint_url=fleet.endpoint) for name in ("one", "other")]
    step = inventory_step(settings)
    pull(targets, archive, settings=settings, progress=NoProgress(), extra_steps=[step])
    assert fleet.calls["ListCertificates"] == 1


def test_the_plan_is_told_before_the_calls(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(progress=LineProgress())
    told = capsys.readouterr().err
    assert f"fleet: inventory: {DEVICES + 1} certificates, {DEVICES + 1} new; {DEVICES} things; 2 thing groups" in told
    assert "at AWS's rates" in told


def test_the_time_left_is_told_while_it_goes_on(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ddreport.workflows.inventory._TELL_SECONDS", 0.0)
    run(progress=LineProgress())
    told = [line for line in capsys.readouterr().err.splitlines() if "left" in line]
    assert len(told) > DEVICES
    assert all("done, about" in line for line in told)


def test_audit_data_hands_the_inventory_out_or_names_the_command(
    fleet: Fleet, run: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    fleet.call("StartOnDemandAuditTask", targetCheckNames=[CHECK])
    fleet.emulator.advance(timedelta(hours=2))
    target = Target("fleet", region=PLACE[1], endpoint_url=fleet.endpoint)
    pull([target], archive, settings=settings, progress=NoProgress())
    with pytest.raises(NoDataError, match=r"no inventory of fleet.*pull --target fleet --inventory"):
        _ = load(target="fleet", archive=archive.path).certificates
    fleet.emulator.faults.refuse("ListThings", code="AccessDeniedException")
    run()
    data = load(target="fleet", archive=archive.path)
    assert len(data.certificates) == DEVICES + 1
    assert len(data.thing_groups) == 2
    assert not data.inventory_status.set_index("table_name").loc["things", "pulled"]
    with pytest.raises(NoDataError, match="with the table things"):
        _ = data.things
    with pytest.raises(NoDataError, match="until 2026-03-02 10:00 UTC"):
        _ = load(target="fleet", archive=archive.path, end="2026-03-02T10:00Z").certificates
