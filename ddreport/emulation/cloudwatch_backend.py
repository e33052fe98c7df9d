"""moto's CloudWatch, which finds metrics in whatever order a query names their dimensions, and evaluates alarms.

Alarms on AWS IoT's metrics change their state as time goes on, and tell the SNS topics among their actions. All other
alarms stay as moto has them: as `SetAlarmState` sets them.
"""

from __future__ import annotations

import logging
from datetime import UTC
from typing import TYPE_CHECKING, Any

import moto.cloudwatch.urls as moto_cloudwatch_urls
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, cloudwatch_backends

from ddreport.emulation import alarm_evaluation
from ddreport.emulation.alarm_evaluation import ALARM, INSUFFICIENT, OK, Series
from ddreport.emulation.audit_backend import audit_backends
from ddreport.emulation.audit_metrics import NAMESPACE
from ddreport.emulation.notifications import PublishError, publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from moto.cloudwatch.models import Alarm

    from ddreport.emulation.alarm_evaluation import Dimensions, Watched

logger = logging.getLogger(__name__)


class EmulatedCloudWatchBackend(CloudWatchBackend):
    """CloudWatch of one account and Region.

    Attributes
    ----------
    evaluated
        Until when each alarm was evaluated, by name; naive, in UTC, as moto has its times.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.evaluated: dict[str, datetime] = {}

    @property
    def _url_module(self) -> Any:
        # moto looks for it beside the class.
        return moto_cloudwatch_urls

    def get_metric_data(
        self,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        """Return the results of queries. moto compares dimensions in order, and its own sorting depends on values."""
        return super().get_metric_data([_ordered(query) for query in queries], start_time, end_time, scan_by)

    def put_metric_alarm(self, name: str, *args: Any, **kwargs: Any) -> Alarm:
        """Make an alarm, which knows nothing at first, or change one, which keeps its state."""
        before = self.alarms.get(name)
        alarm = super().put_metric_alarm(name, *args, **kwargs)
        if before is not None:
            alarm.state_value, alarm.state_reason = before.state_value, before.state_reason
        elif alarm_evaluation.watched_by(alarm) is not None:
            alarm.state_value = INSUFFICIENT
        if alarm_evaluation.watched_by(alarm) is not None:
            self.evaluated[name] = alarm.configuration_updated_timestamp
        return alarm

    def delete_alarms(self, alarm_names: list[str]) -> None:
        """Delete alarms; those that do not exist are fine."""
        super().delete_alarms(alarm_names)
        for name in alarm_names:
            self.evaluated.pop(name, None)

    def evaluate(self, now: datetime, *, at_once: bool = False) -> None:
        """Let alarms pass through the states that they had until `now` (aware).

        Parameters
        ----------
        at_once
            Also evaluate at `now` itself, because there is new data; else only where a period has passed.
        """
        if not self.evaluated:
            return
        moment = now.astimezone(UTC).replace(tzinfo=None)
        series: Mapping[tuple[str, Dimensions], Series] | None = None
        for name, until in list(self.evaluated.items()):
            alarm = self.alarms.get(name)
            watched = alarm_evaluation.watched_by(alarm) if alarm is not None else None
            if alarm is None or watched is None:
                self.evaluated.pop(name)
                continue
            step = min(metric.period for metric in watched)
            if not at_once and moment - until < step:
                continue
            series = self._series() if series is None else series
            self._pass_through(alarm, watched, _moments(until, moment, step, at_once=at_once), series)

    def _pass_through(
        self,
        alarm: Alarm,
        watched: Sequence[Watched],
        moments: Iterable[datetime],
        series: Mapping[tuple[str, Dimensions], Series],
    ) -> None:
        for moment in moments:
            self.evaluated[alarm.name] = moment
            state = alarm_evaluation.state_at(alarm, watched, series, moment)
            if state != alarm.state_value:
                self._enter(alarm, state, moment)

    def _enter(self, alarm: Alarm, state: str, moment: datetime) -> None:
        before = alarm.state_value
        reason = f"{alarm.comparison_operator} {alarm.threshold:g}: {state} at {moment.isoformat()}Z"
        alarm.update_state(reason, "{}", state)
        actions = {ALARM: alarm.alarm_actions, OK: alarm.ok_actions, INSUFFICIENT: alarm.insufficient_data_actions}
        for topic in actions[state] if alarm.actions_enabled else ():
            message = _message(self, alarm, before=before, reason=reason, moment=moment)
            try:
                backend = audit_backends[self.account_id][self.region_name]
                publish(backend, str(topic), message, about=f"{alarm.name} {moment.isoformat()}")
            except PublishError as error:
                logger.warning("the alarm %s is %s, but nobody was told: %s", alarm.name, state, error)

    def _series(self) -> Mapping[tuple[str, Dimensions], Series]:
        values: dict[tuple[str, Dimensions], list[tuple[datetime, float]]] = {}
        for datum in self.metric_data:
            if isinstance(datum, MetricDatum) and datum.namespace == NAMESPACE:
                key = (datum.name, alarm_evaluation.dimensions_of(datum.dimensions))
                values.setdefault(key, []).append((datum.timestamp.replace(tzinfo=None), float(datum.value)))
        found = {}
        for key, pairs in values.items():
            pairs.sort()
            found[key] = Series([time for time, _ in pairs], [value for _, value in pairs])
        return _Filled(found)


class _Filled(dict[tuple[str, "Dimensions"], Series]):
    """A metric that nobody has written yet has no values."""

    def __missing__(self, key: object) -> Series:
        return Series((), ())


def evaluate_alarms(now: datetime) -> None:
    """Let the alarms of all accounts and Regions pass through the states that they had until `now` (aware)."""
    for _, _, backend in list(cloudwatch_backends.iter_backends()):
        if isinstance(backend, EmulatedCloudWatchBackend):
            backend.evaluate(now)


def _moments(until: datetime, now: datetime, step: timedelta, *, at_once: bool) -> Iterable[datetime]:
    moment = until + step
    while moment <= now:
        yield moment
        moment += step
    if at_once and moment - step < now:
        yield now


def _message(
    backend: EmulatedCloudWatchBackend, alarm: Alarm, *, before: str, reason: str, moment: datetime
) -> dict[str, Any]:
    """Return what CloudWatch tells SNS about an alarm that has changed its state."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": backend.account_id,
        "NewStateValue": alarm.state_value,
        "NewStateReason": reason,
        "StateChangeTime": f"{moment.isoformat(timespec='milliseconds')}+0000",
        "Region": backend.region_name,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
    }


def _ordered(query: dict[str, Any]) -> dict[str, Any]:
    metric = query.get("MetricStat", {}).get("Metric", {})
    if not metric.get("Dimensions"):
        return query
    dimensions = sorted(metric["Dimensions"], key=lambda dimension: str(dimension["Name"]))
    return query | {"MetricStat": query["MetricStat"] | {"Metric": metric | {"Dimensions": dimensions}}}
