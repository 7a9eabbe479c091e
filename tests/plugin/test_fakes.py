"""The stand-ins of the inner runs look like what they stand in for."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load_fakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_fakes", Path(__file__).with_name("fakes.py"))
    module = sys.modules["_fakes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FAKES = load_fakes()
STAND_INS = FAKES.STAND_INS


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, content in STAND_INS.items() for name in content]
)
def test_same_parameters(module, name):
    real = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    fake = inspect.signature(STAND_INS[module][name]).parameters
    positional = [p.name for p in real.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len([p for p in fake.values() if p.kind is p.POSITIONAL_OR_KEYWORD]) == len(positional)
    assert {p.name for p in fake.values() if p.kind is p.KEYWORD_ONLY} <= set(real)


def test_same_parameters_of_run_check():
    from pytest_mlff.gate.catalogue import run_check

    assert len(inspect.signature(run_check).parameters) == len(inspect.signature(FAKES.run_check).parameters)


def test_a_loaded_model_has_what_the_report_reads():
    from pytest_mlff.models.load import LoadedModel

    wanted = set(FAKES.FakeModel.__dataclass_fields__)
    assert wanted <= set(LoadedModel.__dataclass_fields__)
