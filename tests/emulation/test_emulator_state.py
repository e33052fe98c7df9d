"""The emulator's state in a file: nothing lost, nothing half-written, nothing foreign believed or written over."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import boto3
import moto
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ddreport.emulation import Emulator, EmulatorServer, ManualClock, RunningClock
from ddreport.emulation import state as state_module
from ddreport.emulation.service_use import last_used
from ddreport.emulation.state import MAGIC, Autosave, StateFile
from ddreport.emulation.state_codec import SERVICES
from ddreport.errors import EmulatorError

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WRITER = Path(__file__).with_name("state_writer.py")
CHECKS = ["LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK"]


class Client:
    """boto3 clients for one served emulator."""

    def __init__(self, emulator, server):
        self.emulator = emulator
        self.endpoint = server.endpoint
        self.iot = self("iot")

    def __call__(self, service, **options):
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "thing", "region_name": "eu-west-1"}
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=self.endpoint, **(keys | options), config=config)

    def post(self, path, body=None):
        request = urllib.request.Request(
            f"{self.endpoint}/_ddreport/{path}",
            json.dumps(body or {}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


@contextmanager
def served(emulator):
    with emulator, EmulatorServer(emulator) as server:
        yield Client(emulator, server)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "emulator.state"


@pytest.fixture
def new():
    def make(**options):
        return Emulator(ManualClock(START), seed=5, **options)

    return make


def again(path):
    """Load the state that was saved to `path`."""
    with StateFile(path) as file:
        return served(file.load())


def save(emulator, path):
    with StateFile(path) as file:
        return file.save(emulator)


def furnish(client):
    """Give an account one of everything that lives in time or refers to something else."""
    role = client.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    iot = client.iot
    iot.create_thing(thingName="pump", attributePayload={"attributes": {"site": "graz"}})
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_thing_principal(thingName="pump", principal=made["certificateArn"])
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}
    iot.create_policy(policyName="all", policyDocument=json.dumps(document))
    iot.attach_policy(policyName="all", target=made["certificateArn"])
    iot.update_account_audit_configuration(
        roleArn=role, auditCheckConfigurations={name: {"enabled": True} for name in CHECKS}
    )
    iot.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=CHECKS)
    iot.create_audit_suppression(
        checkName=CHECKS[1],
        resourceIdentifier={"deviceCertificateId": made["certificateId"]},
        suppressIndefinitely=True,
        clientRequestToken="token-1",
    )
    client.emulator.connect_device(made["certificateId"], "pump", START, START + timedelta(hours=1))
    client.emulator.advance(timedelta(days=2))
    iot.start_on_demand_audit_task(targetCheckNames=CHECKS)
    return made


def audits(client):
    now = client.emulator.now()
    tasks = client.iot.list_audit_tasks(startTime=now - timedelta(days=30), endTime=now)["tasks"]
    return [{"taskId": t["taskId"]} | described(client, t["taskId"]) for t in tasks]


def described(client, task):
    answer = client.iot.describe_audit_task(taskId=task)
    del answer["ResponseMetadata"]
    return answer


def test_audits_findings_and_configuration_come_back(new, path):
    with served(new()) as client:
        furnish(client)
        before = audits(client)
        findings = client.iot.list_audit_findings(startTime=START, endTime=START + timedelta(days=3))["findings"]
        save(client.emulator, path)
    assert len(before) == 3
    assert findings
    with again(path) as client:
        assert audits(client) == before
        found = client.iot.list_audit_findings(startTime=START, endTime=START + timedelta(days=3))["findings"]
        assert found == findings
        states = client.iot.describe_account_audit_configuration()["auditCheckConfigurations"]
        assert sorted(name for name, state in states.items() if state["enabled"]) == sorted(CHECKS)
        assert len(client.iot.list_audit_suppressions()["suppressions"]) == 1


def test_time_goes_on_where_it_stood_with_schedules_and_running_audits(new, path):
    with served(new()) as client:
        furnish(client)
        assert audits(client)[0]["taskStatus"] == "IN_PROGRESS"
        save(client.emulator, path)
    with again(path) as client:
        assert client.emulator.now() == START + timedelta(days=2)
        assert audits(client)[0]["taskStatus"] == "IN_PROGRESS"
        client.emulator.advance(timedelta(days=1))
        newest, *older = audits(client)
        assert newest["taskType"] == "SCHEDULED_AUDIT_TASK"
        assert len(older) == 3
        assert {task["taskStatus"] for task in (newest, *older)} == {"COMPLETED"}


def test_the_future_is_the_same_with_and_without_saving(new, path):
    """The clearest sign that nothing was forgotten: ids and answers stay equal afterwards."""

    def future(client):
        client.emulator.advance(timedelta(days=3))
        client.iot.create_thing(thingName="later")
        client.iot.start_on_demand_audit_task(targetCheckNames=CHECKS)
        client.emulator.advance(timedelta(minutes=1))
        user = client("iam").create_user(UserName="somebody")["User"]["UserId"]
        thing = client.iot.describe_thing(thingName="later")["thingId"]
        request = client.iot.list_things()["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-requestid")
        return audits(client), user, thing, request

    with served(new()) as client:
        client.iot.create_thing(thingName="pump")
        role = client.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
        client.iot.update_account_audit_configuration(
            roleArn=role, auditCheckConfigurations={name: {"enabled": True} for name in CHECKS}
        )
        client.iot.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=CHECKS)
        save(client.emulator, path)
        expected = future(client)
    with again(path) as client:
        assert future(client) == expected


def test_things_certificates_and_policies_stay_attached(new, path):
    with served(new()) as client:
        made = furnish(client)
        save(client.emulator, path)
    with again(path) as client:
        assert client.iot.list_thing_principals(thingName="pump")["principals"] == [made["certificateArn"]]
        described = client.iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
        assert described["certificatePem"] == made["certificatePem"]
        attached = client.iot.list_attached_policies(target=made["certificateArn"])["policies"]
        assert [policy["policyName"] for policy in attached] == ["all"]
        # One object that is reached in two ways is still one.
        backend = client.emulator.iot()
        ((certificate, _),) = backend.principal_things.values()
        assert certificate is backend.certificates[made["certificateId"]]


def test_the_services_around_it_come_back(new, path):
    with served(new()) as client:
        s3, sqs, sns = client("s3"), client("sqs"), client("sns")
        s3.create_bucket(Bucket="reports-1", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket="reports-1", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="reports-1", Key="a", Body=b"old", Metadata={"Kind": "x"})
        s3.put_object(Bucket="reports-1", Key="a", Body=b"new")
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:q")
        sns.publish(TopicArn=topic, Message="before")
        client("cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}])
        pool = client("cognito-identity").create_identity_pool(
            IdentityPoolName="p", AllowUnauthenticatedIdentities=True
        )["IdentityPoolId"]
        client("iam").create_user(UserName="u")
        saved = save(client.emulator, path)
    assert saved.left_out == []
    with again(path) as client:
        s3, sqs, sns = client("s3"), client("sqs"), client("sns")
        versions = s3.list_object_versions(Bucket="reports-1")["Versions"]
        bodies = {s3.get_object(Bucket="reports-1", Key="a", VersionId=v["VersionId"])["Body"].read() for v in versions}
        assert bodies == {b"old", b"new"}
        sns.publish(TopicArn=topic, Message="after")
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        assert sorted(json.loads(m["Body"])["Message"] for m in received) == ["after", "before"]
        assert [m["MetricName"] for m in client("cloudwatch").list_metrics(Namespace="n")["Metrics"]] == ["m"]
        assert client("cognito-identity").describe_identity_pool(IdentityPoolId=pool)["IdentityPoolName"] == "p"
        assert client("iam").get_user(UserName="u")["User"]["UserName"] == "u"


def test_a_service_that_is_not_saved_is_named(new, path):
    with served(new()) as client:
        client("events").put_rule(Name="r", ScheduleExpression="rate(1 day)")
        assert "events" not in SERVICES
        assert save(client.emulator, path).left_out == ["events"]


def test_accounts_and_regions_come_back_apart(new, path):
    with served(new()) as client:
        client.iot.create_thing(thingName="here")
        client("iot", region_name="us-east-1").create_thing(thingName="there")
        client.emulator.iot("111122223333").create_thing("theirs", None, None)
        save(client.emulator, path)
    with again(path) as client:
        assert [t["thingName"] for t in client.iot.list_things()["things"]] == ["here"]
        there = client("iot", region_name="us-east-1").list_things()["things"]
        assert [t["thingName"] for t in there] == ["there"]
        assert [t.thing_name for t in client.emulator.iot("111122223333").things.values()] == ["theirs"]


def test_settings_and_the_kind_of_clock_come_back(path):
    emulator = Emulator(
        RunningClock(START, 60.0, monotonic=lambda: 0.0),
        account="111122223333",
        region="us-west-2",
        seed=9,
        audit_duration=timedelta(seconds=7),
        execution_duration=timedelta(seconds=3),
        data_collection=timedelta(hours=2),
        throttle=True,
    )
    with emulator:
        save(emulator, path)
    with StateFile(path) as file, file.load() as loaded:
        assert (loaded.account, loaded.region, loaded.seed) == ("111122223333", "us-west-2", 9)
        assert (loaded.audit_duration, loaded.execution_duration) == (timedelta(seconds=7), timedelta(seconds=3))
        assert (loaded.data_collection, loaded.throttle) == (timedelta(hours=2), True)
        assert isinstance(loaded.clock, RunningClock)
        assert loaded.clock.speed == 60.0
        assert START <= loaded.now() < START + timedelta(hours=2)
    with StateFile(path) as file, file.load(speed=1.0) as loaded:
        assert loaded.clock.speed == 1.0


def test_a_later_state_replaces_an_earlier_one_and_leaves_nothing_beside_it(new, path):
    with new() as emulator:
        save(emulator, path)
        emulator.iot().create_thing("t", None, None)
        save(emulator, path)
        assert os.listdir(path.parent) == [path.name]
        # It may hold access keys that the emulated IAM gave out.
        assert path.stat().st_mode & 0o077 == 0
    with again(path) as client:
        assert len(client.emulator.iot().things) == 1


def revocation_list():
    key = ec.generate_private_key(ec.SECP256R1())
    revoked = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(START).build()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example CA")]))
        .last_update(START)
        .next_update(START + timedelta(days=7))
        .add_revoked_certificate(revoked)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_what_the_emulator_was_told_comes_back(new, path):
    with served(new()) as client:
        made = furnish(client)
        told = client.emulator
        told.publish_crl(revocation_list())
        told.publish_certificate(made["certificatePem"])
        told.add_weak_keys(fingerprints=["0123456789abcdef0123"])
        role = told.create_service_role("Alias")
        told.use_service(role, "s3", START)
        pool = client("cognito-identity").create_identity_pool(
            IdentityPoolName="p", AllowUnauthenticatedIdentities=True
        )["IdentityPoolId"]
        told.connect_identity(pool, START, authenticated=False)
        told.fail_check(CHECKS[0])
        told.faults.refuse("ListThings", code="ThrottlingException", times=3)
        save(told, path)
    with again(path) as client:
        audit = client.emulator.audit()
        assert len(audit.revocations._lists) == 1
        assert [list(crl.revoked) for crl in audit.revocations._lists.values()] == [[7]]
        assert len(audit.revocations._authorities) == 1
        assert audit.weak_keys._added == {"0123456789abcdef0123"}
        assert last_used("123456789012", role) == {"s3": START}
        assert [p.pool_id for p in audit.connected_pools(START - timedelta(days=1), START)] == [pool]
        assert [row[2] for row in client.emulator.failing_checks()] == [CHECKS[0]]
        assert {key: fault.times for key, fault in client.emulator.faults.active().items()} == {"1": 3}
        assert client.emulator.faults.refuse("ListThings", code="ThrottlingException") == "2"


# Files that are no state, or not one that can be believed


@pytest.fixture
def good(new, path):
    with new() as emulator:
        emulator.iot().create_thing("t", None, None)
        save(emulator, path)
    return path.read_bytes()


def resealed(content, change):
    """Change a state file and give it a checksum that fits."""
    text, _, rest = content[len(MAGIC) :].partition(b"\n")
    body = rest.partition(b"\n")[2]
    text, body = change(text + b"\n", body)
    return b"".join((MAGIC, text, b"sha256 ", state_module._digest(text, body), b"\n", body))


def refused(path):
    before = path.read_bytes()
    with StateFile(path) as file, pytest.raises(EmulatorError) as caught:
        file.load()
    assert path.read_bytes() == before
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_an_empty_file_is_refused(path):
    path.write_bytes(b"")
    assert "it is empty" in refused(path)


@pytest.mark.parametrize("content", [b"# my notes\n", b"PK\x03\x04", bytes(range(256)) * 40, pickle.dumps({})])
def test_a_foreign_file_is_refused_and_never_written_over(content, path, new):
    path.write_bytes(content)
    assert "not a saved state" in refused(path)
    with new() as emulator, StateFile(path) as file, pytest.raises(EmulatorError, match="not a saved state"):
        file.save(emulator)
    assert path.read_bytes() == content


def test_a_state_cut_off_anywhere_is_refused(good, path):
    chance = random.Random(1)
    for length in [*range(1, 40), *(chance.randrange(len(good)) for _ in range(60)), len(good) - 1]:
        path.write_bytes(good[:length])
        assert "damaged or cut off" in refused(path) or length < len(MAGIC)


def test_a_state_with_any_bit_turned_is_refused(good, path):
    chance = random.Random(2)
    for _ in range(100):
        position = chance.randrange(len(good))
        path.write_bytes(good[:position] + bytes([good[position] ^ (1 << chance.randrange(8))]) + good[position + 1 :])
        refused(path)


def test_another_format_is_refused(good, path):
    path.write_bytes(resealed(good, lambda text, body: (text.replace(b'"format":1', b'"format":2'), body)))
    assert "its format is 2" in refused(path)


def test_another_version_of_moto_is_refused_with_the_way_out(good, path):
    mine = f'"moto":"{moto.__version__}"'.encode()
    path.write_bytes(resealed(good, lambda text, body: (text.replace(mine, b'"moto":"1.0"'), body)))
    assert "pip install 'moto==1.0'" in refused(path)


@pytest.mark.parametrize("text", [b"\n", b"[]\n", b'{"format":1}\n', b'{"format":"one"}\n', b"\xff\n"])
def test_a_header_that_is_none_is_refused(good, path, text):
    path.write_bytes(resealed(good, lambda _, body: (text, body)))
    assert "it is damaged" in refused(path)


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def shell_with(arguments):
    """Bytes that call a class of the emulator, which plain data never does."""
    return (
        b"\x80\x04"
        b"cddreport.emulation.connections\nConnectionLog\n" + pickle.dumps(arguments, 0).removesuffix(b".") + b"R."
    )


@pytest.mark.parametrize(
    "body",
    [
        pickle.dumps(Evil(os.system, "echo ran > ran")),
        pickle.dumps(Evil(eval, "open('ran', 'w')")),
        pickle.dumps(Evil(getattr, {}, "clear")),
        pickle.dumps(Evil(Path, "x")),
        pickle.dumps(Evil(re.compile, "(")),
        b"cddreport.emulation.server\nsocket.socket\n(tR.",
        b"cddreport.emulation.state_codec\n_reference\n(Vroot\nViot\nV12\nVmoon\nV\ntR.",
        b"cddreport.emulation.state_codec\n_reference\n(Vpattern\nV(\nI0\ntR.",
        b"cddreport.emulation.state_codec\nimport_module\n(Vos\ntR.",
        b"cddreport.emulation.server\nmake_server\n(tR.",
        b"cmoto.core.base_backend\nboto3.client\n(tR.",
        b"cmoto.ec2.models\nEC2Backend\n(tR.",
        shell_with(()),
        b"",
        b"no pickle at all",
        pickle.dumps({}),
        pickle.dumps({"objects": {("iot", "../../etc", "eu-west-1", ""): {}}, "chance": ()}),
    ],
)
def test_nothing_in_a_state_is_ever_run(good, path, body, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path.write_bytes(resealed(good, lambda text, _: (text, zlib.compress(body))))
    assert "cannot be read" in refused(path)
    assert not (tmp_path / "ran").exists()


def test_a_refused_state_leaves_no_emulator_behind(good, path):
    path.write_bytes(resealed(good, lambda text, _: (text, zlib.compress(b"x"))))
    refused(path)
    with pytest.raises(EmulatorError, match="no emulator is installed"):
        state_module.state_codec.audit_backends["123456789012"]["eu-west-1"]


def test_what_cannot_be_saved_is_named_and_the_old_file_stays(good, path, new):
    with new() as emulator:
        emulator.iot().policies["x"] = open(os.devnull)  # noqa: SIM115
        with StateFile(path) as file, pytest.raises(EmulatorError, match="TextIOWrapper"):
            file.save(emulator)
        emulator.iot().policies.pop("x").close()
    assert path.read_bytes() == good


def test_a_missing_folder_and_a_folder_are_told(tmp_path):
    with pytest.raises(EmulatorError, match="No such file or directory"):
        StateFile(tmp_path / "none" / "s").open()
    with pytest.raises(EmulatorError, match="is a folder"):
        StateFile(tmp_path).open()


def test_a_missing_state_is_told(path):
    with StateFile(path) as file:
        assert not file.exists()
        with pytest.raises(EmulatorError, match="there is no state file"):
            file.load()


def test_two_emulators_cannot_share_a_file(path):
    with StateFile(path), pytest.raises(EmulatorError, match="another emulator is running"):
        StateFile(path).open()
    with StateFile(path):
        pass


def test_a_full_disk_is_told_and_the_old_state_stays(good, path, new, monkeypatch):
    def full(handle, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_module.os, "write", full)
    with new() as emulator, StateFile(path) as file, pytest.raises(EmulatorError, match="No space left on device"):
        file.save(emulator)
    assert path.read_bytes() == good


# Saving while it is served


def test_a_control_call_saves(new, path):
    with served(new()) as client, StateFile(path) as file, Autosave(file, client.emulator, every=3600):
        client.iot.create_thing(thingName="t")
        answer = client.post("save")
        assert answer["file"] == str(path)
        assert answer["bytes"] == path.stat().st_size
        assert file.header().requests == client.emulator.request_count
        assert answer["leftOut"] == []


def test_without_a_file_the_control_call_says_so(new):
    with served(new()) as client:
        with pytest.raises(HTTPError) as caught:
            client.post("save")
        assert caught.value.code == 409
        assert "--state" in json.load(caught.value)["message"]


def test_changes_are_saved_by_themselves_and_idleness_is_not(new, path):
    with served(new()) as client, StateFile(path) as file, Autosave(file, client.emulator, every=0.02):
        first = path.stat().st_ino, path.stat().st_mtime_ns
        client.iot.create_thing(thingName="t")
        deadline = time.monotonic() + 20
        while (path.stat().st_ino, path.stat().st_mtime_ns) == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        quiet = threading.Event()
        settled = path.stat().st_mtime_ns
        quiet.wait(0.2)
        assert path.stat().st_mtime_ns == settled
    with again(path) as client:
        assert len(client.emulator.iot().things) == 1


def test_the_end_saves(new, path):
    with new() as emulator, StateFile(path) as file:
        with Autosave(file, emulator, every=3600):
            emulator.iot().create_thing("t", None, None)
        assert emulator.on_save is None
    with again(path) as client:
        assert len(client.emulator.iot().things) == 1


def test_requests_of_many_threads_do_not_disturb_saving(new, path):
    with served(new()) as client, StateFile(path) as file:
        failures = []

        def work(number):
            iam, sns = client("iam"), client("sns")
            for i in range(40):
                try:
                    iam.create_user(UserName=f"u-{number}-{i}")
                    sns.create_topic(Name=f"t-{number}-{i}")
                except Exception as error:  # noqa: BLE001 (told below)
                    failures.append(error)

        workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            file.save(client.emulator)
        assert failures == []
        file.save(client.emulator)
    with again(path) as client:
        assert len(client("iam").list_users(MaxItems=1000)["Users"]) == 160


# Killed at any moment


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_kill_at_any_moment_leaves_a_whole_state(path):
    chance = random.Random(3)
    told = 0
    for _ in range(8):
        process = subprocess.Popen([sys.executable, str(WRITER), str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline()
        time.sleep(chance.random() * 0.15)
        process.kill()
        rest, _ = process.communicate()
        printed = [int(line) for line in rest.split()]
        told = max([told, *printed])
        with StateFile(path) as file, file.load() as emulator:
            # Everything that was said to be saved is there, in whole rounds of fifty.
            things = len(emulator.iot().things)
            assert things >= told
            assert things % 50 == 0
            assert all(re.fullmatch(r"thing-\d+", t.thing_name) for t in emulator.iot().things.values())
    assert told >= 50
