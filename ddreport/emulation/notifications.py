"""Messages to SNS: one when an audit has ended, one per finding where a mitigation action says so.

moto holds topics and subscriptions and puts messages into SQS queues. Messages to HTTP subscribers are posted by a
thread of their own, once and with a time limit: a subscriber that asks the emulator about the audit gets its answer,
and one that does not answer stops nothing. Other kinds of subscription (email, SMS, Lambda) get nothing here.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import urllib3
from moto.core.exceptions import ServiceException
from moto.sns.models import sns_backends

from ddreport.emulation import roles
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    from moto.sns.models import Subscription, Topic

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.service.audit_tasks import AuditTask, CheckRun
    from ddreport.emulation.service.findings import Finding

logger = logging.getLogger(__name__)

_PUBLISH = "sns:Publish"
_SECONDS = 5.0
"""How long an HTTP subscriber may take."""


class PublishError(Exception):
    """A message could not be published; the text says why."""


# What is said


def audit_message(account: str, task: AuditTask) -> dict[str, Any]:
    """Return the message about an audit that has ended.

    Schema `arn:aws:iot:::schema:auditnotification/1.0`: counts end in `Count`, the checks are a list, the time is in
    milliseconds. The number of suppressed resources is told under the name that it has in the API.
    """
    statuses = [run.status for run in task.runs.values()]
    message: dict[str, Any] = {
        "accountId": account,
        "taskId": task.task_id,
        "taskStatus": task.status.value,
        "taskType": task.task_type.value,
    }
    if task.schedule_name is not None:
        message["scheduledAuditName"] = task.schedule_name
    return message | {
        "failedChecksCount": statuses.count(CheckRunStatus.FAILED),
        "canceledChecksCount": statuses.count(CheckRunStatus.CANCELED),
        "nonCompliantChecksCount": statuses.count(CheckRunStatus.COMPLETED_NON_COMPLIANT),
        "compliantChecksCount": statuses.count(CheckRunStatus.COMPLETED_COMPLIANT),
        "totalChecksCount": len(statuses),
        "taskStartTime": _milliseconds(task.started),
        "auditDetails": [_check_message(run) for run in task.runs.values()],
    }


def _check_message(run: CheckRun) -> dict[str, Any]:
    # The counts are required by the schema, also of a check that never got that far.
    message: dict[str, Any] = {
        "checkName": run.check_name,
        "checkRunStatus": run.status.value,
        "nonCompliantResourcesCount": run.non_compliant or 0,
        "totalResourcesCount": run.total or 0,
        "suppressedNonCompliantResourcesCount": run.suppressed or 0,
    }
    if run.error_code is not None:
        message |= {"errorCode": run.error_code, "message": run.message or ""}
    return message


def finding_message(finding: Finding) -> dict[str, Any]:
    """Return a finding as `PUBLISH_FINDING_TO_SNS` tells it: as in the API, but with times in milliseconds."""
    members = finding.members()
    return members | {name: _milliseconds(members[name]) for name in ("findingTime", "taskStartTime")}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


# How it is said


def announce_audit(backend: AuditBackend, task: AuditTask) -> None:
    """Tell the account's notification target, if it has one, that an audit has ended; failing is only logged."""
    target = backend.configuration.notification_target
    if target is None:
        return
    topic_arn = str(target["targetArn"])
    try:
        _check_role(backend, str(target["roleArn"]), topic_arn)
        publish(backend, topic_arn, audit_message(backend.account_id, task), about=task.task_id)
    except PublishError as error:
        logger.warning("audit %s has ended, but nobody was told: %s", task.task_id, error)


def _check_role(backend: AuditBackend, role_arn: str, topic_arn: str) -> None:
    role = roles.assume(role_arn, backend.account_id, source_arn=backend.arn_start)
    if role is None:
        raise PublishError(f"the role {role_arn} does not exist or cannot be assumed")
    if not role.allows(_PUBLISH, topic_arn):
        raise PublishError(f"the role {role_arn} is not allowed to perform {_PUBLISH}")


def publish(backend: AuditBackend, topic_arn: str, message: dict[str, Any], *, about: str) -> None:
    """Publish a message to a topic of the same account, in any Region, without subject or attributes.

    Parameters
    ----------
    backend
        Whose account it is.
    topic_arn
        The topic.
    message
        Becomes compact JSON.
    about
        Id of what the message is about; the message's own id is made from it.

    Raises
    ------
    PublishError
        There is no such topic. A subscription that cannot be served is only logged, as with AWS.
    """
    topic = _topic(backend, topic_arn)
    text = json.dumps(message, separators=(",", ":"))
    message_id = backend.world.ids.uuid("sns message", topic_arn, about, str(len(topic.sent_notifications)))
    for subscription in list(topic.sns_backend.subscriptions.values()):
        if subscription.topic is topic:
            try:
                _serve(subscription, text, message_id)
            except (ServiceException, LookupError, ValueError) as exc:
                logger.warning("subscription %s was not served: %s", subscription.arn, exc)
    topic.sent_notifications.append((message_id, text, None, None, None))


def _topic(backend: AuditBackend, topic_arn: str) -> Topic:
    parts = topic_arn.split(":")
    if len(parts) != 6 or parts[2] != "sns" or parts[4] != backend.account_id:
        raise PublishError(f"{topic_arn!r} is no SNS topic of this account")
    regions = sns_backends[backend.account_id]
    topic = regions[parts[3]].topics.get(topic_arn) if parts[3] in regions else None
    if topic is None:
        raise PublishError(f"the topic {topic_arn} does not exist")
    if topic.fifo_topic:
        raise PublishError(f"the topic {topic_arn} is a FIFO topic, which Device Defender does not publish to")
    return topic


def _serve(subscription: Subscription, text: str, message_id: str) -> None:
    if subscription.protocol == "sqs":
        subscription.publish(text, message_id)
    elif subscription.protocol in ("http", "https"):
        # moto itself would post here and now, while the whole emulator waits.
        matcher = subscription._filter_policy_matcher
        if matcher is None or matcher.matches(None, text):
            _outbox().put(_posting(subscription, text, message_id))


@dataclass(frozen=True)
class _Posting:
    url: str
    headers: dict[str, str]
    body: bytes


def _posting(subscription: Subscription, text: str, message_id: str) -> _Posting:
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": subscription.topic_arn,
        "x-amz-sns-subscription-arn": subscription.arn,
    }
    if str(subscription.attributes.get("RawMessageDelivery")).lower() == "true":
        return _Posting(subscription.endpoint, headers | {"x-amz-sns-rawdelivery": "true"}, text.encode())
    envelope = subscription.get_post_data(text, message_id, None)
    return _Posting(subscription.endpoint, headers, json.dumps(envelope).encode())


@cache
def _outbox() -> queue.SimpleQueue[_Posting]:
    """Return where postings wait for the thread that sends them, one after the other."""
    postings: queue.SimpleQueue[_Posting] = queue.SimpleQueue()
    threading.Thread(target=_post_all, args=(postings,), name="ddreport-sns", daemon=True).start()
    return postings


def _post_all(postings: queue.SimpleQueue[_Posting]) -> None:
    with urllib3.PoolManager() as pool:
        while True:
            posting = postings.get()
            try:
                answer = pool.request(
                    "POST",
                    posting.url,
                    body=posting.body,
                    headers=posting.headers,
                    timeout=_SECONDS,
                    retries=False,
                    redirect=False,
                )
                if not 200 <= answer.status < 300:
                    logger.warning("HTTP subscriber %s answered %s", posting.url, answer.status)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
                logger.warning("HTTP subscriber %s was not reached: %s", posting.url, exc)
