"""Argon, its states and its crystal."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA, lennard_jones
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import as_cell

ARGON = load_system("argon")
BAR = 1.602176634e6
"""1 eV/Å³ in bar."""


@pytest.mark.parametrize(("temperature", "density"), [(95, 0.777), (100, 0.760), (110, 0.714)])
def test_liquids_have_the_densities_that_give_the_papers_tables_back(temperature, density):
    states = [state for state in ARGON.states if state.temperature == temperature]
    assert [state.n_atoms for state in states] == [256, 4000]
    for state in states:
        edge = (state.n_atoms * ARGON_SIGMA**3 / density) ** (1 / 3)
        assert state.cell == as_cell([edge] * 3)  # to the last digit: the reference data were run in it
        assert state.phase == "liquid"
        assert 2 * ARGON.cutoff < edge


def test_the_system_is_plain_data():
    assert hash(ARGON) == hash(replace(ARGON))
    for state in ARGON.states:
        assert json.loads(json.dumps(asdict(state)))["name"] == state.name
    assert "states" not in json.dumps(ARGON.identity)


def test_the_lengths_are_those_of_the_potential():
    assert (ARGON.cutoff, ARGON.closest_approach) == (ARGON_CUTOFF, ARGON_SIGMA)
    calculator = ReferenceModel(ARGON).calculator
    assert (calculator.epsilon, calculator.sigma, calculator.cutoff) == (ARGON_EPSILON, ARGON_SIGMA, ARGON_CUTOFF)


def test_an_unknown_state_is_refused_with_those_there_are():
    with pytest.raises(
        SpecError, match=r"no state '90K-256' in the system argon \(did you mean .*; there are 95K-256, "
    ):
        ARGON.state("90K-256")


def test_an_unknown_species_is_refused():
    with pytest.raises(SpecError, match="argon has no mass for the atomic number 6"):
        ARGON.masses_of([18, 6])


def test_the_time_unit_and_the_frames_are_the_papers():
    tau = ARGON_SIGMA * np.sqrt(ARGON.masses_of([18])[0] * 1.0364269656e-4 / ARGON_EPSILON)
    assert tau == pytest.approx(2.156, abs=1e-3)
    assert ARGON.timestep == pytest.approx(0.005 * tau, rel=1e-3)
    assert ARGON.frame_interval == pytest.approx(0.1078)


def crystal(cells, edge):
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(cells)


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 3, 4), (6, 6, 6)])
def test_fcc_has_four_atoms_a_cell_and_twelve_neighbours_each(cells):
    from ase.neighborlist import neighbor_list

    edge = 5.3
    found = crystal(cells, edge)
    assert found.positions.shape == (4 * np.prod(cells), 3)
    first, distance = neighbor_list("id", make_atoms(ARGON, found), 1.05 * edge / np.sqrt(2))
    assert (np.bincount(first) == 12).all()
    np.testing.assert_allclose(distance, edge / np.sqrt(2))
    assert found.positions.min() == 0.0
    assert (found.positions.max(axis=0) < edge * np.array(cells)).all()


def pressure(structure) -> float:
    """Virial pressure in bar, without the kinetic part."""
    return -float(lennard_jones().get_stress(make_atoms(ARGON, structure))[:3].mean()) * BAR


def test_the_static_lattice_has_no_pressure():
    def at(edge):
        return pressure(crystal((4, 4, 4), edge))

    ours = ARGON.crystal.cell[0][0]
    assert abs(at(ours)) < 5.0
    assert at(ours - 0.01) > 100.0 > -100.0 > at(ours + 0.01)


def test_the_crystal_at_20_kelvin_has_no_pressure():
    state = ARGON.state("20K-solid-256")
    lattice = ARGON.lattice(state)
    engine = Engine(ReferenceModel(ARGON), ARGON, state, seeds=[1])
    engine.start(lattice.positions[None])
    engine.equilibrate(500)
    frames = engine.sample(300).position[0, ::3].astype(float)
    virial = np.array([pressure(lattice.at(frame)) for frame in frames])
    kinetic = (256 - 1) * 8.617333e-5 * 20.0 / state.volume * BAR
    mean, stderr = virial.mean() + kinetic, virial.std(ddof=1) / np.sqrt(len(virial) / 4)
    assert stderr < 12.0
    # with a bulk modulus near 2 GPa, 40 bar are 0.004 Å of the edge
    assert abs(mean) < 40.0
