"""moto's SNS with subscriptions that wait to be confirmed: those of e-mail addresses, as people have to click a link.

Queues and HTTP addresses count as confirmed at once: as AWS does it for queues of the same account, and as a program
that confirms by itself does it for its own address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moto.sns.urls as moto_sns_urls
from moto.core.responses import ActionResult
from moto.sns.models import SNSBackend, sns_backends
from moto.sns.responses import SNSResponse

from ddreport.errors import InputError

if TYPE_CHECKING:
    from moto.sns.models import Subscription

_CONFIRMED_BY_PEOPLE = ("email", "email-json")
_PENDING_IN_LISTS = "PendingConfirmation"
_PENDING_IN_ANSWERS = "pending confirmation"


class EmulatedSNSBackend(SNSBackend):
    """SNS of one account and Region."""

    @property
    def _url_module(self) -> Any:
        # moto looks for it beside the class.
        return moto_sns_urls

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Subscribe; the same once more finds the earlier one."""
        known = set(self.subscriptions)
        subscription = super().subscribe(topic_arn, endpoint, protocol)
        if protocol in _CONFIRMED_BY_PEOPLE and subscription.arn not in known:
            subscription.attributes["PendingConfirmation"] = True
            subscription.attributes["ConfirmationWasAuthenticated"] = False
            # What lists show in the place of the ARN.
            vars(subscription)["subscription_arn"] = _PENDING_IN_LISTS
        return subscription

    def confirm(self, topic_arn: str, endpoint: str) -> str:
        """Confirm a subscription, as somebody who clicks the link in the message; return its ARN (`InputError`)."""
        for subscription in self.subscriptions.values():
            if (subscription.topic.arn, subscription.endpoint) == (topic_arn, endpoint):
                subscription.attributes["PendingConfirmation"] = False
                vars(subscription).pop("subscription_arn", None)
                return str(subscription.arn)
        raise InputError(f"{endpoint!r} has no subscription of the topic {topic_arn!r}.")


def is_pending(subscription: Subscription) -> bool:
    """Tell whether a subscription waits to be confirmed, so that nothing is sent to it."""
    return "subscription_arn" in vars(subscription)


class EmulatedSNSResponse(SNSResponse):
    """Answers requests to SNS."""

    def subscribe(self) -> ActionResult:
        """Answer with the ARN, or with words where the subscription waits to be confirmed."""
        answer = super().subscribe()
        result: Any = answer.result
        subscription = self.backend.subscriptions[result["SubscriptionArn"]]
        wants_arn = str(self._get_param("ReturnSubscriptionArn")).lower() == "true"
        if is_pending(subscription) and not wants_arn:
            return ActionResult({"SubscriptionArn": _PENDING_IN_ANSWERS})
        return answer


def confirm_subscription(account: str, region: str, topic_arn: str, endpoint: str) -> str:
    """Confirm a subscription of an account and Region (`EmulatedSNSBackend.confirm`)."""
    backend = sns_backends[account][region]
    assert isinstance(backend, EmulatedSNSBackend)  # noqa: S101 (installed by us; tells mypy so)
    return backend.confirm(topic_arn, endpoint)
