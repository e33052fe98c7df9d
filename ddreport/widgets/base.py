"""What all widgets share: the packages they need, their style sheets, and the one that shows blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.errors import MissingExtraError

try:
    import anywidget
    import ipywidgets
    import traitlets
except ImportError as exc:
    raise MissingExtraError.for_extra("widgets", what="a widget", missing=str(exc.name)) from exc

if TYPE_CHECKING:
    from ddreport.widgets.blocks import Block

__all__ = ["STATIC", "Blocks", "anywidget", "ipywidgets", "style", "traitlets"]

STATIC = Path(__file__).parent / "static"


def style(*names: str) -> str:
    """Return the style sheets of these widgets as one."""
    return "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in ("base", *names))


class Blocks(anywidget.AnyWidget):
    """Shows blocks (`widgets.blocks`); set `blocks` to show others."""

    _esm = STATIC / "blocks.js"
    _css = style("blocks")

    blocks: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def show(self, *blocks: Block) -> None:
        """Show these blocks; nothing is sent where they are the ones that are shown."""
        self.blocks = list(blocks)
