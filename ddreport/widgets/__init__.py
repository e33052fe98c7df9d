"""Widgets of the notebooks, in JupyterLab and Voila; they need the extra `widgets`.

- `FindingsTable(frame)`: a table of any size with search, filters, order and selection
- `MitigationPanel(target=...)`: from findings to a plan, its approval and outcome, and back
- `mitigation_panel(target=...)`: the same, or a remark where nobody can click (`is_interactive`)
- `SetupPanel(preflight)`, `setup_panel(preflight)`: from an empty account to its first audit

Heavy packages are imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddreport.widgets.mitigation import MitigationPanel
    from ddreport.widgets.page import is_interactive, mitigation_panel, setup_panel
    from ddreport.widgets.setup_view import SetupPanel
    from ddreport.widgets.table import FindingsTable

__all__ = ["FindingsTable", "MitigationPanel", "SetupPanel", "is_interactive", "mitigation_panel", "setup_panel"]

_HOMES = {
    "FindingsTable": "ddreport.widgets.table",
    "MitigationPanel": "ddreport.widgets.mitigation",
    "is_interactive": "ddreport.widgets.page",
    "SetupPanel": "ddreport.widgets.setup_view",
    "mitigation_panel": "ddreport.widgets.page",
    "setup_panel": "ddreport.widgets.page",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ddreport.widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
