"""Campaigns in the archive: their chain, what damages it, merging, retention, and archives in S3."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ddreport.archive import Archive, verify
from ddreport.archive.campaigns import CAMPAIGNS, CampaignJournal, campaign_folder, read_campaign
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveWriteError
from ddreport.mitigation.events import Begun, Finished, Stopped, StopReason, WaveBegun

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path):
    return Archive.open(tmp_path / "archive", create=True)


def begin(archive, plan, *more, by="arn:aws:iam::111122223333:user/ann"):
    with CampaignJournal(archive.path, plan) as journal:
        if not journal.events:
            journal.append(Begun(time=NOW, by=by, version="1"))
        for event in more:
            journal.append(event)
        head = journal.head
    archive.record_campaign(NOW, {"plan": plan.digest, "account": None, "region": None, "journal_sha256": head})
    return campaign_folder(archive.path, plan.digest)


@pytest.fixture
def plan(make):
    return make.plan(make.planned(1, "Deactivate"))


EVENTS = (WaveBegun(time=NOW, wave=1), Stopped(time=NOW, why=StopReason.INTERRUPTED, note="x", wave=1))


def test_a_journal_reads_back_and_verifies(archive, plan):
    begin(archive, plan, *EVENTS)
    assert read_campaign(archive.path, plan.digest).events[1:] == EVENTS
    found = verify(archive.path)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.replace(b"user/ann", b"user/bob"), "line 2 does not follow line 1"),
        (lambda data: data.replace(b'"note":"x"', b'"note":"y"'), "a manifest tells of a line that is not in it"),
        (lambda data: data[: data.rfind(b"\n", 0, -1) + 1], "a manifest tells of a line that is not in it"),
        (lambda data: data[data.find(b"\n") + 1 :], "line 1 is not of this plan"),
        (lambda data: data[:-1] + b" \n", "line 3 that is none of a journal"),
    ],
)
def test_a_changed_or_shortened_journal_is_named(archive, plan, change, told):
    path = begin(archive, plan, *EVENTS) / "journal.jsonl"
    path.write_bytes(change(path.read_bytes()))
    (problem,) = verify(archive.path).problems
    assert problem.path == f"{CAMPAIGNS}/{plan.digest}/journal.jsonl"
    assert told in problem.message


def test_a_changed_or_missing_plan_is_named_and_nothing_is_done_with_it(archive, plan):
    path = begin(archive, plan) / "plan.json"
    path.write_bytes(path.read_bytes().replace(b'"prod"', b'"test"'))
    assert [p.path for p in verify(archive.path).problems] == [f"{CAMPAIGNS}/{plan.digest}/plan.json"]
    with pytest.raises(ArchiveCorruptError, match=r"plan\.json"):
        CampaignJournal(archive.path, plan)
    path.unlink()
    assert "is missing" in verify(archive.path).problems[0].message


def test_an_unfinished_line_is_noted_and_removed_by_the_next_run(archive, plan):
    path = begin(archive, plan, *EVENTS) / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    found = verify(archive.path)
    assert (found.problems, [n.path for n in found.notes]) == ([], [f"{CAMPAIGNS}/{plan.digest}/journal.jsonl"])
    with CampaignJournal(archive.path, plan) as journal:
        assert journal.cut_off_bytes == 40
        assert journal.events[1:] == list(EVENTS)
    assert path.read_bytes() == whole


def test_a_line_that_cannot_be_written_is_not_there_and_nothing_comes_after_it(archive, plan, monkeypatch):
    import os

    with CampaignJournal(archive.path, plan) as journal:
        journal.append(Begun(time=NOW, by="me", version="1"))
        before, real = journal.path.read_bytes(), os.write

        def full(handle, data):
            real(handle, bytes(data)[:10])
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("ddreport.archive.campaigns.os.write", full)
            with pytest.raises(ArchiveWriteError, match="No space left"):
                journal.append(EVENTS[0])
        assert journal.path.read_bytes() == before
        with pytest.raises(ArchiveWriteError, match="No space left"):
            journal.append(EVENTS[1])


def test_merging_brings_campaigns_in_and_lets_the_longer_journal_count(archive, plan, make, tmp_path):
    begin(archive, plan)
    archive.append(_audit(), pulled_time=NOW)
    other = Archive.open(shutil.copytree(archive.path, tmp_path / "other"))
    begin(other, plan, *EVENTS)
    begin(other, make.plan(make.planned(2, "Deactivate")))
    done = archive.merge(other.path, time=NOW)
    assert done.campaigns_count == 2
    assert read_campaign(archive.path, plan.digest).events[1:] == EVENTS
    assert archive.merge(other.path, time=NOW).campaigns_count == 0
    assert verify(archive.path).problems == []


def test_two_stories_of_one_plan_are_not_merged(archive, plan, tmp_path):
    archive.append(_audit(), pulled_time=NOW)
    other = Archive.open(shutil.copytree(archive.path, tmp_path / "other"))
    begin(archive, plan)
    begin(other, plan, by="arn:aws:iam::111122223333:user/bob")
    with pytest.raises(ArchiveError, match="nothing was merged"):
        archive.merge(other.path, time=NOW)


def test_retention_leaves_campaigns_alone(archive, plan):
    archive.append(_audit(), pulled_time=NOW)
    begin(archive, plan, *EVENTS)
    archive.prune(keep_days=90, time=NOW + timedelta(days=400))
    assert len(read_campaign(archive.path, plan.digest).events) == 3
    assert verify(archive.path).problems == []


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        boto3.client("s3").create_bucket(Bucket="audits")
        yield "s3://audits/fleet"
    finally:
        server.stop()


def test_in_s3_a_journal_is_uploaded_and_gone_on_with_elsewhere(bucket, plan, monkeypatch, tmp_path):
    here = Archive.open(bucket, create=True)
    begin(here, plan)
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "other"))
    there = Archive.open(bucket)
    assert len(read_campaign(there.path, plan.digest).events) == 1
    begin(there, plan, *EVENTS)
    here.refresh()
    assert read_campaign(here.path, plan.digest).events[1:] == EVENTS
    with CampaignJournal(here.path, plan) as journal:  # not uploaded yet, and kept all the same
        journal.append(Finished(time=NOW))
        here.refresh()
        journal.append(Finished(time=NOW))
        here.refresh()
        assert len(read_campaign(here.path, plan.digest).events) == 5
    assert verify(bucket).problems == []


def test_in_s3_two_machines_on_one_plan_are_told_when_their_journals_part(bucket, plan, monkeypatch, tmp_path):
    here = Archive.open(bucket, create=True)
    begin(here, plan)
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "other"))
    there = Archive.open(bucket)
    begin(there, plan, EVENTS[0])
    with CampaignJournal(here.path, plan) as journal:
        journal.append(EVENTS[1])
        with pytest.raises(ArchiveError, match="different stories of one mitigation plan"):
            here.refresh()
    assert len(read_campaign(here.path, plan.digest).events) == 2


def test_a_plan_is_carried_out_into_an_archive_in_s3(site, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", site.world.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
    boto3.client("s3").create_bucket(Bucket="audits")
    site.archive = Archive.open("s3://audits/fleet", create=True)
    plan = site.expiring_plan(3, waves=(1,))
    assert site.apply(plan).exit_code == 0
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "other"))
    found = Archive.open("s3://audits/fleet")
    assert isinstance(read_campaign(found.path, plan.digest).events[-1], Finished)
    assert len(found.load("mitigation_executions")) == 3
    assert verify("s3://audits/fleet").problems == []


def _audit():
    from ddreport import schemas
    from ddreport.records import RecordSet

    tables = {
        name: schemas.SCHEMAS[name].arrow().empty_table() for name in ("mitigation_tasks", "mitigation_executions")
    }
    return RecordSet("mitigation", "111122223333", "eu-west-1", "task-1", NOW, True, tables, [])
