"""The account audit configuration: the audit role, the checks and their thresholds, the notification targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.clock import utc
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service_errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend

UNKNOWN_CHECK = "Request contains an invalid Audit Check Name."


class AuditConfiguration(Component):
    """Exists exactly while it has a role."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self.role_arn: str | None = None
        self._enabled: dict[str, bool] = dict.fromkeys(catalogue(), False)
        self._thresholds: dict[str, dict[str, str]] = {}
        self._targets: dict[str, dict[str, Any]] = {}
        self._collected: dict[str, datetime] = {}
        self._erased: dict[str, datetime] = {}

    def is_enabled(self, check_name: str) -> bool:
        """Whether a check is enabled."""
        return self._enabled.get(check_name, False)

    def collected(self, check_name: str) -> datetime | None:
        """Return when the data of an enabled check is complete, None when it always was."""
        return self._collected.get(check_name)

    def erased(self, check_name: str) -> datetime | None:
        """Return when the data of a check was deleted last, because it was disabled; None for never."""
        return self._erased.get(check_name)

    def thresholds(self, check_name: str) -> Mapping[str, str]:
        """Return the `configuration` map of a check, empty where nothing was set."""
        return self._thresholds.get(check_name, {})

    @property
    def notification_target(self) -> Mapping[str, Any] | None:
        """The SNS settings while they are enabled."""
        target = self._targets.get("SNS")
        return target if target and target.get("enabled") else None

    def require_known(self, check_names: Iterable[str]) -> None:
        """Refuse names that no check has (`InvalidRequestError`)."""
        if not set(check_names) <= self._enabled.keys():
            raise InvalidRequestError(UNKNOWN_CHECK)

    def targets_of(self, check_names: list[str]) -> tuple[str, ...]:
        """Return the checks of an audit without duplicates; all must be known and enabled."""
        names = tuple(dict.fromkeys(check_names))
        if not names:
            raise InvalidRequestError("At least one target check is required.")
        self.require_known(names)
        disabled = [name for name in names if not self._enabled[name]]
        if disabled:
            raise InvalidRequestError(f"Checks are not enabled in the account audit configuration: {disabled}.")
        return names

    @operation("DescribeAccountAuditConfiguration")
    def describe(self, params: Params) -> Reply:
        """Describe; every known check is listed, whether configured or not."""
        del params
        checks: dict[str, dict[str, Any]] = {}
        for name, enabled in self._enabled.items():
            checks[name] = {"enabled": enabled}
            if name in self._thresholds:
                checks[name]["configuration"] = dict(self._thresholds[name])
        return present(
            roleArn=self.role_arn,
            auditNotificationTargetConfigurations={k: dict(v) for k, v in self._targets.items()} or None,
            auditCheckConfigurations=checks,
        )

    @operation("UpdateAccountAuditConfiguration")
    def update(self, params: Params) -> Reply:
        """Merge: what is not named keeps its value. Nothing changes when anything is refused."""
        changes: dict[str, dict[str, Any]] = params.get("auditCheckConfigurations", {})
        role_arn: str | None = params.get("roleArn", self.role_arn)
        if role_arn is None or (self.role_arn is None and not any(c.get("enabled") for c in changes.values())):
            raise InvalidRequestError("The first configuration requires roleArn and at least one enabled check.")
        self._check_role(role_arn)
        self.require_known(changes)
        for name, change in changes.items():
            _check_thresholds(name, change.get("configuration", {}))
        self._check_not_in_use(name for name, change in changes.items() if change.get("enabled") is False)
        targets = self._merged_targets(params.get("auditNotificationTargetConfigurations", {}))
        self.role_arn = role_arn
        self._targets = targets
        for name, change in changes.items():
            self._switch(name, enabled=change.get("enabled", self._enabled[name]))
            if "configuration" in change:
                self._thresholds[name] = dict(change["configuration"])
        return {}

    @operation("DeleteAccountAuditConfiguration")
    def delete(self, params: Params) -> Reply:
        """Delete everything; schedules only when asked to, else they are in the way."""
        if self.role_arn is None:
            raise NotFoundError("The account has no audit configuration.")
        schedules = self.backend.scheduled_audits
        if params.get("deleteScheduledAudits"):
            schedules.delete_all()
        elif schedules.names():
            raise InvalidRequestError("Scheduled audits exist; delete them first or set deleteScheduledAudits.")
        self.role_arn = None
        self._thresholds = {}
        self._targets = {}
        for name in self._enabled:
            self._switch(name, enabled=False)
        return {}

    def _switch(self, check_name: str, *, enabled: bool) -> None:
        """Enable a check, which begins to collect its data, or disable it, which deletes what was collected."""
        if enabled == self._enabled[check_name]:
            return
        self._enabled[check_name] = enabled
        if enabled:
            self._collected[check_name] = utc(self.now() + self.world.data_collection)
        else:
            self._collected.pop(check_name, None)
            self._erased[check_name] = self.now()
            self.backend.audit_tasks.check_disabled([check_name])

    def _check_role(self, role_arn: str) -> None:
        parts = role_arn.split(":")
        if len(parts) < 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
            raise InvalidRequestError("roleArn is not the ARN of an IAM role.")
        if parts[4] != self.backend.account_id:
            raise InvalidRequestError("The role must belong to the same account.")

    def _check_not_in_use(self, disabled: Iterable[str]) -> None:
        for name in disabled:
            users = self.backend.scheduled_audits.using(name)
            if users:
                raise InvalidRequestError(f"{name} cannot be disabled: scheduled audits use it: {users}.")

    def _merged_targets(self, changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        merged = {kind: dict(target) for kind, target in self._targets.items()}
        for kind, change in changes.items():
            target = merged[kind] = merged.get(kind, {}) | change
            if target.get("enabled") and not (target.get("targetArn") and target.get("roleArn")):
                raise InvalidRequestError("Enabled notifications require targetArn and roleArn.")
        return merged


def _check_thresholds(check_name: str, configuration: dict[str, str]) -> None:
    threshold = catalogue()[check_name].threshold
    for key, value in configuration.items():
        if threshold is None or key != threshold.configuration_key:
            raise InvalidRequestError(f"{check_name} has no configuration {key}.")
        if not (value.isascii() and value.isdigit() and threshold.min_days <= int(value) <= threshold.max_days):
            raise InvalidRequestError(
                f"{key} must be a whole number from {threshold.min_days} to {threshold.max_days}."
            )
