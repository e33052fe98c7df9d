"""The plan for the SNS topic and who gets its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.setup.changes import Call, Change, ChangeKind, Part
from ddreport.setup.definitions import Problem
from ddreport.setup.marks import KEY, Mark, digest_of, region_key, tag_list
from ddreport.setup.planning_base import Planned, made_tags, missing_tags, tag_differences, unknown
from ddreport.setup.present import Unknown

if TYPE_CHECKING:
    from ddreport.setup.definitions import Definitions
    from ddreport.setup.desired import Desired
    from ddreport.setup.marks import Memory
    from ddreport.setup.present import Present


def plan_topic(desired: Desired, definitions: Definitions, present: Present, *, memory: Memory | None) -> Planned:
    """Return what has to happen to the topic; `memory` as for `plan_roles`."""
    planned = Planned()
    arn, state = definitions.topic_arn, present.topic
    if arn is None:
        return planned
    name = arn.rpartition(":")[2]
    region = {region_key(present.place.region): str(memory)} if memory is not None else {}
    if isinstance(state, Unknown):
        planned.changes.append(unknown(Part.TOPIC, name, state))
    elif state is None and definitions.topic_given:
        planned.problems.append(
            Problem(f"there is no SNS topic {arn}.", "make it first, or give only a name and let it be made.")
        )
    elif state is None:
        tags = {**made_tags(digest_of([arn]), desired.tags), **region}
        made = Call("sns", "create_topic", {"Name": name, "Tags": tag_list(tags)})
        planned.changes.append(Change(Part.TOPIC, name, ChangeKind.CREATE, ("for messages about audits",), (made,)))
    else:
        mark = Mark.of(state.tags)
        own = mark is not None and mark.made
        wanted = {**desired.tags, **region} if own else {}
        lacking = missing_tags(wanted, state.tags or {})
        said = tag_differences({k: v for k, v in lacking.items() if not k.startswith(KEY)}, state.tags or {})
        calls = (Call("sns", "tag_resource", {"ResourceArn": arn, "Tags": tag_list(lacking)}),) if lacking else ()
        note = () if own else ("not made by set-up; only used",)
        details = tuple(said) or (("its tags about this set-up are not up to date",) if lacking else note)
        kind = ChangeKind.CHANGE if lacking else ChangeKind.LEAVE
        planned.changes.append(Change(Part.TOPIC, name, kind, details, calls))
    return planned


def plan_subscriptions(desired: Desired, definitions: Definitions, present: Present) -> Planned:
    """Return what has to happen so that everybody gets the topic's messages."""
    planned = Planned()
    arn, states = definitions.topic_arn, present.subscriptions
    if arn is None:
        return planned
    for subscriber in desired.subscribers:
        name = f"{subscriber.protocol}:{subscriber.endpoint}"
        if isinstance(states, Unknown):
            planned.changes.append(unknown(Part.SUBSCRIPTION, name, states))
            continue
        found = [s for s in states if (s.protocol, s.endpoint) == (subscriber.protocol, subscriber.endpoint)]
        if not found:
            arguments = {"TopicArn": arn, "Protocol": subscriber.protocol, "Endpoint": subscriber.endpoint}
            details = ("has to be confirmed by whoever gets the first message",) if subscriber.protocol != "sqs" else ()
            call = Call("sns", "subscribe", arguments)
            planned.changes.append(Change(Part.SUBSCRIPTION, name, ChangeKind.CREATE, details, (call,)))
            continue
        planned.changes.append(Change(Part.SUBSCRIPTION, name, ChangeKind.LEAVE))
        if all(s.pending for s in found):
            planned.warnings.append(
                f"{name} has not confirmed the subscription yet and gets no messages; AWS forgets it after some days."
            )
    others = [] if isinstance(states, Unknown) else states
    if not any(not s.pending for s in others) and not isinstance(states, Unknown) and not desired.subscribers:
        planned.warnings.append(
            f"nobody gets the messages of the topic {arn.rpartition(':')[2]}: name subscribers in "
            "[setup.notifications]."
        )
    return planned
