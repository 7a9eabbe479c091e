"""A small liquid and models around it, for every test of the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.potentials import lennard_jones
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.cache import Cache
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.simulation.md import Workshop
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import State, as_cell

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


EDGE = 3.4 * (108 / 0.76) ** (1 / 3)


class Plain:
    """The reference without its native force; ``alter(forces, call)`` may spoil what it returns."""

    def __init__(self, alter=None):
        self.calls = 0
        self.alter = alter or (lambda forces, call: forces)
        self.potential = lennard_jones()

    def get_forces(self, atoms):
        self.calls += 1
        return self.alter(self.potential.get_forces(atoms), self.calls)


class Batched:
    """Takes all replicas in one call; remembers how many came each time."""

    def __init__(self, alter=None):
        self.sizes = []
        self.alter = alter or (lambda forces, call: forces)
        self.potential = lennard_jones()

    def batch_forces(self, positions, numbers, cell):
        from ase import Atoms

        self.sizes.append(len(positions))
        stack = [self.potential.get_forces(Atoms(numbers, x, cell=cell, pbc=True)) for x in positions]
        return self.alter(np.stack(stack), len(self.sizes))


def fake_model(calculator, *, name="fake", fingerprint="fake"):
    return SimpleNamespace(name=name, calculator=calculator, fingerprint=fingerprint, repeatable=True)


@pytest.fixture(scope="session")
def plain():
    """Model around :class:`Plain`."""
    return lambda alter=None, **kwargs: fake_model(Plain(alter), **kwargs)


@pytest.fixture(scope="session")
def batched():
    """Model around :class:`Batched`."""
    return lambda alter=None, **kwargs: fake_model(Batched(alter), **kwargs)


@pytest.fixture(scope="session")
def small():
    """108 atoms of the liquid at 100 K."""
    return State(name="small", phase="liquid", temperature=100.0, numbers=(18,) * 108, cell=as_cell([EDGE] * 3))


@pytest.fixture(scope="session")
def liquid(small):
    """Four configurations of that liquid, 2 ps apart, in Å."""
    hot = State(name="hot", phase="liquid", temperature=300.0, numbers=(18,) * 108, cell=small.cell)
    melt = Engine(ReferenceModel(ARGON), ARGON, hot, seeds=[1])
    melt.start(fcc_positions((3, 3, 3), EDGE / 3)[None])
    melt.equilibrate(1000)
    engine = Engine(ReferenceModel(ARGON), ARGON, small, seeds=[2])
    engine.start(melt.sample(1).position[:, 0])
    engine.equilibrate(400)
    return engine.sample(76).position[0, 18::19].astype(float)


@pytest.fixture
def workshop(tmp_path):
    """``make(model, folder=..., budget=..., progress=...) -> Workshop`` with a cache of its own."""

    def make(model, *, folder="cache", budget=None, progress=None) -> Workshop:
        cache = Cache(Path(tmp_path) / folder)
        return Workshop(model, ARGON, cache, Meter(budget, progress))

    return make
