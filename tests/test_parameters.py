"""Parameters of notebooks: read from the cell, checked before a run, refused inside of a run."""

from __future__ import annotations

from typing import Any

import pytest

from ddreport.errors import ParameterError
from ddreport.parameters import Parameter, check_parameters, declared_parameters, parse_value, refuse_unknown_parameters

CELL = """
target: str = "demo"  # a target = of ddreport.toml
days: int = 90  # days of history, UTC
share: float = 0.5
checks: list[str] = []  # empty means all
limit: int | None = None
quiet = False
import os
made = os.getcwd()
"""


def test_names_types_defaults_and_comments_are_read_in_order() -> None:
    declared = declared_parameters(CELL)
    assert list(declared) == ["target", "days", "share", "checks", "limit", "quiet"]
    assert declared["days"].annotation == "int"
    assert declared["days"].default == 90
    assert declared["days"].help == "days of history, UTC"
    assert declared["quiet"].annotation == "bool"


def test_a_comment_with_an_equals_sign_does_not_hide_a_parameter() -> None:
    assert declared_parameters(CELL)["target"].help == "a target = of ddreport.toml"


def test_text_that_is_not_python_declares_nothing() -> None:
    assert declared_parameters("this is (not python") == {}


@pytest.mark.parametrize(
    "given",
    [
        {"target": "prod"},
        {"days": 7},
        {"share": 1},
        {"checks": ["A", "B"]},
        {"checks": []},
        {"limit": None},
        {"limit": 3},
    ],
)
def test_a_value_of_the_declared_type_passes(given: dict[str, Any]) -> None:
    check_parameters(given, declared_parameters(CELL), notebook="n.ipynb")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": 5}, "'target' must be a text (str), not 5"),
        ({"days": "90"}, "'days' must be a whole number (int), not '90'"),
        ({"days": True}, "'days' must be a whole number (int), not True"),
        ({"checks": "LOGGING_DISABLED_CHECK"}, "must be a list of texts (list[str])"),
        ({"checks": [1]}, "must be a list of texts (list[str]), not [1]"),
        ({"limit": "x"}, "must be a whole number or None (int | None)"),
        ({"quiet": 1}, "must be True or False (bool)"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_allowed(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_parameters(given, declared_parameters(CELL), notebook="n.ipynb")
    assert words in str(caught.value)
    assert "n.ipynb" in str(caught.value)


def test_an_unknown_name_is_refused_with_the_right_ones_and_the_likely_one() -> None:
    with pytest.raises(ParameterError) as caught:
        check_parameters({"targt": "demo"}, declared_parameters(CELL), notebook="n.ipynb")
    assert "has no parameter 'targt'; it has: target, days, share, checks, limit, quiet" in str(caught.value)
    assert "Did you mean 'target'?" in str(caught.value)


def a_kernel(*cells: str) -> dict[str, Any]:
    """Make the namespace of a kernel in which these cells ran."""
    namespace: dict[str, Any] = {"In": ["", *cells]}
    for cell in cells:
        exec(cell, namespace)
    return namespace


def test_inside_a_notebook_an_injected_unknown_parameter_is_refused() -> None:
    namespace = a_kernel(CELL, '# Parameters\ntarget = "prod"\nstrat = "2026-01-01"\n', "pass")
    with pytest.raises(ParameterError, match="has no parameter 'strat'"):
        refuse_unknown_parameters(namespace)


def test_inside_a_notebook_an_injected_value_of_the_wrong_type_is_refused() -> None:
    namespace = a_kernel(CELL, "# Parameters\ndays = float('nan')\n", "pass")
    with pytest.raises(ParameterError, match="'days' must be a whole number"):
        refuse_unknown_parameters(namespace)


def test_inside_a_notebook_right_parameters_pass() -> None:
    refuse_unknown_parameters(a_kernel(CELL, '# Parameters\ntarget = "prod"\n', "pass"))


def test_variables_set_by_hand_are_nobodys_business() -> None:
    refuse_unknown_parameters(a_kernel(CELL, "target = 5\nanything = 1", "pass"))


def test_outside_of_a_notebook_nothing_happens() -> None:
    refuse_unknown_parameters({})


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("str", "2026", "2026"),
        ("str", "true", "true"),
        ("str", '"quoted"', '"quoted"'),
        ("str", "", ""),
        ("str | None", "null", "null"),
        ("int", "7", 7),
        ("int | None", "null", None),
        ("int | None", "None", None),
        ("int | None", "3", 3),
        ("float", "0.5", 0.5),
        ("float", "1", 1),
        ("bool", "true", True),
        ("bool", "False", False),
        ("list[str]", "A, B", ["A", "B"]),
        ("list[str]", "1,2", ["1", "2"]),
        ("list[str]", "A", ["A"]),
        ("list[str]", "", []),
        ("list[str]", '["A", "B,C"]', ["A", "B,C"]),
        ("list[int]", "1,2", [1, 2]),
        ("list[int]", "[1, 2]", [1, 2]),
        ("list", "a,b", ["a", "b"]),
        ("dict[str, int]", '{"a": 1}', {"a": 1}),
        ("Any", "5", 5),
        ("Any", "five", "five"),
    ],
)
def test_a_typed_text_is_read_by_the_declared_type(annotation: str, text: str, value: object) -> None:
    read = parse_value(text, Parameter("p", annotation, None))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "text", "words"),
    [
        ("int", "many", "'p' must be a whole number (int), not 'many'. Hint: write it as 7."),
        ("int", "7.5", "must be a whole number (int), not 7.5"),
        ("int", "true", "must be a whole number (int), not True"),
        ("int", "", "must be a whole number (int), not ''"),
        ("float", "NaN", "must be a number (float), not 'NaN'. Hint: write it as 0.5."),
        ("float", "1e999", "must be a number (float), not '1e999'"),
        ("bool", "1", "must be True or False (bool), not 1. Hint: write it as true or false."),
        ("list[str]", "[1]", "must be a list of texts (list[str]), not [1]"),
        ("list[str]", '["A"', """not '["A"'. Hint: write it as A,B or ["A", "B"]."""),
        ("list[int]", "1,x", "must be a list of whole numbers (list[int]), not [1, 'x']"),
        ("dict", "a=1", "must be a table of names and values (dict), not 'a=1'"),
        ("dict", "[" * 100_000, "must be a table of names and values"),
    ],
)
def test_a_typed_text_that_does_not_fit_is_refused_with_how_to_write_it(annotation: str, text: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_value(text, Parameter("p", annotation, None))
    assert words in str(caught.value)
