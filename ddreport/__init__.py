"""See, prove and repair the security compliance of IoT fleets audited by AWS IoT Device Defender.

The names below are imported when they are first used, so that `import ddreport` costs nothing:

- `load(...)` → `AuditData`: audits and findings of a window as pandas tables, from the archive
- `metrics`: measures, table in, table out · `report`: charts and sections of the notebooks · `charts`
- `load_preflight(...)` → `Preflight`: how an account stands before it is set up, and what a set-up would do
- `widgets`: tables and panels to click in · `load_mitigations(...)` → `Mitigations`: plans, campaigns, their effect
- `describe_check(name)`: what a check means · `SCHEMAS`: every table's columns
- `refuse_unknown_parameters(globals())`: the guard that notebooks begin with
- `DDReportError`: base of all errors
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ddreport.version import __version__

if TYPE_CHECKING:
    from ddreport import metrics, widgets
    from ddreport.catalogue import Check, describe_check
    from ddreport.errors import DDReportError
    from ddreport.parameters import refuse_unknown_parameters
    from ddreport.presentation import charts, report
    from ddreport.schemas import SCHEMAS
    from ddreport.workflows.load import AuditData, load
    from ddreport.workflows.mitigating.past import Mitigations, load_mitigations
    from ddreport.workflows.preflight import Preflight, load_preflight

__all__ = [
    "SCHEMAS",
    "AuditData",
    "Check",
    "DDReportError",
    "Mitigations",
    "Preflight",
    "__version__",
    "charts",
    "describe_check",
    "load",
    "load_mitigations",
    "load_preflight",
    "metrics",
    "refuse_unknown_parameters",
    "report",
    "widgets",
]

_HOMES = {
    "SCHEMAS": "ddreport.schemas",
    "AuditData": "ddreport.workflows.load",
    "Check": "ddreport.catalogue",
    "DDReportError": "ddreport.errors",
    "Mitigations": "ddreport.workflows.mitigating.past",
    "Preflight": "ddreport.workflows.preflight",
    "describe_check": "ddreport.catalogue",
    "load": "ddreport.workflows.load",
    "load_mitigations": "ddreport.workflows.mitigating.past",
    "load_preflight": "ddreport.workflows.preflight",
    "refuse_unknown_parameters": "ddreport.parameters",
}
_MODULES = {
    "charts": "ddreport.presentation.charts",
    "metrics": "ddreport.metrics",
    "report": "ddreport.presentation.report",
    "widgets": "ddreport.widgets",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ddreport' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
