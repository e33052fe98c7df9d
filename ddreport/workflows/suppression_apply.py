"""Apply a plan of suppressions: change by change, each told, nothing twice, and what came of it read back."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ddreport.aws.errors import DENIED_CODES, THROTTLED_CODES
from ddreport.errors import AwsCallError, AwsError, DDReportError, InputError
from ddreport.suppression import Action, Outcome
from ddreport.suppression.identifiers import identifier_of
from ddreport.suppression.planning import differences
from ddreport.suppression.results import APPLIED
from ddreport.suppression.tables import rows_of, table_of
from ddreport.tables.suppressions import suppressions_table

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from mypy_boto3_iot import IoTClient

    from ddreport.aws.session import AwsSession
    from ddreport.progress import Progress
    from ddreport.targets import Target
    from ddreport.workflows.suppressing import Situation, SuppressionPlan

FAILURES_IN_A_ROW = 3
"""So many failures of one kind of change in a row mean that it is not the single resource that is odd."""


def apply_plan(
    session: AwsSession, target: Target, situation: Situation, plan: SuppressionPlan, *, progress: Progress
) -> pd.DataFrame:
    """Make the changes of a plan, one after the other, then read the account's suppressions again.

    Changes the account. A plan without changes makes no call at all. Stopped at any moment (Ctrl-C, kill, an answer
    that never came) the next plan holds what is left, since it begins with what AWS has. Deletions come first.
    Permissions: `iot:CreateAuditSuppression`, `iot:UpdateAuditSuppression`, `iot:DeleteAuditSuppression`,
    `iot:ListAuditSuppressions`.

    A kind of change that is denied, throttled beyond all retries, or at its limit is not tried again for the rest;
    what else goes wrong stops it after three failures in a row. Credentials or a connection that fail stop everything.

    Returns
    -------
    DataFrame
        `suppression.results.APPLIED`, one row per change, in the order of the plan.

    Raises
    ------
    MitigationError
        The target is read-only.
    """
    from ddreport.workflows.mitigating.targets import refuse_read_only

    refuse_read_only(target)
    rows = rows_of(plan.changes)
    if not rows:
        return APPLIED.empty()
    progress.stage("Applying suppressions", len(rows))
    run = _Run(session.iot, situation.identity.as_of)
    for row in rows:
        run.change(row)
        progress.advance()
    _read_back(session.iot, rows, situation)
    return table_of(APPLIED, rows)


def exit_code(applied: pd.DataFrame) -> int:
    """Return 0 when everything was done, 4 when only part was, 1 when nothing was."""
    outcomes = set(applied["outcome"])
    if outcomes <= {Outcome.DONE.value}:
        return 0
    return 4 if outcomes & {Outcome.DONE.value, Outcome.UNCONFIRMED.value} else 1


class _Run:
    """One run over the changes; remembers what need not be tried any more."""

    def __init__(self, client: IoTClient, as_of: datetime) -> None:
        self._client = client
        self._as_of = as_of
        self._stopped: dict[str, str] = {}
        self._failures: Counter[str] = Counter()

    def change(self, row: dict[str, Any]) -> None:
        """Make one change and write into the row what became of it."""
        action = row["action"]
        why = self._stopped.get(action) or self._stopped.get("")
        if why:
            row |= {"outcome": Outcome.NOT_TRIED.value, "message": why}
            return
        try:
            self._send(action, row)
        except AwsCallError as exc:
            row |= {"outcome": Outcome.FAILED.value, "error_code": exc.code, "message": str(exc)}
            self._failures[action] += 1
            if exc.code in DENIED_CODES | THROTTLED_CODES | {"LimitExceededException"}:
                self._stopped[action] = f"not tried after {exc.code} for another one"
            elif self._failures[action] >= FAILURES_IN_A_ROW:
                self._stopped[action] = f"not tried after {FAILURES_IN_A_ROW} failures in a row"
        except InputError as exc:  # boto3 knows better than to send it; the next one may well be right
            row |= {"outcome": Outcome.FAILED.value, "error_code": type(exc).__name__, "message": str(exc)}
        except AwsError as exc:  # credentials or the connection: the next one would fare no better
            row |= {"outcome": Outcome.FAILED.value, "error_code": type(exc).__name__, "message": str(exc)}
            self._stopped[""] = f"not tried after: {exc.message}"
        else:
            row["outcome"] = Outcome.DONE.value
            self._failures[action] = 0

    def _send(self, action: str, row: dict[str, Any]) -> None:
        from ddreport.aws.suppression_changes import (
            create_suppression,
            delete_suppression,
            suppression_token,
            update_suppression,
        )

        check, identifier = row["check_name"], identifier_of(row["resource_identifier"])
        if action == Action.DELETE:
            delete_suppression(self._client, check, identifier)
            return
        moment = row["expiration_time"]
        ends = moment.to_pydatetime() if moment is not None else None
        if action == Action.CHANGE:
            update_suppression(self._client, check, identifier, ends=ends, description=row["description"])
            return
        names = ("account", "region", "check_name", "resource_identifier", "description")
        token = suppression_token(*(row[name] for name in names), ends, as_of=self._as_of)
        create_suppression(self._client, check, identifier, ends=ends, description=row["description"], token=token)


def _read_back(client: IoTClient, rows: list[dict[str, Any]], situation: Situation) -> None:
    """Compare what AWS has now with what was to be: an answer that was lost is not a failure, nor a success unseen."""
    from ddreport.aws.suppressions import fetch_suppressions

    if all(row["outcome"] == Outcome.NOT_TRIED or row.get("error_code") in DENIED_CODES for row in rows):
        return
    place = situation.place
    try:
        records = fetch_suppressions(client)
    except DDReportError as exc:
        for row in rows:
            if row["outcome"] == Outcome.DONE:
                row |= {"outcome": Outcome.UNCONFIRMED.value, "message": f"accepted, but not read back: {exc.message}"}
        return
    present = suppressions_table(
        records, account=place.account, region=place.region, observed_time=situation.identity.as_of
    )
    there = {(r["check_name"], r["resource_identifier"]): r for r in rows_of(present)}
    for row in rows:
        have = there.get((row["check_name"], row["resource_identifier"]))
        is_as_wanted = (
            have is None if row["action"] == Action.DELETE else have is not None and not differences(row, have)
        )
        if is_as_wanted and row["outcome"] == Outcome.FAILED:
            row |= {"outcome": Outcome.DONE.value, "message": f"AWS has it, although: {row['message']}"}
        elif not is_as_wanted and row["outcome"] == Outcome.DONE:
            row |= {
                "outcome": Outcome.UNCONFIRMED.value,
                "message": "AWS accepted it, and does not list it so yet; `ddreport suppress drift` tells later.",
            }
