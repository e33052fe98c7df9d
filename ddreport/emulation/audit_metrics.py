"""What CloudWatch shows of audits: two figures for each check that completed, at the moment its audit ended.

Namespace `AWS/IoT`, metrics `NonCompliantResources` and `ResourcesEvaluated`, dimensions `CheckName` and
`ScheduledAuditName` (`OnDemand` for audits on demand). Suppressed resources are no part of `NonCompliantResources`, as
in the audit itself. Checks that failed or were cancelled show nothing. The unit, which AWS does not document, is Count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends

if TYPE_CHECKING:
    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.service.audit_tasks import AuditTask

NAMESPACE = "AWS/IoT"
ON_DEMAND = "OnDemand"
_UNIT = "Count"


def record_audit(backend: AuditBackend, task: AuditTask) -> None:
    """Hand the figures of an audit that has ended to CloudWatch of the same account and Region, and let alarms see."""
    cloudwatch = cloudwatch_backends[backend.account_id][backend.region_name]
    metrics = cloudwatch.metric_data
    # moto wants naive datetimes that mean UTC.
    moment = backend.world.now().replace(tzinfo=None)
    for run in task.runs.values():
        if run.total is None:
            continue
        dimensions = [
            {"Name": "CheckName", "Value": run.check_name},
            {"Name": "ScheduledAuditName", "Value": task.schedule_name or ON_DEMAND},
        ]
        for name, value in (("NonCompliantResources", run.non_compliant or 0), ("ResourcesEvaluated", run.total)):
            metrics.append(MetricDatum(NAMESPACE, name, float(value), dimensions, moment, _UNIT))
    # Installed by us; moto's own backend evaluates nothing.
    evaluate = getattr(cloudwatch, "evaluate", None)
    if evaluate is not None:
        evaluate(backend.world.now(), at_once=True)
