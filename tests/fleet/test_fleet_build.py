"""Building a fleet in this process: arguments, chance, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from ddreport.emulation import Emulator, ManualClock, RunningClock
from ddreport.emulation.fleet import build_demo_fleet, build_empty_account, history_start
from ddreport.errors import EmulatorError, InputError

AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.fixture
def build():
    """Build a fleet in a fresh emulator, which is closed in the end."""
    emulators = []

    def made(seed=7, days=2, as_of=AS_OF):
        emulator = Emulator(ManualClock(history_start(as_of, days=days)), seed=seed)
        emulators.append(emulator)
        return emulator, build_demo_fleet(emulator, as_of=as_of, seed=seed, days=days)

    yield made
    for emulator in emulators:
        emulator.close()


def test_another_seed_gives_another_account(build):
    # A new emulator takes the place of the old one, so each is read before the next is built.
    held = [(set(iot.certificates), set(iot.things)) for iot in (build(seed=seed)[0].iot() for seed in (7, 8))]
    (certificates, things), (other_certificates, other_things) = held
    assert not certificates & other_certificates
    assert len(things & other_things) < 50


def test_the_clock_ends_at_as_of(build):
    emulator, summary = build()
    assert emulator.now() == summary.as_of == AS_OF


def test_a_short_history_is_the_beginning_of_the_story(build):
    _, summary = build(days=2)
    assert summary.audits == 2
    assert summary.begins == datetime(2026, 3, 1, tzinfo=UTC)


def test_the_summary_tells_resources_and_time(build):
    _, summary = build()
    assert summary.resource_count == sum(summary.resources.values()) > 1_500
    assert 0 < summary.seconds < 60


def test_audits_after_the_history_take_as_long_as_before(build):
    emulator, _ = build()
    assert emulator.audit_duration == timedelta(seconds=1)


def test_the_account_lives_on_under_a_running_clock(build):
    emulator, _ = build()
    emulator.use_clock(RunningClock(AS_OF))
    emulator.advance(timedelta(days=1))
    tasks = emulator.call("ListAuditTasks", startTime=AS_OF, endTime=AS_OF + timedelta(days=2))["tasks"]
    assert [task["taskStatus"] for task in tasks] == ["COMPLETED"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_whole_story_plays_with_any_seed(build, seed):
    _, summary = build(seed=seed, days=90)
    assert summary.audits == 92


@pytest.mark.parametrize("days", [0, 91])
def test_a_history_that_aws_would_not_keep_is_refused(build, days):
    with pytest.raises(InputError, match="allowed: 1 to 90"):
        build(days=days)


def test_a_time_without_a_zone_is_refused(build):
    with pytest.raises(InputError, match="without a time zone"):
        build(as_of=AS_OF.replace(tzinfo=None))


def test_a_clock_that_stands_too_late_is_refused():
    with (
        Emulator(ManualClock(AS_OF)) as emulator,
        pytest.raises(EmulatorError, match=r"after the fleet's first day .* Hint: create the emulator with"),
    ):
        build_demo_fleet(emulator, as_of=AS_OF, seed=7)


def test_an_empty_account_has_nothing_configured():
    with Emulator(ManualClock(AS_OF)) as emulator:
        summary = build_empty_account(emulator)
        configuration = emulator.call("DescribeAccountAuditConfiguration")
        assert (summary.resource_count, summary.audits) == (0, 0)
        assert "roleArn" not in configuration
        assert not emulator.iot().things
