"""Plotly figures of a notebook as data blocks, which one small script of the page draws.

A figure is JSON in the page, never code. What all figures share (the plotly template, the dark colours) stands in the
page once.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import markupsafe

if TYPE_CHECKING:
    from collections.abc import Mapping

PLOTLY = "application/vnd.plotly.v1+json"

PLACE = '<div class="dd-plot"></div>'
"""What the HTML beside a figure holds where the figure belongs; without it the figure stands alone."""

_METADATA = "ddreport"
_DEFAULT_HEIGHT = 420

# "<" could end the block or open a comment in it; the two line separators are no white space in JavaScript.
_FOR_SCRIPT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def json_for_script(value: Any) -> str:
    """Return `value` as JSON text that is safe between `<script type="application/json">` and `</script>`."""
    try:
        text = _dumps(value)
    except ValueError:
        # NaN and Infinity are no JSON; a figure of another library's making may hold them.
        text = _dumps(_finite(value))
    return text.translate(_FOR_SCRIPT)


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass
class FigureBlocks:
    """Collects the figures of one page; ids are `fig-1`, `fig-2`, ... in their order."""

    count: int = 0
    shared: list[Any] = field(default_factory=list)

    def block(self, figure: Mapping[str, Any], metadata: Mapping[str, Any], html: str | None) -> str:
        """Return the HTML of one figure.

        Parameters
        ----------
        figure
            `data`, `layout` and perhaps `config`, as the notebook holds them.
        metadata
            The output's metadata; `ddreport` in it may hold `label` (text alternative), `dark` (dark colour by light
            colour), `narrow` (values by path for narrow pages), `untitled` (values by path where `html` shows the
            title) and `min_width` (pixels, else the figure shrinks).
        html
            What belongs around it, with `PLACE` in it; None for a figure of another library's making.
        """
        self.count += 1
        own = metadata.get(_METADATA, {})
        layout = dict(figure.get("layout", {}))
        label = own.get("label") or _title(layout) or "Chart"
        template = layout.pop("template", None)
        spec = {
            "data": figure.get("data", []),
            "layout": layout,
            "template": None if template is None else self._share(template),
            "dark": None if not own.get("dark") else self._share(own["dark"]),
            "narrow": own.get("narrow", {}),
            "minWidth": own.get("min_width", 0),
            "titled": html is not None,
            "untitled": own.get("untitled", {}),
        }
        name = f"fig-{self.count}"
        height = int(layout.get("height") or _DEFAULT_HEIGHT)
        place = (
            f'<div class="dd-plot-frame"><div class="dd-plot" id="{name}" role="img" '
            f'aria-label="{markupsafe.escape(label)}" style="min-height:{height}px"></div></div>\n'
            f'<script type="application/json" id="{name}-data">{json_for_script(spec)}</script>'
        )
        if html is not None and PLACE in html:
            return html.replace(PLACE, place, 1)
        return f'<figure class="dd-figure">{place}</figure>'

    def shared_block(self) -> str:
        """Return the data block that holds what the figures share."""
        return f'<script type="application/json" id="dd-shared">{json_for_script(self.shared)}</script>'

    def _share(self, value: Any) -> int:
        if value not in self.shared:
            self.shared.append(value)
        return self.shared.index(value)


def _title(layout: Mapping[str, Any]) -> str:
    title = layout.get("title", "")
    return str(title.get("text", "") if isinstance(title, dict) else title)
