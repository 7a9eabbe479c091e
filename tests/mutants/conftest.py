"""Configurations that mutants are tried on."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from pytest_mlff.mutants import MUTANTS, Mutant, Strength
from pytest_mlff.systems.reading import load_system

STRENGTHS = [(mutant, strength) for mutant in MUTANTS.values() for strength in mutant.strengths]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``mutant`` and ``strength`` every value there is."""
    if "strength" in metafunc.fixturenames:
        ids = [mutant.call(strength) for mutant, strength in STRENGTHS]
        metafunc.parametrize(("mutant", "strength"), STRENGTHS, ids=ids)


@pytest.fixture
def spec(mutant: Mutant, strength: Strength) -> str:
    return mutant.spec(strength)


@pytest.fixture(scope="session")
def liquid() -> Atoms:
    """108 atoms about FCC sites at liquid density, in a cell wider than twice the cutoff; all inside the cell."""
    edge = 3 * 5.9
    crystal = load_system("argon").crystal.repeated((3, 3, 3), edge * np.eye(3))
    positions = crystal.positions + np.random.default_rng(1).normal(scale=0.25, size=(108, 3))
    return Atoms("Ar108", positions % edge, cell=[edge] * 3, pbc=True)
