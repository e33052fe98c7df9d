"""Fleet files of other people: the documented example, every documented key, and mistakes told with their place."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import get_args

import pytest

from ddreport.emulation import RunningClock
from ddreport.emulation.fleet import description as kinds
from ddreport.emulation.fleet import fleet_emulator, parse_description, read_description
from ddreport.emulation.fleet.events import AnyEvent, Batch, Event
from ddreport.emulation.world import current
from ddreport.errors import EmulatorError

AS_OF = datetime(2026, 3, 2, 9, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs" / "fleet-file.md"


def documented_example():
    text = DOCS.read_text(encoding="utf-8")
    return text.split("<!-- example: built by a test -->\n```toml\n")[1].split("```")[0]


EXAMPLE = documented_example()


def build(text, **options):
    return fleet_emulator(parse_description(text, source="fleet.toml"), as_of=AS_OF, **{"seed": 1} | options)


@pytest.fixture(scope="module")
def example():
    """What the audits of the documented example saw, by day."""
    with build(EXAMPLE) as emulator:
        emulator.use_clock(RunningClock(AS_OF, monotonic=lambda: 0.0))
        listed = emulator.call("ListAuditTasks", startTime=AS_OF - timedelta(days=60), endTime=AS_OF, maxResults=250)
        tasks = [emulator.call("DescribeAuditTask", taskId=t["taskId"]) | t for t in listed["tasks"]]
        first = datetime(2026, 2, 1, tzinfo=UTC).timestamp()
        by_day = {int((task["taskStartTime"] - first) // 86_400) + 1: task for task in tasks}
        iot = emulator.iot()
        counts = {
            "things": len(iot.things),
            "certificates": len(iot.certificates),
            "revoked": sum(c.status == "REVOKED" for c in iot.certificates.values()),
            "inactive": sum(c.status == "INACTIVE" for c in iot.certificates.values()),
            "aliases": list(iot.role_aliases),
            "groups": {group.thing_group_name for group in iot.thing_groups.values()},
        }
        yield by_day, counts, emulator.now()


def test_the_documented_example_has_the_devices_it_describes(example):
    _, counts, _ = example
    assert counts["things"] == 65
    assert counts["revoked"] == 5
    assert counts["certificates"] == 65 + counts["inactive"]
    assert counts["inactive"] > 10
    assert counts["aliases"] == ["pump-logs"]
    assert {"site-graz", "region-alps", "line-pump"} <= counts["groups"]


def test_the_documented_example_is_audited_every_day_of_its_history(example):
    by_day, _, now = example
    assert set(by_day) == set(range(1, 31))
    assert now == AS_OF


def test_the_incident_of_the_documented_example_is_seen_and_over(example):
    by_day, _, _ = example
    check = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
    seen = [day for day in sorted(by_day) if not by_day[day]["auditDetails"][check]["checkCompliant"]]
    assert seen == [11, 12, 13, 14]


def test_the_documented_ca_is_found_when_it_comes_near_its_end(example):
    by_day, _, _ = example
    check = "CA_CERTIFICATE_EXPIRING_CHECK"
    seen = [day for day in sorted(by_day) if by_day[day]["auditDetails"][check].get("nonCompliantResourcesCount")]
    assert seen == list(range(15, 31))


# The page names everything


def documented_keys(kind):
    """Return the keys that the page has in its tables, for the struct with this heading."""
    text = DOCS.read_text(encoding="utf-8")
    sections = {
        kinds.FleetDescription: "At the top:",
        kinds.Company: "`[company]`",
        kinds.Region: "`[[regions]]`",
        kinds.AuthorityDescription: "`[[authorities]]`",
        kinds.ProductLine: "`[[lines]]`",
        Batch: "`[[lines.batches]]`",
    }
    table = text.split(f"\n{sections[kind]}")[1].split("\n\n")[1]
    return set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))


@pytest.mark.parametrize(
    "kind", [kinds.FleetDescription, kinds.Company, kinds.Region, kinds.AuthorityDescription, kinds.ProductLine, Batch]
)
def test_every_key_is_documented(kind):
    assert documented_keys(kind) == set(kind.__struct_encode_fields__) - {"(source)"}


def test_every_event_is_documented_with_its_keys():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", DOCS.read_text(encoding="utf-8").split("## Events")[1], re.MULTILINE)
    documented = {name: keys for name, keys in rows if name != "do"}
    assert set(documented) == {kind.__struct_config__.tag for kind in get_args(AnyEvent)}
    for kind in get_args(AnyEvent):
        own = set(kind.__struct_encode_fields__) - set(Event.__struct_encode_fields__)
        keys = set(re.findall(r"`([a-z_]+)`", documented[kind.__struct_config__.tag]))
        assert own == keys, kind


# Reading


def test_a_file_is_read_from_its_path(tmp_path):
    path = tmp_path / "fleet.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    description = read_description(path)
    assert description.source == str(path)
    assert description.days == 30


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(EmulatorError, match=r"none\.toml cannot be read: No such file"):
        read_description(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_told(tmp_path):
    path = tmp_path / "fleet.toml"
    path.write_bytes(b"days = \xff")
    with pytest.raises(EmulatorError, match="not a text in UTF-8, byte 7"):
        read_description(path)


def test_the_smallest_file_gives_an_account_without_devices():
    with build('lines = []\n[company]\norganization = "X"\ncountry = "DE"\n') as emulator:
        assert not emulator.iot().things
        assert emulator.now() >= AS_OF


def test_another_account_region_and_speed():
    with build(EXAMPLE, account="111122223333", region="us-west-2", speed=60.0) as emulator:
        assert len(emulator.iot().things) == 65
        (policy,) = emulator.iot().policies.values()
        assert "arn:aws:iot:us-west-2:111122223333:client/" in str(policy.document)
        assert emulator.clock.speed == 60.0


@pytest.mark.parametrize(("ages", "low", "high"), [("even", 80, 120), ("young", 45, 80), ("old", 120, 155)])
def test_ages_are_distributed_as_asked(ages, low, high):
    text = EXAMPLE.replace("age_days = [10, 360]", "age_days = [0, 200]").replace('ages = "old"', f'ages = "{ages}"')
    text = text.split("[[events]]")[0]
    with build(text) as emulator:
        begins = AS_OF.replace(hour=0, tzinfo=None) - timedelta(days=29)
        young = [c for c in emulator.iot().certificates.values() if c.status == "ACTIVE"]
        assert low < mean((begins - c.creation_date).total_seconds() / 86_400 for c in young) < high


def test_the_same_seed_gives_the_same_fleet_and_another_one_another():
    def ids(seed):
        with build(EXAMPLE.split("[[events]]")[0], seed=seed) as emulator:
            return set(emulator.iot().certificates)

    assert ids(1) == ids(1)
    assert not ids(1) & ids(2)


# Mistakes


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("days = 30", "days = 91", "`days`", "<= 90"),
        ("days = 30", "dayz = 30", "", "`dayz`"),
        ("devices = 60", "devices = -1", "`lines[0].batches[0].devices`", ">= 0"),
        ("devices = 60", 'devices = "many"', "`lines[0].batches[0].devices`", "got `str`"),
        ('status = "REVOKED"', 'status = "GONE"', "`lines[0].batches[1].status`", "GONE"),
        ('country = "AT"', 'country = "Austria"', "`company.country`", "regex"),
        ('prefix = "GP"', 'prefix = "G P"', "`lines[0].prefix`", "regex"),
        ('do = "renew"', 'do = "renw"', "`events[4]", "renw"),
        ("success_rate = 0.8", "success_rate = 1.8", "`events[4].success_rate`", "<= 1"),
        ("day = 20", "day = 20\nhour = 3", "`events[4]`", "hour"),
        ('organization = "Example', "organization = Example", "", "line 4"),
    ],
)
def test_a_wrong_value_is_told_with_file_and_place(old, new, place, said):
    assert old in EXAMPLE
    with pytest.raises(EmulatorError, match=r"^fleet\.toml does not describe a fleet") as caught:
        build(EXAMPLE.replace(old, new))
    assert place in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'authority = "Example Device CA"',
            'authority = "Exmple Device CA"',
            "lines[0].authority: there is no authority 'Exmple Device CA'. Did you mean 'Example Device CA'?",
        ),
        ('policies = ["pump"]', 'policies = ["pomp"]', "lines[0].policies: there is no policy 'pomp'."),
        ('pump = ["own-topics"]', 'pump = ["topics"]', "policies.pump: there is no document 'topics'"),
        ('document = "everything"', 'document = "every"', "events[2] (day 10, policy_version).document: there is no"),
        ('line = "pump"', 'line = "bump"', "events[4] (day 20, renew).line: there is no line 'bump'."),
        ("DEVICE_CERTIFICATE_EXPIRING_CHECK =", "EXPIRING =", "events[0] (day 0, configure).thresholds: there is no"),
        ("valid_days = [-800, 45]", "valid_days = [45, 45]", "authorities[0].valid_days: the validity ends on day 45"),
        ("valid_days = [-800, 45]", "valid_days = [3, 45]", "needs an event register_authority"),
        ("age_days = [10, 360]", "age_days = [360, 10]", "lines[0].batches[0].age_days: the youngest age 360"),
        ('"graz", "linz"', '"graz", "graz"', "the site 'graz' is described 2 times"),
        ("day = 20", "day = 31", "events[4] (day 31, renew): the history ends with day 30"),
        ('Effect = "Allow", Action = "iot:*"', 'Effect = "Perhaps", Action = "iot:*"', "documents.everything: this is"),
        ('Resource = "*"', "Resource = 1", "documents.everything: this is no policy document"),
        ('do = "create_schedule"', 'do = "quarantine"\nline = "pump"\ndevice = 1', "no event clone before it"),
    ],
)
def test_a_contradiction_is_told_with_file_and_place(old, new, message):
    assert old in EXAMPLE
    with pytest.raises(EmulatorError, match=r"^fleet\.toml describes a fleet that cannot be built") as caught:
        build(EXAMPLE.replace(old, new))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ('pump = ["own-topics"]', 'pump = ["own-topics", "everything", "everything", "everything", "everything"]',
         "events[2] (day 10, policy_version), at 2026-02-10 16:00 UTC", "VersionsLimitExceededException"),
        ('do = "configure"\nthresholds = { DEVICE_CERTIFICATE_EXPIRING_CHECK = 30 }',
         'do = "set_logging"\nlevel = "ERROR"', "events[1] (day 0, create_schedule)", "Exception"),
        ("thresholds = { DEVICE_CERTIFICATE_EXPIRING_CHECK = 30 }", "thresholds = { LOGGING_DISABLED_CHECK = 30 }",
         "events[0] (day 0, configure)", "has no threshold"),
        ('do = "create_schedule"', 'do = "clone"\nline = "pump"\ndevice = 900\nclients = ["a"]\ndays = 1',
         "events[1] (day 0, clone)", "no active device 900"),
        ('do = "create_schedule"', 'do = "delete_schedule"', "events[1] (day 0, delete_schedule)", "NotFound"),
        ('do = "create_schedule"',
         'do = "mitigate"\ntask = "t"\ncheck = "LOGGING_DISABLED_CHECK"\naction = "QuarantineThingsAction"',
         "events[1] (day 0, mitigate)", "no scheduled audit"),
    ],
)  # fmt: skip
def test_what_is_refused_on_the_way_is_told_with_its_place_and_leaves_no_emulator(old, new, place, said):
    assert old in EXAMPLE
    with pytest.raises(EmulatorError, match=r"^fleet\.toml: ") as caught:
        build(EXAMPLE.replace(old, new))
    assert place in str(caught.value)
    assert said in str(caught.value)
    with pytest.raises(EmulatorError, match="no emulator is installed"):
        current()


def test_the_first_few_problems_are_told_together_and_the_rest_counted():
    text = (
        EXAMPLE.replace("pump =", "bomb =")
        .replace('line = "pump"', 'line = "x"')
        .replace('["graz", "linz"]\na', '["a-1", "b-2", "c-3", "d-4"]\na')
    )
    with pytest.raises(EmulatorError, match=r"and \d+ more") as caught:
        build(text)
    assert str(caught.value).count("there is no") == 5


def test_the_example_is_toml_for_others_too():
    assert tomllib.loads(EXAMPLE)["days"] == 30
