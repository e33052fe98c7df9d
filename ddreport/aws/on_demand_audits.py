"""Audits on demand: start one of some checks, wait for it, cancel it.

Starting and cancelling change the account's audits, not its resources.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.aws.audits import fetch_audit_task, fetch_audit_tasks
from ddreport.aws.configuration import fetch_configuration
from ddreport.aws.errors import aws_errors
from ddreport.errors import AwsCallError, EndpointError, InputError, MitigationError
from ddreport.terms import CheckRunStatus, TaskStatus, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from mypy_boto3_iot import IoTClient

    from ddreport.aws.calls import Record
    from ddreport.aws.session import AwsSession
    from ddreport.progress import Progress

MOST_AUDITS = 10
"""On-demand audits that AWS runs at once in an account and Region."""


@dataclass(frozen=True)
class StartedAudit:
    """An audit that was started.

    Attributes
    ----------
    check_names
        Checks that it runs.
    left_out
        Checks that were asked for and are switched off, which AWS would refuse.
    """

    audit_task_id: str
    check_names: tuple[str, ...]
    left_out: tuple[str, ...]


def start_on_demand_audit(session: AwsSession, check_names: Sequence[str]) -> StartedAudit:
    """Change the account's audits: start one of these checks; switched-off ones are left out and named.

    AWS has no token for this call, so it is sent once: where its answer gets lost, the audits that run since tell
    whether it was taken, and that one is returned.

    Permissions: `iot:StartOnDemandAuditTask`, `iot:DescribeAccountAuditConfiguration`, `iot:ListAuditTasks` and
    `iot:DescribeAuditTask`.

    Raises
    ------
    InputError
        All of the checks are switched off.
    MitigationError
        AWS runs as many audits on demand as it does at once.
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    client = session.iot
    wanted = list(dict.fromkeys(check_names))
    configured = fetch_configuration(client).get("auditCheckConfigurations") or {}
    on = [name for name in wanted if (configured.get(name) or {}).get("enabled")]
    off = tuple(name for name in wanted if name not in on)
    if not on:
        raise InputError(
            f"no audit can be started: {', '.join(off) or 'no check'} is switched off in account and Region.",
            hint="switch the check on in the audit settings of AWS IoT Device Defender first.",
        )
    before = set(_on_demand(session))
    try:
        with aws_errors(client), _sent_once(client):
            task_id = client.start_on_demand_audit_task(targetCheckNames=on)["taskId"]
    except _TooManyError:
        raise MitigationError(
            f"AWS runs {MOST_AUDITS} audits on demand at once, and so many are running.",
            hint="wait until one has ended, or use the next scheduled audit with --wait-scheduled.",
        ) from None
    except (_AskedBeforeError, EndpointError):
        found = _taken(session, before, on)
        if found is None:
            raise EndpointError(
                "the connection broke off while an audit was being started, and AWS runs none of these checks.",
                hint="run the same command again.",
            ) from None
        task_id = found
    return StartedAudit(task_id, tuple(on), off)


class _AskedBeforeError(Exception):
    """The request was sent before, and nobody knows whether it was taken."""


class _TooManyError(Exception):
    """AWS runs as many audits as it does at once; to ask again within seconds makes no sense."""


@contextmanager
def _sent_once(client: IoTClient) -> Iterator[None]:
    """Let boto3 send the request again only where AWS has refused it, not where its answer was lost."""
    unsure = False
    event = "iot.StartOnDemandAuditTask"

    def before_send(**_: Any) -> None:
        nonlocal unsure
        if unsure:
            raise _AskedBeforeError
        unsure = True

    def after_answer(*, parsed_response: Record | None, **_: Any) -> None:
        nonlocal unsure
        if parsed_response is None or parsed_response["ResponseMetadata"]["HTTPStatusCode"] >= _FAULT:
            return
        unsure = False
        if parsed_response.get("Error", {}).get("Code") == "LimitExceededException":
            raise _TooManyError

    client.meta.events.register_first(f"before-send.{event}", before_send, unique_id="ddreport-once")
    client.meta.events.register(f"response-received.{event}", after_answer, unique_id="ddreport-once-refused")
    try:
        yield
    finally:
        client.meta.events.unregister(f"before-send.{event}", before_send, unique_id="ddreport-once")
        client.meta.events.unregister(f"response-received.{event}", after_answer, unique_id="ddreport-once-refused")


_FAULT = 500  # HTTP statuses from here on leave open whether the request was carried out


def _on_demand(session: AwsSession) -> list[str]:
    """Return the audits on demand of the last day."""
    now = session.identity().as_of
    found = fetch_audit_tasks(
        session.iot,
        start=now - timedelta(days=1),
        end=now + timedelta(minutes=5),
        as_of=now,
        task_type=TaskType.ON_DEMAND.value,
    )
    return [task["taskId"] for task in found]


def _taken(session: AwsSession, before: set[str], check_names: Sequence[str]) -> str | None:
    """Return the audit of just these checks that there is since the request was sent."""
    for task_id in _on_demand(session):
        if task_id not in before:
            details = fetch_audit_task(session.iot, task_id).get("auditDetails") or {}
            if set(details) == set(check_names):
                return task_id
    return None


@dataclass(frozen=True)
class AuditEnd:
    """How far an audit has come.

    Attributes
    ----------
    status
        AWS's `taskStatus`; `IN_PROGRESS` when the time ran out.
    check_statuses
        AWS's `checkRunStatus` by check.
    """

    audit_task_id: str
    status: str
    check_statuses: dict[str, str]

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status != TaskStatus.IN_PROGRESS

    @property
    def unfinished(self) -> list[str]:
        """Checks that are still running or waiting for data."""
        waiting = (CheckRunStatus.IN_PROGRESS, CheckRunStatus.WAITING_FOR_DATA_COLLECTION)
        return sorted(name for name, status in self.check_statuses.items() if status in waiting)


def wait_for_audit(
    client: IoTClient,
    audit_task_id: str,
    *,
    progress: Progress,
    timeout_seconds: float,
    poll_seconds: float = 3.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    looked: Callable[[AuditEnd], None] = lambda _: None,
) -> AuditEnd:
    """Wait until an audit has ended or the time is over; progress counts its checks. Nothing is changed.

    Source and permission: `iot:DescribeAuditTask`, every `poll_seconds`; `looked` is told each time what it is like.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    end = clock() + timeout_seconds
    told = 0
    found = _look(client, audit_task_id)
    progress.stage("Waiting for the audit", len(found.check_statuses) or None)
    while True:
        looked(found)
        done = len(found.check_statuses) - len(found.unfinished)
        progress.advance(done - told)
        told = done
        left = end - clock()
        if found.is_over or left <= 0:
            return found
        sleep(min(poll_seconds, left))
        found = _look(client, audit_task_id)


def _look(client: IoTClient, audit_task_id: str) -> AuditEnd:
    task = fetch_audit_task(client, audit_task_id)
    statuses = {name: str(d.get("checkRunStatus")) for name, d in (task.get("auditDetails") or {}).items()}
    return AuditEnd(audit_task_id, str(task.get("taskStatus")), statuses)


def cancel_audit(client: IoTClient, audit_task_id: str) -> bool:
    """Change the account's audits: cancel a running one. False when it had ended already.

    Permission: `iot:CancelAuditTask`.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    try:
        with aws_errors(client):
            client.cancel_audit_task(taskId=audit_task_id)
    except AwsCallError as exc:
        if exc.code == "InvalidRequestException" and _look(client, audit_task_id).is_over:
            return False
        raise
    return True
