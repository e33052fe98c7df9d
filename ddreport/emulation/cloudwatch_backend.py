"""moto's CloudWatch, which finds metrics whatever the order in which a query names their dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moto.cloudwatch.urls as moto_cloudwatch_urls
from moto.cloudwatch.models import CloudWatchBackend

if TYPE_CHECKING:
    from datetime import datetime


class EmulatedCloudWatchBackend(CloudWatchBackend):
    """CloudWatch of one account and Region."""

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


def _ordered(query: dict[str, Any]) -> dict[str, Any]:
    metric = query.get("MetricStat", {}).get("Metric", {})
    if not metric.get("Dimensions"):
        return query
    dimensions = sorted(metric["Dimensions"], key=lambda dimension: str(dimension["Name"]))
    return query | {"MetricStat": query["MetricStat"] | {"Metric": metric | {"Dimensions": dimensions}}}
