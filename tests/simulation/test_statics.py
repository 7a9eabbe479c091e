"""Every answer of a calculator for a given structure is finite, or refused with the structure."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.errors import NonFiniteError
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.statics import StaticForces
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


def test_finite_answers_are_those_of_the_model(plain, small, liquid):
    statics, plainly = (kind(plain(), ARGON, small.numbers, small.cell) for kind in (StaticForces, ModelForces))
    np.testing.assert_array_equal(statics(liquid), plainly(liquid))
    np.testing.assert_array_equal(statics(liquid[0]), plainly(liquid[0]))
    assert statics.calls == plainly.calls


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["plain", "batched"])
def test_one_force_of_one_copy_is_refused_with_its_structure(request, small, liquid, kind, value):
    def spoil(forces, call):
        if forces.ndim == 3:  # both copies in one call
            forces[1, 7, 1] = value
        elif call == 2:
            forces[7, 1] = value
        return forces

    statics = StaticForces(request.getfixturevalue(kind)(spoil), ARGON, small.numbers, small.cell)
    with pytest.raises(NonFiniteError, match="fake: forces are not finite in 1 of 108 atoms, first in atom 7") as seen:
        statics(liquid[:2])
    np.testing.assert_array_equal(seen.value.structure.positions, liquid[1])
    np.testing.assert_array_equal(seen.value.structure.cell, small.cell)


class Spoiled:
    def __init__(self, **answers):
        self.answers, self.potential = answers, lennard_jones()

    def __getattr__(self, name):
        right = getattr(self.potential, name)
        if name not in self.answers:
            return right
        return lambda *args, **named: self.answers[name](right(*args, **named))


@pytest.mark.parametrize(
    ("asked", "spoiled", "words"),
    [
        ("energy", {"get_potential_energy": lambda right: np.nan}, "the energy is not finite: nan"),
        ("energy_and_forces", {"get_potential_energy": lambda right: -np.inf}, "the energy is not finite: -inf"),
        ("energy_and_forces", {"get_forces": lambda right: right / 0.0}, "forces are not finite in 108 of 108 atoms"),
        (
            "stress",
            {"get_stress": lambda right: np.nan * right},
            "the stress is not finite in 3 of 3 rows",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in divide")
def test_energy_and_stress_are_refused_too(small, liquid, asked, spoiled, words):
    model = SimpleNamespace(name="fake", calculator=Spoiled(**spoiled))
    statics = StaticForces(model, ARGON, small.numbers, small.cell)
    with pytest.raises(NonFiniteError, match=words):
        getattr(statics, asked)(liquid[0])
    right = SimpleNamespace(name="fake", calculator=Spoiled())
    getattr(StaticForces(right, ARGON, small.numbers, small.cell), asked)(liquid[0])
