"""Whether somebody is looking at the running notebook, and what it shows where nobody is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.progress import is_watched_notebook

if TYPE_CHECKING:
    from ddreport.presentation.blocks import Section
    from ddreport.widgets.mitigation import MitigationPanel
    from ddreport.widgets.setup_view import SetupPanel
    from ddreport.workflows.preflight import Preflight

HEADING = "Mitigation panel"


def is_interactive() -> bool:
    """Tell whether somebody can click in the notebook that is running (`progress.is_watched_notebook`)."""
    return is_watched_notebook()


def mitigation_panel(*, interactive: bool | None = None, **options: Any) -> MitigationPanel | Section:
    """Return the panel, or where nobody can click, a remark that stands in its place and changes nothing.

    Parameters
    ----------
    interactive
        Whether somebody can click; None finds out (`is_interactive`).
    options
        As for `MitigationPanel`.

    Raises
    ------
    InputError
        An argument is of the wrong kind.
    MissingExtraError
        Somebody can click, and the extra `widgets` is not installed.
    """
    if is_interactive() if interactive is None else interactive:
        from ddreport.widgets.mitigation import MitigationPanel

        return MitigationPanel(**options)
    from ddreport.presentation.blocks import nothing

    return nothing(
        HEADING, "This run is not interactive: it shows what was planned and done, and neither plans nor does anything."
    )


def setup_panel(preflight: Preflight, *, interactive: bool | None = None, **options: Any) -> SetupPanel | Section:
    """Return the set-up panel, or where nobody can click, a remark that stands in its place and changes nothing.

    Parameters
    ----------
    preflight
        How the account stands (`load_preflight`).
    interactive
        Whether somebody can click; None finds out (`is_interactive`).
    options
        As for `SetupPanel`.

    Raises
    ------
    MissingExtraError
        Somebody can click, and the extra `widgets` is not installed.
    """
    if is_interactive() if interactive is None else interactive:
        from ddreport.widgets.setup_view import SetupPanel

        return SetupPanel(preflight, **options)
    from ddreport.presentation.blocks import nothing

    return nothing("Set-up panel", "This run is not interactive: it shows how the account stands, and changes nothing.")
