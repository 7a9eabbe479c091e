"""Trajectories for training: reproducible, in the phase and at the temperature that they claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.analysis.interface import solid_atoms
from pytest_mlff.analysis.statistics import replica_estimate
from pytest_mlff.gnn.composition import GEOMETRIES, State, load_composition
from pytest_mlff.gnn.sampling import Trajectory, frame_temperatures, reference_forces, run_trajectory
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.structure import Structure
from pytest_mlff.systems.system import as_cell
from pytest_mlff.units import BOLTZMANN_EV

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


def at(positions, box):
    return Structure(numbers=np.full(len(positions), 18), positions=positions, cell=np.diag(box))


CRYSTAL = ARGON.state("20K-solid-256").cell[0][0]


def trajectory(kind, temperatures, edge, **lengths):
    state = State(temperatures=temperatures, box=(edge,) * 3, n_atoms=256)
    given = {"frames": 4, "spacing_steps": 50, "equilibration_steps": 300, **lengths}
    return Trajectory(source=0, kind=kind, split="train", state=state, seed=11, **given)


@pytest.fixture(scope="module")
def liquid():
    return trajectory("liquid", (100.0, 100.0), 23.665)


@pytest.fixture(scope="module")
def frames(liquid):
    return run_trajectory(liquid, ARGON)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(liquid, frames):
    assert run_trajectory(liquid, ARGON).tobytes() == frames.tobytes()
    other = run_trajectory(replace(liquid, seed=12), ARGON)
    shift = other - frames
    assert np.abs(shift - 23.665 * np.rint(shift / 23.665)).mean() > 2.0  # another melt, not only other velocities


def test_atoms_lie_inside_the_cell(liquid, frames):
    assert frames.dtype == np.float32
    assert frames.shape == (4, 256, 3)
    assert frames.min() >= 0.0
    assert (frames < np.asarray(liquid.state.box)).all()


def test_rounding_puts_no_atom_on_the_far_face(liquid):
    from pytest_mlff.gnn.sampling import _wrapped

    edge = np.nextafter(np.float64(np.float32(23.665)), 0.0)  # rounds up to a float32 beyond it
    assert _wrapped(np.full((1, 3), edge - 1e-9), (edge,) * 3).tolist() == [[0.0, 0.0, 0.0]]


def test_a_liquid_is_molten_and_a_crystal_is_not(liquid, frames):
    crystal = run_trajectory(trajectory("solid", (20.0, 20.0), CRYSTAL), ARGON)
    assert max(solid_atoms(frame, np.diag(liquid.state.box)).mean() for frame in frames) < 0.15
    assert min(solid_atoms(frame, CRYSTAL * np.eye(3)).mean() for frame in crystal) > 0.95


def test_a_slab_is_both():
    geometry = GEOMETRIES["below"]
    state = State(
        temperatures=(60.0, 60.0),
        box=tuple(np.diagonal(geometry.state(ARGON, 60.0).cell)),
        n_atoms=geometry.n_atoms,
        slab=geometry,
    )
    plan = replace(trajectory("slab", (60.0, 60.0), 1.0, frames=1, equilibration_steps=0), state=state)
    (frame,) = run_trajectory(plan, ARGON)
    assert 0.3 < solid_atoms(frame, np.diag(state.box)).mean() < 0.9


def test_forces_are_the_references_to_the_last_digits(liquid, frames):
    forces = reference_forces(frames[:1], liquid.state.box, ARGON)[0]
    atoms = make_atoms(ARGON, at(frames[0].astype(float), liquid.state.box))
    atoms.calc = lennard_jones()
    assert np.abs(forces - atoms.get_forces()).max() < 1e-10 * np.abs(forces).max()


def squared_displacement(frame):
    shift = frame - fcc_positions((4, 4, 4), CRYSTAL / 4)
    shift -= CRYSTAL * np.rint(shift / CRYSTAL)
    return float(((shift - shift.mean(axis=0)) ** 2).sum(axis=1).mean())


def test_a_ramp_heats():
    ramp = trajectory("ramp", (4.0, 40.0), CRYSTAL, frames=40)
    assert frame_temperatures(ramp)[[0, 19, 39]] == pytest.approx([4.9, 22.0, 40.0])
    u2 = np.array([squared_displacement(frame) for frame in run_trajectory(ramp, ARGON)])
    # harmonic: the mean square displacement follows the temperature, from 7 K (frames 1 to 5) to 38 K (36 to 40)
    assert u2[35:].mean() / u2[:5].mean() == pytest.approx(5.7, rel=0.35)


@pytest.mark.parametrize("kelvin", [5.0, 40.0, 80.0])
def test_the_crystals_of_the_composition_are_free_of_pressure(kelvin):
    (state,) = [one for one in load_composition("liquid+solid").runs[1].states if one.temperatures[0] == kelvin]
    plan = trajectory("solid", (kelvin, kelvin), state.box[0], frames=100, spacing_steps=40, equilibration_steps=1000)
    atoms = make_atoms(ARGON, at(np.zeros((256, 3)), state.box))
    atoms.calc = lennard_jones()
    kinetic = 255 * BOLTZMANN_EV * kelvin / atoms.get_volume()
    pressures = []
    for frame in run_trajectory(plan, ARGON):
        atoms.positions = frame
        pressures.append(kinetic - atoms.get_stress()[:3].mean())
    bar = replica_estimate(np.reshape(pressures, (10, 10)).mean(axis=1) * 1.602176634e6)
    assert bar.stderr < 15.0  # 1 % of length is 600 bar
    assert abs(bar.value) < 4.0 * bar.stderr
