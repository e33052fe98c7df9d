"""Targets: the accounts and Regions that `ddreport` looks at, by name.

`ddreport.toml` names them; `demo` is built in and needs no account:

    [targets.prod-eu]
    profile = "audit-reader"        # a profile of the AWS configuration; default: the standard credential chain
    region = "eu-west-1"
    role_arn = "arn:aws:iam::111122223333:role/DeviceDefenderReader"   # assumed, if given
    external_id = "…"               # for that role, if it asks for one
    endpoint_url = "http://127.0.0.1:5000"                             # an emulator or a VPC endpoint
    mitigation = "second-person"   # read-only, approval, second-person, or allowed (default)

Keys and secrets have no place here: credentials come from the standard AWS chain only.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ddreport.errors import SettingsError, TargetError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

DEMO = "demo"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_URL = re.compile(r"https?://[^\s/]+.*")
_SECRET = re.compile(r"secret|password|token|access_?key|credential", re.IGNORECASE)


class MitigationMode(StrEnum):
    """What may be done to a target's account."""

    READ_ONLY = "read-only"
    """Nothing: plans can be made, not applied."""

    APPROVAL = "approval"
    """Plans need an approval, which their maker may give."""

    SECOND_PERSON = "second-person"
    """Plans need the approval of another AWS identity than that of their maker."""

    ALLOWED = "allowed"
    """Plans can be applied after a typed confirmation."""


@dataclass(frozen=True)
class Target:
    """One account and Region to look at. None means what the standard AWS configuration says.

    Attributes
    ----------
    mitigation
        One of `MitigationMode`; None means `allowed`.
    """

    name: str
    profile: str | None = None
    region: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    endpoint_url: str | None = None
    mitigation: str | None = None

    @property
    def mitigation_mode(self) -> MitigationMode:
        """What may be done to its account."""
        return MitigationMode(self.mitigation) if self.mitigation else MitigationMode.ALLOWED

    @property
    def is_demo(self) -> bool:
        """Whether this is the built-in emulated account."""
        return self.name == DEMO

    def __repr__(self) -> str:
        # external_id is shared in confidence with the role's owner, so no log or traceback shows it.
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name != "external_id"]
        return f"Target({', '.join(shown)})"


def parse_targets(text: str, *, source: str) -> dict[str, Target]:
    """Read the targets of a `ddreport.toml`; `source` names the file in messages.

    Returns
    -------
    dict
        Target by name, in the file's order, `demo` first.

    Raises
    ------
    SettingsError, TargetError
        Not TOML, an unknown key, a value of the wrong form, or a secret where none belongs.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"{source} is not valid TOML: {exc}.") from exc
    _refuse_unknown(document, {"setup", "targets"}, where=source)
    tables = document.get("targets", {})
    if not isinstance(tables, dict):
        raise SettingsError(f"{source}: `targets` must hold tables such as [targets.prod-eu].")
    targets = {DEMO: Target(DEMO)}
    for name, table in tables.items():
        targets[name] = _target(name, table, source)
    return targets


def _target(name: str, table: Any, source: str) -> Target:
    where = f"{source}: [targets.{name}]"
    if name == DEMO:
        raise TargetError(f"{where}: `demo` is the built-in emulated account and cannot be redefined.")
    if not _NAME.fullmatch(name):
        raise TargetError(f"{where}: a target's name has 1 to 64 letters, digits, '.', '_' or '-'.")
    if not isinstance(table, dict):
        raise TargetError(f'{where}: must be a table with keys such as region = "eu-west-1".')
    allowed = {f.name for f in fields(Target)} - {"name"}
    _refuse_unknown(table, allowed, where=where)
    for key, value in table.items():
        if not isinstance(value, str) or not value:
            raise TargetError(f"{where}: {key} must be a text that is not empty.")
    return make_target(name, where=where, **table)


def make_target(name: str, *, where: str = "the command line", **values: str | None) -> Target:
    """Make a target after checking the form of each value (`TargetError` says which is wrong)."""
    forms = {
        "region": (_REGION, "a Region such as eu-west-1"),
        "role_arn": (_ROLE_ARN, "an IAM role ARN such as arn:aws:iam::111122223333:role/NAME"),
        "endpoint_url": (_URL, "an http:// or https:// address"),
    }
    for key, (pattern, form) in forms.items():
        value = values.get(key)
        if value is not None and not pattern.fullmatch(value):
            raise TargetError(f"{where}: {key} {value!r} is not {form}.")
    if "@" in (values.get("endpoint_url") or "").split("//", 1)[-1].split("/", 1)[0]:
        raise SettingsError(
            f"{where}: endpoint_url holds a user name or password, and secrets are never read from there.",
            hint="leave out what stands before the @.",
        )
    mode = values.get("mitigation")
    if mode is not None and mode not in list(MitigationMode):
        raise TargetError(
            f"{where}: mitigation is {mode!r}; allowed: {', '.join(MitigationMode)}."
            f"{did_you_mean(mode, list(MitigationMode))}"
        )
    if values.get("external_id") and not values.get("role_arn"):
        raise TargetError(f"{where}: external_id needs a role_arn to be used with.")
    return Target(name, **values)


def _refuse_unknown(table: Mapping[str, Any], allowed: set[str], *, where: str) -> None:
    for key in table:
        if key in allowed:
            continue
        if _SECRET.search(key):
            raise SettingsError(
                f"{where}: {key!r} looks like a secret, and secrets are never read from a file of ours.",
                hint='use profile = "NAME" and keep the credentials where the AWS tools keep them.',
            )
        names = ", ".join(sorted(allowed))
        raise SettingsError(f"{where}: unknown key {key!r}; allowed: {names}.{did_you_mean(key, allowed)}")
