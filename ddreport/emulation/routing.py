"""Which operation of AWS IoT a method and a path mean.

moto's own router takes a request without a required query parameter for an unknown path; AWS refuses it by name.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ddreport.emulation.service_model import service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL = re.compile(r"\{([^}]+)\}")


@cache
def _routes() -> Mapping[str, list[tuple[re.Pattern[str], tuple[str, ...], str]]]:
    """Return per method the paths as patterns with their labels, the most specific first."""
    model = service_model()
    routes: dict[str, list[tuple[re.Pattern[str], tuple[str, ...], str]]] = {}
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = str(http["requestUri"])
        labels = tuple(_LABEL.findall(path))
        literals = [re.escape(part) for part in _LABEL.split(path)[::2]]
        # Only the last label may hold slashes: some clients send an ARN without encoding it.
        groups = ["([^/]+)"] * (len(labels) - 1) + ["(.+)"] * bool(labels)
        pattern = literals[0] + "".join(g + part for g, part in zip(groups, literals[1:], strict=True))
        routes.setdefault(str(http["method"]), []).append((re.compile(pattern + "/?"), labels, name))
    for candidates in routes.values():
        candidates.sort(key=lambda route: (-route[0].pattern.count("/"), len(route[1])))
    return routes


def find_operation(method: str, raw_path: str) -> tuple[str, dict[str, str]] | None:
    """Return the operation's name and its decoded path labels, None for a path of nobody."""
    for pattern, labels, name in _routes().get(method, ()):
        found = pattern.fullmatch(raw_path)
        if found:
            return name, {label: unquote(text) for label, text in zip(labels, found.groups(), strict=True)}
    return None
