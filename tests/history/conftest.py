"""The reference model and the random histories, which stand beside the tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"history_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


HISTORIES = _module("histories")
LITERAL = _module("literal")
MODEL = _module("reference_model")


@pytest.fixture(scope="session")
def model() -> ModuleType:
    """Give the slow and obvious model of the rules."""
    return MODEL


@pytest.fixture(scope="session")
def tables() -> object:
    """Give the function that turns a history into tables."""
    return HISTORIES.tables
