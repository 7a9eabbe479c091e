"""Argon, its states and its crystal."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.simulation.systems import (
    ARGON,
    LIQUID_DENSITIES,
    SOLID_LATTICE_PARAMETER,
    fcc_positions,
    make_atoms,
    state_point,
    state_points,
)

BAR = 1.602176634e6
"""1 eV/Å³ in bar."""


def test_liquids_have_the_densities_that_give_the_papers_tables_back():
    expected = {"95K": 0.777, "100K": 0.760, "110K": 0.714}
    for name, density in expected.items():
        for atoms in (256, 4000):
            state = state_point(f"{name}-{atoms}")
            assert state.n_atoms / np.prod(state.box) * 3.40**3 == pytest.approx(density, abs=1e-9)
            assert state.temperature == float(name[:-1])
            assert state.phase == "liquid"
    assert set(LIQUID_DENSITIES.values()) == set(expected.values())


def test_the_names_say_what_is_behind_them():
    for name, state in state_points().items():
        assert state.name == name
        assert name.endswith(f"-{state.n_atoms}")
        assert name.startswith(f"{state.temperature:g}K")
        assert min(state.box) > 2 * ARGON.cutoff
        assert json.loads(json.dumps(asdict(state)))["name"] == name


def test_an_unknown_state_is_refused_with_those_there_are():
    with pytest.raises(SpecError, match="no state point '90K-256' in the argon reference; there are 95K-256, "):
        state_point("90K-256")


def test_the_time_unit_and_the_frames_are_the_papers():
    tau = ARGON.sigma * np.sqrt(ARGON.mass * 1.0364269656e-4 / ARGON.epsilon)
    assert tau == pytest.approx(2.156, abs=1e-3)
    assert ARGON.timestep == pytest.approx(0.005 * tau, rel=1e-3)
    assert ARGON.frame_interval == pytest.approx(0.1078)


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 3, 4), (6, 6, 6)])
def test_fcc_has_four_atoms_a_cell_and_twelve_neighbours_each(cells):
    from ase.neighborlist import neighbor_list

    edge = 5.3
    positions = fcc_positions(cells, edge)
    assert positions.shape == (4 * np.prod(cells), 3)
    atoms = make_atoms(ARGON, positions, edge * np.array(cells))
    first, distance = neighbor_list("id", atoms, 1.05 * edge / np.sqrt(2))
    assert (np.bincount(first) == 12).all()
    np.testing.assert_allclose(distance, edge / np.sqrt(2))
    assert positions.min() == 0.0
    assert (positions.max(axis=0) < edge * np.array(cells)).all()


def test_atoms_are_periodic_and_weigh_what_the_system_says():
    atoms = make_atoms(ARGON, np.zeros((3, 3)), (10.0, 11.0, 12.0))
    assert atoms.pbc.all()
    assert atoms.calc is None
    np.testing.assert_array_equal(atoms.get_masses(), 39.948)
    np.testing.assert_array_equal(atoms.cell.lengths(), [10.0, 11.0, 12.0])


def pressure(positions, box) -> float:
    """Virial pressure in bar, without the kinetic part."""
    atoms = make_atoms(ARGON, positions, box)
    return -float(ARGON.potential().get_stress(atoms)[:3].mean()) * BAR


def test_the_static_lattice_has_no_pressure():
    def at(edge):
        return pressure(fcc_positions((4, 4, 4), edge), [4 * edge] * 3)

    assert abs(at(ARGON.lattice_parameter)) < 5.0
    assert at(ARGON.lattice_parameter - 0.01) > 100.0 > -100.0 > at(ARGON.lattice_parameter + 0.01)


def test_the_crystal_at_20_kelvin_has_no_pressure():
    state = state_point("20K-solid-256")
    engine = Engine(ReferenceModel(), ARGON, state, seeds=[1])
    engine.start(fcc_positions((4, 4, 4), SOLID_LATTICE_PARAMETER)[None])
    engine.equilibrate(500)
    frames = engine.sample(300).position[0, ::3].astype(float)
    virial = np.array([pressure(frame, state.box) for frame in frames])
    kinetic = (256 - 1) * 8.617333e-5 * 20.0 / np.prod(state.box) * BAR
    mean, stderr = virial.mean() + kinetic, virial.std(ddof=1) / np.sqrt(len(virial) / 4)
    assert stderr < 12.0
    # with a bulk modulus near 2 GPa, 40 bar are 0.004 Å of the edge
    assert abs(mean) < 40.0
