"""The audit half of AWS IoT Device Defender in one account and Region: its components, operations and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.iot.models import iot_backends

from ddreport.emulation import audit_metrics, notifications
from ddreport.emulation import world as worlds
from ddreport.emulation.cognito_backend import identity_pool
from ddreport.emulation.connections import ConnectionLog
from ddreport.emulation.identities import IdentityConnections
from ddreport.emulation.iot_backend import EmulatedIoTBackend
from ddreport.emulation.key_quality import WeakKeys
from ddreport.emulation.revocations import RevocationStore
from ddreport.emulation.service.audit_tasks import AuditTasks
from ddreport.emulation.service.certificates import Certificates
from ddreport.emulation.service.configuration import AuditConfiguration
from ddreport.emulation.service.findings import Findings
from ddreport.emulation.service.fleet_index import FleetIndex
from ddreport.emulation.service.logging_options import LoggingOptions
from ddreport.emulation.service.mitigation_actions import MitigationActions
from ddreport.emulation.service.mitigation_tasks import MitigationTasks
from ddreport.emulation.service.scheduled_audits import ScheduledAudits
from ddreport.emulation.service.suppressions import Suppressions
from ddreport.emulation.service.tags import Tags
from ddreport.emulation.service_model import operation_model
from ddreport.emulation.validation import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ddreport.emulation.identities import IdentityPool
    from ddreport.emulation.service.audit_tasks import AuditTask
    from ddreport.emulation.service.component import Component, Params, Reply


class AuditBackend(BaseBackend):
    """Device Defender Audit of one account and Region.

    `call` carries out an operation; `next_due` and `run_due` are how the emulator's stream of events reaches the parts
    that live in time.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.world = worlds.current()
        self.connections = ConnectionLog()
        self.identities = IdentityConnections()
        self.revocations = RevocationStore()
        self.weak_keys = WeakKeys()
        self.configuration = AuditConfiguration(self)
        self.suppressions = Suppressions(self)
        self.findings = Findings(self)
        self.audit_tasks = AuditTasks(self)
        self.scheduled_audits = ScheduledAudits(self)
        self.mitigation_actions = MitigationActions(self)
        self.mitigation_tasks = MitigationTasks(self)
        self.logging = LoggingOptions(self)
        components: tuple[Component, ...] = (
            self.configuration,
            self.suppressions,
            self.findings,
            self.audit_tasks,
            self.scheduled_audits,
            self.mitigation_actions,
            self.mitigation_tasks,
            self.logging,
            Certificates(self),
            FleetIndex(self),
            Tags(self),
        )
        self.operations: dict[str, Callable[[Params], Reply]] = {}
        for component in components:
            self.operations |= component.operations()
        # Audits end before schedules start new ones, when both are due at the same moment.
        self._timed = (self.mitigation_tasks, self.audit_tasks, self.scheduled_audits)

    @property
    def iot(self) -> EmulatedIoTBackend:
        """AWS IoT of the same account and Region."""
        backend = iot_backends[self.account_id][self.region_name]
        assert isinstance(backend, EmulatedIoTBackend)  # noqa: S101 (installed together with this; tells mypy so)
        return backend

    @property
    def arn_start(self) -> str:
        """Beginning of the ARN of every AWS IoT resource here."""
        return f"arn:{self.partition}:iot:{self.region_name}:{self.account_id}:"

    def connected_pools(self, start: datetime, end: datetime) -> list[IdentityPool]:
        """Return the identity pools with a connection in a span of time, as far as they still exist."""
        pools = (identity_pool(i, self.account_id) for i in self.identities.pools_between(start, end))
        return [pool for pool in pools if pool is not None]

    def arn_of(self, kind: str, name: str) -> str:
        """Return the ARN of a resource, for example of kind `scheduledaudit`."""
        return f"{self.arn_start}{kind}/{name}"

    def call(self, operation: str, params: dict[str, Any]) -> Reply:
        """Validate the members of a request and carry out the operation (`ServiceError` when refused)."""
        validate_request(operation_model(operation), params)
        return self.operations[operation](params)

    def next_due(self) -> datetime | None:
        """Return when the next event is due, None when nothing is."""
        return min((due for part in self._timed if (due := part.next_due()) is not None), default=None)

    def run_due(self, now: datetime) -> None:
        """Let everything happen that is due at `now`, and forget what is beyond retention."""
        for part in self._timed:
            part.run_due(now)

    def forget_old(self, now: datetime) -> None:
        """Drop what AWS would not keep any longer."""
        self.audit_tasks.forget_old(now)
        self.mitigation_tasks.forget_old(now)

    def audit_ended(self, task: AuditTask) -> None:
        """Do what follows the end of an audit: its figures go to CloudWatch, a message to SNS."""
        audit_metrics.record_audit(self, task)
        notifications.announce_audit(self, task)


audit_backends: BackendDict[AuditBackend] = BackendDict(AuditBackend, "iot")
