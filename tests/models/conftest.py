"""A user's own modules and files, as text."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CALCULATOR = """
import numpy as np
from ase.calculators.calculator import Calculator

class Spring(Calculator):
    '''Pulls every atom to the middle of the cell.'''
    implemented_properties = ["energy", "forces"]

    def __init__(self, stiffness=0.01, *, device="auto"):
        super().__init__()
        self.stiffness, self.asked_for = stiffness, device

    def calculate(self, atoms=None, properties=("forces",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        away = atoms.positions - 11.0
        self.results = {"energy": 0.5 * self.stiffness * (away**2).sum(), "forces": -self.stiffness * away}
"""


@pytest.fixture(autouse=True)
def _own_sys_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def calculator_source() -> str:
    """Source of a module with the calculator ``Spring(stiffness=0.01, *, device="auto")``."""
    return CALCULATOR


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Write ``name.py`` (dots make packages) with ``Spring`` and the given source, onto ``sys.path``."""
    before = set(sys.modules)

    def write(name: str, source: str = "") -> Path:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CALCULATOR + source)
        monkeypatch.syspath_prepend(tmp_path)
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
