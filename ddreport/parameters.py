"""Parameters of a notebook: read from its parameters cell, checked before anything runs.

The parameters cell holds annotated literals, one per line, with an explaining comment:
`lookback_days: int = 90  # days of history, UTC`. Two readers use it: whoever starts a notebook
(`declared_parameters`, `parse_value`, `check_parameters`) and the notebook itself (`refuse_unknown_parameters`),
because plain papermill only warns when it is given a parameter that the notebook does not have, and then runs
without it.
"""

from __future__ import annotations

import ast
import io
import json
import math
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INJECTED = "# Parameters"
"""First line of the cell that papermill puts behind the parameters cell."""

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "list": (list, tuple),
    "dict": (dict,),
    "None": (type(None),),
}
_IN_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "list": "a list",
    "dict": "a table of names and values",
    "None": "None",
}

_SCALARS = ("int", "float", "bool")
_HOW_TO_WRITE = {
    "int": "7",
    "float": "0.5",
    "bool": "true or false",
    "list": 'A,B or ["A", "B"]',
    "dict": '{"name": "value"}',
}


@dataclass(frozen=True)
class Parameter:
    """One parameter that a notebook declares.

    Attributes
    ----------
    name
        Its name.
    annotation
        Its type as written, such as `list[str]`; that of the default where none is written.
    default
        The literal it is set to.
    help
        The comment behind it.
    """

    name: str
    annotation: str
    default: Any
    help: str = ""

    def refusal(self, value: object) -> str | None:
        """Say why `value` does not fit, or None when it does. An annotation of another kind lets all pass."""
        wanted = [part.strip() for part in self.annotation.split("|")]
        if any(_fits(part, value) for part in wanted):
            return None
        words = " or ".join(_words(part) for part in wanted)
        return f"parameter {self.name!r} must be {words} ({self.annotation}), not {value!r}"


def _base(annotation: str) -> str:
    return annotation.partition("[")[0].strip()


def _words(annotation: str) -> str:
    inner = annotation.partition("[")[2].rstrip("] ")
    plural = {"str": "texts", "int": "whole numbers", "float": "numbers"}.get(inner)
    words = _IN_WORDS.get(_base(annotation), annotation)
    return f"{words} of {plural}" if plural else words


def _fits(annotation: str, value: object) -> bool:
    base = _base(annotation)
    allowed = _TYPES.get(base)
    if allowed is None:
        return True
    # True is an int for Python, but nobody who writes it means the number 1.
    if isinstance(value, bool) and base != "bool":
        return False
    if not isinstance(value, allowed):
        return False
    inner = annotation.partition("[")[2].rstrip("] ")
    if base == "list" and inner in _TYPES and isinstance(value, (list, tuple)):
        return all(_fits(inner, item) for item in value)
    return True


def declared_parameters(source: str) -> dict[str, Parameter]:
    """Read the parameters from the source of a parameters cell.

    Parameters
    ----------
    source
        Python text. Only top-level assignments of literals count; anything else is passed over.

    Returns
    -------
    dict
        `Parameter` by name, in the order of the cell; empty when the text is not Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in tree.body:
        target: ast.expr
        if isinstance(node, ast.AnnAssign):
            target, annotation = node.target, ast.unparse(node.annotation).strip("'\"")
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, annotation = node.targets[0], ""
        else:
            continue
        if not isinstance(target, ast.Name) or node.value is None:
            continue
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            continue
        name = target.id
        kind = annotation or ("Any" if default is None else type(default).__name__)
        found[name] = Parameter(name, kind, default, comments.get(node.end_lineno or node.lineno, ""))
    return found


def _comments(source: str) -> dict[int, str]:
    lines = io.StringIO(source).readline
    try:
        tokens = list(tokenize.generate_tokens(lines))
    except (tokenize.TokenError, SyntaxError):
        return {}
    return {t.start[0]: t.string.lstrip("# ").rstrip() for t in tokens if t.type == tokenize.COMMENT}


def parse_value(text: str, parameter: Parameter) -> Any:
    """Read a parameter that was typed as text, such as on a command line, by its declared type.

    Parameters
    ----------
    text
        As typed. For `str` it stays as it is, `2026` and `null` included. A list is JSON or texts with commas
        between them; empty means an empty list. Whole numbers, numbers, `true`, `false` and tables are JSON. Where
        None is allowed and `str` is not, `null` and `None` mean it. Of a type that is not known here, what reads as
        JSON is JSON, and anything else is text.
    parameter
        What the notebook declares.

    Raises
    ------
    ParameterError
        The text does not fit the type; says what would.
    """
    wanted = [part.strip() for part in parameter.annotation.split("|")]
    if "str" in wanted and not any(_base(part) in {"list", "dict"} for part in wanted):
        value: Any = text
    else:
        value = _read_as(wanted, text)
    refusal = parameter.refusal(value)
    if refusal is None:
        return value
    how = next((_HOW_TO_WRITE[_base(part)] for part in wanted if _base(part) in _HOW_TO_WRITE), None)
    raise ParameterError(f"{refusal}.", hint=f"write it as {how}." if how else None)


def _read_as(wanted: Sequence[str], text: str) -> Any:
    bare = text.strip()
    if "None" in wanted and bare in {"None", "null"}:
        return None
    lists = [part for part in wanted if _base(part) == "list"]
    if lists and not bare.startswith(("[", "{")):
        inner = lists[0].partition("[")[2].rstrip("] ")
        items = [item.strip() for item in bare.split(",")]
        return [_from_json(item) if inner in _SCALARS else item for item in items if item]
    return _from_json(text)


def _from_json(text: str) -> Any:
    """Return the value, or the text itself when it is no JSON."""
    if text.strip() in {"True", "False"}:  # as Python and our own messages write them
        return text.strip() == "True"
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def check_parameters(given: Mapping[str, Any], declared: Mapping[str, Parameter], *, notebook: str) -> None:
    """Refuse values that the notebook does not declare or that have the wrong type.

    Raises
    ------
    ParameterError
        Names the parameter, what would be allowed and, for a misspelt name, the likely one.
    """
    for name, value in given.items():
        if name not in declared:
            raise ParameterError.unknown(name, declared, notebook=notebook)
        refusal = declared[name].refusal(value)
        if refusal:
            raise ParameterError(
                f"{notebook}: {refusal}.",
                hint=f"{declared[name].help}." if declared[name].help else None,
            )


def refuse_unknown_parameters(
    namespace: Mapping[str, Any],
    declared: Mapping[str, Parameter] | None = None,
    *,
    notebook: str = "this notebook",
) -> None:
    """Refuse, inside a running notebook, parameters that papermill injected but the notebook does not declare.

    Call it in the first cell after the parameters: `refuse_unknown_parameters(globals())`. Variables that somebody
    sets by hand in JupyterLab are their own business: without papermill's injected cell nothing happens.

    Parameters
    ----------
    namespace
        `globals()` of the notebook; its `In` holds the cells that ran.
    declared
        What is allowed; None reads it from the cell that ran just before the injected one.
    notebook
        Name for the message.

    Raises
    ------
    ParameterError
        A parameter is unknown or has the wrong type.
    """
    cells: Sequence[str] = namespace.get("In", [])
    for index in range(len(cells) - 1, 0, -1):
        if cells[index].lstrip().startswith(_INJECTED):
            break
    else:
        return
    allowed = declared_parameters(cells[index - 1]) if declared is None else declared
    check_parameters(_assigned(cells[index], namespace), allowed, notebook=notebook)


def _assigned(source: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    names = [
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    # The cell has run, so its values are there; papermill writes calls such as float('nan') that are no literals.
    return {name: namespace.get(name) for name in names}
