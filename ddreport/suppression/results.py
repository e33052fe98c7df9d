"""The tables that come of a file of suppressions: columns, dtypes and keys, and the words in them."""

from __future__ import annotations

from enum import StrEnum

from ddreport.schemas import COUNT, FINDINGS, FLAG, SUPPRESSIONS, TEXT, TIME, Column, Schema


class Action(StrEnum):
    """What is to be done about one suppression."""

    DELETE = "DELETE"
    """This file made it, and no rule wants it any more."""
    CHANGE = "CHANGE"
    """It is there with another end or description than the rule gives."""
    CREATE = "CREATE"
    """A rule wants it and it is not there."""
    LEAVE = "LEAVE"
    """It is as it should be, or what it should be cannot be told."""
    FOREIGN = "FOREIGN"
    """Somebody else made it, by hand or with another file; it is left alone."""

    @property
    def writes(self) -> bool:
        """Whether it changes the account."""
        return self in (Action.DELETE, Action.CHANGE, Action.CREATE)


class RuleState(StrEnum):
    """How a rule stands in one account and Region."""

    OK = "OK"
    MATCHES_NOTHING = "MATCHES_NOTHING"
    """No finding and nothing in the inventory fits it."""
    UNRESOLVED = "UNRESOLVED"
    """What it means cannot be told, since what it is expanded over was never read."""
    EXPIRED = "EXPIRED"
    OTHER_PLACE = "OTHER_PLACE"
    """It is for other targets, or names a resource of another account."""


class SuppressionState(StrEnum):
    """How a suppression stands; of several that hold, the first of this list is shown."""

    EXPIRED = "EXPIRED"
    """Its rule has ended: findings show again, and the rule can go from the file."""
    FOREIGN = "FOREIGN"
    HIDES_NOTHING = "HIDES_NOTHING"
    """The latest audit found nothing that it would hide, such as after a new version of the policy."""
    EXPIRES_SOON = "EXPIRES_SOON"
    REVIEW_DUE = "REVIEW_DUE"
    OK = "OK"


class DriftKind(StrEnum):
    """How account and file differ."""

    MISSING = "MISSING"
    """A rule wants it, and the account has it not."""
    CHANGED = "CHANGED"
    """Its end or description is another."""
    SURPLUS = "SURPLUS"
    """This file made it, and no rule wants it any more."""
    FOREIGN = "FOREIGN"
    """No file made it."""
    EXPIRED_RULE = "EXPIRED_RULE"
    """The rule has ended and still stands in the file."""


class Outcome(StrEnum):
    """What became of one change."""

    DONE = "DONE"
    UNCONFIRMED = "UNCONFIRMED"
    """AWS accepted it, and its list did not show it afterwards, or could not be read."""
    FAILED = "FAILED"
    NOT_TRIED = "NOT_TRIED"


class Moment(StrEnum):
    """Which suppressions a row of `EFFECT` counts with."""

    BEFORE = "BEFORE"
    """Those that the account has."""
    AFTER = "AFTER"
    """Those that it would have once the plan is applied."""
    WITHOUT = "WITHOUT"
    """None at all."""


_KNOWN = {c.name: c for schema in (FINDINGS, SUPPRESSIONS) for c in schema.columns}
_PLACE = (_KNOWN["account"], _KNOWN["region"])
_RESOURCE = tuple(_KNOWN[n] for n in ("check_name", "resource_type", "resource_id", "policy_version_id"))
_IDENTIFIER = _KNOWN["resource_identifier"]
_KEY = ("account", "region", "check_name", "resource_identifier")
_RULE_ID = Column("rule_id", TEXT, "the rule of the file that it comes of", nullable=True)
_PEOPLE = (
    Column("owner", TEXT, "who answers for it", nullable=True),
    Column("reason", TEXT, "why it is accepted", nullable=True),
    Column("ticket", TEXT, "where it was decided", nullable=True),
    Column("review_time", TIME, "from when on somebody must look at it again", nullable=True),
)
_ENDLESS = Column("suppress_indefinitely", FLAG, "true when it never ends")
_ENDS = Column("expiration_time", TIME, "when it ends; missing when it never does", nullable=True)
_FOUND = Column("findings_count", COUNT, "open findings that it hides; missing where no audit tells", nullable=True)

DESIRED = Schema(
    "desired_suppressions",
    "One row per suppression that the file wants in one account and Region.",
    _KEY,
    (
        *_PLACE,
        *_RESOURCE,
        Column("rule_id", TEXT, "the rule of the file that it comes of"),
        *_PEOPLE,
        _ENDLESS,
        _ENDS,
        Column("description", TEXT, "what AWS is to keep; names file and rule"),
        _FOUND,
        _IDENTIFIER,
    ),
)

RULES = Schema(
    "suppression_rules",
    "One row per rule of the file: what came of it in one account and Region.",
    ("account", "region", "rule_id"),
    (
        *_PLACE,
        Column("rule_id", TEXT, "name of the rule"),
        _KNOWN["check_name"],
        Column("selector", TEXT, "which resources it is about, in words"),
        Column("state", TEXT, "a `RuleState`"),
        Column("suppressions_count", COUNT, "suppressions that come of it"),
        _FOUND,
        _ENDS,
        Column("review_time", TIME, "from when on somebody must look at it again", nullable=True),
        Column("line", COUNT, "its line in the file"),
        Column("note", TEXT, "what a reader must know, in plain words", nullable=True),
    ),
)

PLAN = Schema(
    "suppression_plan",
    "One row per suppression that the file wants or the account has: what is to be done.",
    _KEY,
    (
        *_PLACE,
        Column("action", TEXT, "`DELETE`, `CHANGE`, `CREATE`, `LEAVE` or `FOREIGN`"),
        *_RESOURCE,
        _RULE_ID,
        *_PEOPLE,
        Column("suppress_indefinitely", FLAG, "true when it is never to end", nullable=True),
        Column("expiration_time", TIME, "when it is to end", nullable=True),
        Column("description", TEXT, "what AWS is to keep", nullable=True),
        Column("present_suppress_indefinitely", FLAG, "true when the present one never ends", nullable=True),
        Column("present_expiration_time", TIME, "when the present one ends", nullable=True),
        Column("present_description", TEXT, "what AWS keeps now", nullable=True),
        _FOUND,
        Column("note", TEXT, "why, in plain words", nullable=True),
        _IDENTIFIER,
    ),
)

APPLIED = Schema(
    "suppression_changes",
    "One row per change that was to be made: what became of it.",
    _KEY,
    (
        *_PLACE,
        Column("action", TEXT, "`DELETE`, `CHANGE` or `CREATE`"),
        *_RESOURCE,
        _RULE_ID,
        Column("outcome", TEXT, "`DONE`, `UNCONFIRMED`, `FAILED` or `NOT_TRIED`"),
        Column("error_code", TEXT, "AWS's code, such as `LimitExceededException`", nullable=True),
        Column("message", TEXT, "what happened and the next step, in plain words", nullable=True),
        _IDENTIFIER,
    ),
)

EFFECT = Schema(
    "suppression_effect",
    "Three rows per account and Region: its rates with the present suppressions, with the planned ones, with none.",
    ("account", "region", "moment"),
    (
        *_PLACE,
        Column("moment", TEXT, "`BEFORE`, `AFTER` or `WITHOUT`"),
        Column("finished_checks_count", COUNT, "checks with a verdict"),
        Column("compliant_checks_count", COUNT, "of these compliant"),
        Column("compliance_rate", "float64", "compliant / finished checks, 0..1", nullable=True),
        Column("resource_compliance_rate", "float64", "1 - non-compliant / evaluated resources, 0..1", nullable=True),
        Column("open_findings_count", COUNT, "findings that show"),
        Column("hidden_findings_count", COUNT, "findings that a suppression hides"),
    ),
)

LISTED = Schema(
    "listed_suppressions",
    "One row per suppression of the account, and per rule that has ended, with its state.",
    ("account", "region", "check_name", "resource_identifier", "rule_id", "state"),
    (
        *_PLACE,
        Column("state", TEXT, "a `SuppressionState`"),
        *_RESOURCE,
        Column("file_name", TEXT, "name of the file that made it", nullable=True),
        _RULE_ID,
        *_PEOPLE,
        _ENDLESS,
        _ENDS,
        _FOUND,
        Column("note", TEXT, "everything that holds besides, in plain words", nullable=True),
        Column("resource_identifier", TEXT, "AWS's `resourceIdentifier`; missing for a rule", nullable=True),
    ),
)

DRIFT = Schema(
    "suppression_drift",
    "One row per difference between file and account.",
    ("account", "region", "kind", "check_name", "resource_identifier", "rule_id"),
    (
        *_PLACE,
        Column("kind", TEXT, "a `DriftKind`"),
        *_RESOURCE,
        _RULE_ID,
        Column("owner", TEXT, "who answers for it", nullable=True),
        _ENDS,
        _FOUND,
        Column("message", TEXT, "what differs, in plain words"),
        Column("resource_identifier", TEXT, "AWS's `resourceIdentifier`; missing for a rule", nullable=True),
    ),
)

RESULT_SCHEMAS = (DESIRED, RULES, PLAN, APPLIED, EFFECT, LISTED, DRIFT)
"""Every table of this package."""
