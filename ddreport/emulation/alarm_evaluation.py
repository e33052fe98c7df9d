"""How an alarm on AWS IoT's metrics stands at a moment: CloudWatch's rules for periods, breaches and missing data.

Periods end at the moment of the evaluation. Statistics are those of plain numbers, expressions only `SUM(METRICS())`.
Source: "Using Amazon CloudWatch alarms" (evaluating an alarm; configuring how alarms treat missing data).
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ddreport.emulation.audit_metrics import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from moto.cloudwatch.models import Alarm

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Maximum": max,
    "Minimum": min,
    "Sum": sum,
    "SampleCount": len,
    "Average": lambda values: sum(values) / len(values),
}
_TOTAL = "SUM(METRICS())"

Dimensions = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Series:
    """The values of one metric in the order of time."""

    times: Sequence[datetime]
    values: Sequence[float]

    def within(self, after: datetime, until: datetime) -> Sequence[float]:
        """Return the values after one moment and until another, that one included."""
        return self.values[bisect_right(self.times, after) : bisect_right(self.times, until)]


@dataclass(frozen=True)
class Watched:
    """One metric that an alarm watches."""

    name: str
    dimensions: Dimensions
    statistic: str
    period: timedelta


def watched_by(alarm: Alarm) -> list[Watched] | None:
    """Return the metrics of an alarm; None where it is not one on AWS IoT's metrics that is understood here."""
    found = _single(alarm) if not alarm.metric_data_queries else _several(alarm)
    known = alarm.rule is None and alarm.comparison_operator in _COMPARE and alarm.threshold is not None
    return found if known and found and all(w.statistic in _STATISTICS for w in found) else None


def _single(alarm: Alarm) -> list[Watched]:
    if alarm.namespace != NAMESPACE or not alarm.period:
        return []
    return [Watched(alarm.metric_name, dimensions_of(alarm.dimensions), alarm.statistic, _seconds(alarm.period))]


def _several(alarm: Alarm) -> list[Watched]:
    stats = [query.metric_stat for query in alarm.metric_data_queries if query.metric_stat]
    expressions = [query.expression for query in alarm.metric_data_queries if query.expression]
    if expressions not in ([_TOTAL], []) or (not expressions and len(stats) != 1):
        return []
    if any(stat.metric.namespace != NAMESPACE for stat in stats):
        return []
    return [
        Watched(stat.metric.metric_name, dimensions_of(stat.metric.dimensions), stat.stat, _seconds(stat.period))
        for stat in stats
    ]


def dimensions_of(dimensions: Iterable[Any]) -> Dimensions:
    """Return moto's dimensions in a form that can be compared."""
    return frozenset((str(d.name), str(d.value)) for d in dimensions)


def _seconds(period: Any) -> timedelta:
    return timedelta(seconds=int(period))


def state_at(
    alarm: Alarm, watched: Sequence[Watched], series: Mapping[tuple[str, Dimensions], Series], moment: datetime
) -> str:
    """Return the state of an alarm at a moment; where data is missing and to be ignored it is the present one."""
    periods = int(alarm.evaluation_periods)
    points = [_point(watched, series, moment, number) for number in range(periods)]
    breaches = [None if p is None else _COMPARE[alarm.comparison_operator](p, float(alarm.threshold)) for p in points]
    missing = str(alarm.treat_missing_data or "missing")
    if missing in ("breaching", "notBreaching"):
        breaches = [missing == "breaching" if b is None else b for b in breaches]
    known = [b for b in breaches if b is not None]
    if not known:
        return str(alarm.state_value) if missing == "ignore" else INSUFFICIENT
    needed = min(int(alarm.datapoints_to_alarm or periods), len(known))
    return ALARM if sum(known) >= needed else OK


def _point(
    watched: Sequence[Watched], series: Mapping[tuple[str, Dimensions], Series], moment: datetime, number: int
) -> float | None:
    found = []
    for metric in watched:
        until = moment - number * metric.period
        values = series[metric.name, metric.dimensions].within(until - metric.period, until)
        if values:
            found.append(_STATISTICS[metric.statistic](values))
    return float(sum(found)) if found else None
