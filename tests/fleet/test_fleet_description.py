"""A fleet's file: what it may say, and how a mistake is told."""

from datetime import UTC, datetime, time
from typing import get_args

import pytest

from ddreport.emulation.fleet.description import Calendar, demo_description, parse_description
from ddreport.emulation.fleet.events import AnyEvent
from ddreport.emulation.fleet.policies import iot_document
from ddreport.emulation.fleet.stage import is_handled
from ddreport.errors import EmulatorError

MINIMAL = """
lines = []
regions = []
authorities = []
events = [{ day = 3, at = 10:00:00, do = "set_logging", level = "ERROR" }]
company = { organization = "Example Works", country = "DE" }
documents = { open = [{ Effect = "Allow", Action = "iot:*", Resource = "*" }] }
policies = { all = ["open"] }
role_aliases = {}
"""


def parsed(text):
    return parse_description(text, source="fleet.toml")


def test_a_minimal_file_is_read():
    description = parsed(MINIMAL)
    assert description.events[0].level == "ERROR"
    assert description.events[0].at == time(10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("level =", "levle ="), "levle"),
        (('"set_logging"', '"set_login"'), "set_login"),
        (("day = 3", 'day = "three"'), "Expected `int`, got `str`"),
        (("lines = []", ""), "missing required field `lines`"),
        (("lines = []", "lines = ["), "fleet.toml does not describe a fleet"),
    ],
)
def test_a_mistake_names_the_file_and_the_place(change, message):
    with pytest.raises(EmulatorError, match=r"fleet\.toml") as caught:
        parsed(MINIMAL.replace(*change))
    assert message in str(caught.value)


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(EmulatorError, match="no policy document 'closed'; it has: open"):
        parsed(MINIMAL).statements("closed")


def test_the_demo_names_only_what_it_describes():
    demo = demo_description()
    shapes = {shape for versions in demo.policies.values() for shape in versions}
    assert shapes <= set(demo.documents)
    assert {policy for line in demo.lines for policy in line.policies} <= set(demo.policies)
    assert {line.authority for line in demo.lines} <= {authority.name for authority in demo.authorities}
    assert {site for line in demo.lines for site in line.sites} <= {s for r in demo.regions for s in r.sites}


def test_the_demo_tells_its_events_in_the_order_of_time():
    moments = [(event.day, event.at) for event in demo_description().events]
    assert moments == sorted(moments)


def test_every_kind_of_event_is_handled():
    assert {kind for kind in get_args(AnyEvent) if not is_handled(kind)} == set()


def test_the_last_day_is_the_day_of_as_of():
    calendar = Calendar(datetime(2026, 3, 2, 23, 59, tzinfo=UTC), last_day=90)
    assert calendar.at(90, time(3, 50)) == datetime(2026, 3, 2, 3, 50, tzinfo=UTC)
    assert calendar.at(1) == datetime(2025, 12, 3, tzinfo=UTC)


def test_resources_get_the_accounts_own_arn():
    statements = [{"Effect": "Allow", "Action": "iot:Connect", "Resource": ["ARN:client/a", "*"]}]
    document = iot_document(statements, region="eu-west-1", account="123456789012")
    assert '"Resource": ["arn:aws:iot:eu-west-1:123456789012:client/a", "*"]' in document
