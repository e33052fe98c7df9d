"""A line of a few pixels that shows the course of a count; the numbers beside it say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import markupsafe

from ddreport.presentation.charts.timeline import widths_ms

if TYPE_CHECKING:
    import pandas as pd

_WIDTH: Final = 120.0
_HEIGHT: Final = 28.0


def sparkline(history: pd.DataFrame, *, usual_ms: int, span: tuple[Any, Any]) -> markupsafe.Markup | None:
    """Return an inline SVG of the non-compliant resources of one check over its audits.

    It is decoration for the eye, hidden from screen readers. Audits without a verdict leave a hole; zero is on the
    base line; the scale is the check's own.

    Parameters
    ----------
    history
        Rows of `metrics.compliance_by_check` of one check in one account and Region.
    usual_ms
        Usual distance of audits, milliseconds.
    span
        First and last moment that all sparklines of a report share.

    Returns
    -------
    Markup or None
        None where fewer than two audits gave a verdict.
    """
    verdicts = history[history["state"].isin(["COMPLIANT", "NON_COMPLIANT"])].sort_values("task_start_time")
    if len(verdicts) < 2:
        return None
    start, end = span
    length = (end - start).total_seconds() * 1000 + usual_ms
    counts = verdicts["non_compliant_resources_count"].fillna(0).astype("int64")
    most = max(int(counts.max()), 1)
    starts = list(verdicts["task_start_time"])
    pieces: list[list[tuple[float, float]]] = []
    before = None
    for moment, count, width in zip(starts, counts, widths_ms(starts, usual_ms), strict=True):
        left = (moment - start).total_seconds() * 1000
        y = _HEIGHT - 2 - (_HEIGHT - 4) * int(count) / most
        if before is None or left > before + usual_ms * 0.6:
            pieces.append([])
        pieces[-1] += [(_WIDTH * left / length, y), (_WIDTH * (left + width) / length, y)]
        before = left + width
    areas = "".join(_area(piece) for piece in pieces)
    lines = "".join(f'<path class="dd-spark-line" d="{_line(piece)}"/>' for piece in pieces)
    base = _HEIGHT - 2
    # Only numbers made here go into it.
    return markupsafe.Markup(  # noqa: S704  # see above
        f'<svg class="dd-spark" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false"><path class="dd-spark-base" d="M0 {base:g}H{_WIDTH:g}"/>{areas}{lines}</svg>'
    )


def _line(points: list[tuple[float, float]]) -> str:
    first, *rest = points
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in rest)


def _area(points: list[tuple[float, float]]) -> str:
    base = _HEIGHT - 2
    path = f"{_line(points)}L{points[-1][0]:.1f} {base:g}L{points[0][0]:.1f} {base:g}Z"
    return f'<path class="dd-spark-area" d="{path}"/>'
