"""Contexts of checks around cheap models; nothing here waits for a long run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.settings import Settings
from pytest_mlff.systems.reading import load_system
from pytest_mlff.verdict.overrides import tolerances

ARGON = load_system("argon")


class Altered:
    """The reference through Python; ``alter(forces, call)`` may spoil what it returns."""

    def __init__(self, alter=None, **parameters):
        self.calls = 0
        self.alter = alter or (lambda forces, call: forces)
        self.potential = lennard_jones(**parameters)

    def get_forces(self, atoms):
        self.calls += 1
        return self.alter(self.potential.get_forces(atoms), self.calls)


@pytest.fixture(scope="session")
def altered():
    """``make(alter=None, **parameters) -> Model`` of :class:`Altered`."""

    def make(alter=None, *, name="candidate", repeatable=True, **parameters):
        calculator = Altered(alter, **parameters)
        return SimpleNamespace(
            name=name,
            calculator=calculator,
            fingerprint=name,
            repeatable=repeatable,
            spec=name,
            provides=frozenset({"forces"}),
        )

    return make


@pytest.fixture
def context(tmp_path):
    """``make(model, **settings) -> CheckContext`` with a cache of its own."""

    def make(model, **settings) -> CheckContext:
        settings = {"protocol": "smoke", "cache_dir": tmp_path / "cache", **settings}
        return build_context(Settings(**settings), model)

    return make


@pytest.fixture
def nobody():
    """As much of a context as the judge looks at."""
    return SimpleNamespace(
        model=SimpleNamespace(name="candidate"),
        system=load_system("argon"),
        tolerances=tolerances(TABLE, {}),
        protocol=SimpleNamespace(name="ci"),
    )


@pytest.fixture
def made_parity_sets(monkeypatch):
    """Parity sets made here: 50 shaken crystals of 256 atoms, whatever is shipped."""
    from pytest_mlff.reference.data import Configurations, Reference

    real = Reference.configurations

    def configurations(self, name):
        if not name.startswith("parity/"):
            return real(self, name)
        rng = np.random.default_rng(len(name))
        argon = load_system("argon")
        lattice = argon.lattice(argon.state("100K-256"))
        positions = lattice.positions + rng.normal(0.0, 0.25, (50, 256, 3))
        return Configurations(positions, lattice.numbers, np.stack([lattice.cell] * 50))

    monkeypatch.setattr(Reference, "configurations", configurations)
