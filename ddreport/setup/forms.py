"""Forms of the words in `[setup]`: names, addresses and choices, each with a message that says what is allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from ddreport.errors import SettingsError, did_you_mean
from ddreport.mitigation.action_rules import shown
from ddreport.setup.desired import Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T", bound=str)

NONE = "none"
"""What a part of `[setup]` is set to where that part is to be left alone."""

ROLE_ARN = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/([\w+=,.@/-]+)")
TOPIC_ARN = re.compile(r"arn:(aws[a-z-]*):sns:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_-]{1,256})")
_QUEUE_ARN = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SCHEDULE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_EMAIL = re.compile(r"[^@\s<>\"',;:]+@[^@\s<>\"',;:]+\.[^@\s<>\"',;:.]+")
_HTTPS = re.compile(r"https://[^\s/@]+(/\S*)?")
_TAG = re.compile(r"[\w\s.:/=+@-]*")
MOST_TAGS = 40
"""AWS allows 50 on a resource; the rest is for set-up's own."""


def refuse_unknown(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """Refuse keys that nobody knows (`SettingsError`)."""
    names = list(allowed)
    for key in table:
        if key not in names:
            raise SettingsError(
                f"{where}: unknown key {shown(key)}; allowed: {', '.join(names)}.{did_you_mean(key, names)}"
            )


def a_table(value: Any, where: str, example: str) -> Mapping[str, Any]:
    """Return a TOML table (`SettingsError`)."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where} is {shown(value)}; allowed: {NONE!r}, or a table such as {example}.")
    return value


def a_choice(value: Any, allowed: Iterable[T], where: str) -> T:
    """Return one of a few words, whatever its case (`SettingsError`)."""
    words = list(allowed)
    for word in words:
        if isinstance(value, str) and value.casefold() == word.casefold():
            return word
    close = did_you_mean(value.upper(), words) if isinstance(value, str) else ""
    raise SettingsError(f"{where} is {shown(value)}; allowed: {', '.join(words)}.{close}")


def a_flag(value: Any, where: str) -> bool:
    """Return true or false (`SettingsError`)."""
    if not isinstance(value, bool):
        raise SettingsError(f"{where} is {shown(value)}; allowed: true or false.")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Return a list of texts, none twice (`SettingsError`)."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise SettingsError(f"{where} is {shown(value)}; allowed: a list of texts.")
    twice = next((item for item in value if value.count(item) > 1), None)
    if twice is not None:
        raise SettingsError(f"{where} names {shown(twice)} twice.")
    return tuple(value)


def a_role(value: Any, where: str) -> str:
    """Return the name or the ARN of a role (`SettingsError`)."""
    if isinstance(value, str) and (ROLE_ARN.fullmatch(value) or _ROLE_NAME.fullmatch(value)):
        return value
    raise SettingsError(
        f"{where} is {shown(value)}; allowed: the name of a role (1 to 64 letters, digits and +=,.@_-), which is made "
        "where there is none, or the ARN of one that exists, arn:aws:iam::ACCOUNT:role/NAME."
    )


def a_topic(value: Any, where: str) -> str:
    """Return the name or the ARN of an SNS topic (`SettingsError`)."""
    if isinstance(value, str) and (TOPIC_ARN.fullmatch(value) or _TOPIC_NAME.fullmatch(value)):
        return value
    more = " Device Defender does not publish to FIFO topics." if str(value).endswith(".fifo") else ""
    raise SettingsError(
        f"{where} is {shown(value)}; allowed: the name of a topic (1 to 256 letters, digits, - and _), which is made "
        f"where there is none, or the ARN of one that exists.{more}"
    )


def a_schedule_name(value: str, where: str) -> str:
    """Return the name of a scheduled audit (`SettingsError`)."""
    if not _SCHEDULE_NAME.fullmatch(value):
        raise SettingsError(f"{where}: the name is {shown(value)}; allowed: 1 to 128 letters, digits, _ and -.")
    return value


def a_subscriber(value: str, where: str) -> Subscriber:
    """Return who is meant by an e-mail address, a queue's ARN or an https address (`SettingsError`)."""
    word = value.removeprefix("mailto:")
    queue = _QUEUE_ARN.fullmatch(word)
    if queue and not queue[1]:
        return Subscriber("sqs", word)
    if _HTTPS.fullmatch(word):
        return Subscriber("https", word)
    if _EMAIL.fullmatch(word):
        return Subscriber("email", word)
    raise SettingsError(
        f"{where} names {shown(value)}; allowed: an e-mail address, the ARN of an SQS queue that is no FIFO queue, or "
        "an https:// address."
    )


def tags(value: Any, where: str) -> dict[str, str]:
    """Return tags in a form that all services take (`SettingsError`)."""
    table = a_table(value, where, '{ team = "iot" }')
    for key, text in table.items():
        if not (_TAG.fullmatch(key) and 0 < len(key) <= 128) or key.lower().startswith(("aws:", "ddreport:")):
            raise SettingsError(
                f"{where}: the key is {shown(key)}; allowed: 1 to 128 letters, digits, spaces and . : / = + - @ _, not "
                "beginning with aws: or ddreport:."
            )
        if not isinstance(text, str) or not _TAG.fullmatch(text) or len(text) > 256:
            raise SettingsError(
                f"{where}: {key} is {shown(text)}; allowed: at most 256 letters, digits, spaces and . : / = + - @ _."
            )
    if len(table) > MOST_TAGS:
        raise SettingsError(f"{where} has {len(table)} tags; allowed: at most {MOST_TAGS}.")
    return dict(table)
