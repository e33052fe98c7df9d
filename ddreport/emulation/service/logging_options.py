"""Logging options, old (V1) and fine-grained (V2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.emulation.paging import page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service_errors import InvalidRequestError, NotConfiguredError

if TYPE_CHECKING:
    from ddreport.emulation.audit_backend import AuditBackend

_DEFAULT_TARGET = "DEFAULT"


class LoggingOptions(Component):
    """The logging settings of one account and Region; `v1` and `v2` are None where never set."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self.v1: dict[str, Any] | None = None
        self.v2: dict[str, Any] | None = None
        self._levels: dict[tuple[str, str], str] = {}

    @operation("SetV2LoggingOptions")
    def set_v2(self, params: Params) -> Reply:
        """Set or change; the first time needs a role and a level."""
        if self.v2 is None and not {"roleArn", "defaultLogLevel"} <= params.keys():
            raise InvalidRequestError("The first V2 logging options require roleArn and defaultLogLevel.")
        self.v2 = {"disableAllLogs": False} | (self.v2 or {}) | params
        return {}

    @operation("GetV2LoggingOptions")
    def get_v2(self, params: Params) -> Reply:
        """Return the options, also after `disableAllLogs`."""
        del params
        return dict(self._configured())

    @operation("SetV2LoggingLevel")
    def set_v2_level(self, params: Params) -> Reply:
        """Set the level of a target, or the default one."""
        options = self._configured()
        target_type, target_name = params["logTarget"]["targetType"], params["logTarget"].get("targetName")
        if target_type == _DEFAULT_TARGET:
            options["defaultLogLevel"] = params["logLevel"]
        elif target_name is None:
            raise InvalidRequestError(f"targetName is required for target type {target_type}.")
        else:
            self._levels[(target_type, target_name)] = params["logLevel"]
        return {}

    @operation("ListV2LoggingLevels")
    def list_v2_levels(self, params: Params) -> Reply:
        """List the levels by target, the default one included."""
        default = self._configured().get("defaultLogLevel", "DISABLED")
        levels = [((_DEFAULT_TARGET, ""), default), *sorted(self._levels.items())]
        wanted = [(t, level) for t, level in levels if params.get("targetType") in (None, t[0])]
        wanted.sort()
        page, token = page_of(wanted, params, scope="ListV2LoggingLevels", key=lambda item: item[0])
        return present(
            logTargetConfigurations=[
                {"logTarget": present(targetType=kind, targetName=name or None), "logLevel": level}
                for (kind, name), level in page
            ],
            nextToken=token,
        )

    @operation("DeleteV2LoggingLevel")
    def delete_v2_level(self, params: Params) -> Reply:
        """Delete the level of a target; the default one cannot go."""
        if params["targetType"] == _DEFAULT_TARGET:
            raise InvalidRequestError("The default log level cannot be deleted.")
        self._levels.pop((params["targetType"], params["targetName"]), None)
        return {}

    @operation("SetLoggingOptions")
    def set_v1(self, params: Params) -> Reply:
        """Set the old options."""
        self.v1 = dict(params["loggingOptionsPayload"])
        return {}

    @operation("GetLoggingOptions")
    def get_v1(self, params: Params) -> Reply:
        """Return the old options; level DISABLED where never set."""
        del params
        return {"logLevel": "DISABLED"} | (self.v1 or {})

    def _configured(self) -> dict[str, Any]:
        if self.v2 is None:
            raise NotConfiguredError("V2 logging is not configured for this account.")
        return self.v2
