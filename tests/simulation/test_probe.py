"""The liquid probe: no pair near the cutoff, and still a liquid."""

import numpy as np
import openmm
import pytest
from ase import Atoms

from pytest_mlff.analysis.geometry import minimum_image
from pytest_mlff.analysis.hessian import symmetry
from pytest_mlff.errors import ObservableError
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.derivatives import dense_hessian
from pytest_mlff.simulation.probe import make_probe

CUTOFF, STEP = 8.5, 1e-2


@pytest.fixture(scope="module")
def liquid():
    """108 atoms at 100 K and ρ* = 0.76, molten for 40 ps: positions and box in Å."""
    edge = 3.4 * (108 / 0.76) ** (1 / 3)
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    cells = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    system = openmm.System()
    for _ in range(108):
        system.addParticle(39.948)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge / 10))
    system.addForce(lennard_jones().openmm_force(108))
    integrator = openmm.LangevinMiddleIntegrator(100, 5, 0.01078)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions((cells[:, None] + basis).reshape(-1, 3) * edge / 30)
    context.setVelocitiesToTemperature(100, 1)
    integrator.step(3700)
    state = context.getState(positions=True, enforcePeriodicBox=True)
    nanometre = np.array([[v.x, v.y, v.z] for v in state.getPositions()])
    return 10.0 * nanometre, np.full(3, edge)


def argon_forces(box):
    calculator = lennard_jones()

    def forces(positions):
        return calculator.get_forces(Atoms(f"Ar{len(positions)}", positions, cell=box, pbc=True))

    return forces


def distances(positions, box):
    """Of every pair, once, in Å."""
    apart = minimum_image(positions[:, None] - positions[None], np.diag(box))
    return np.linalg.norm(apart, axis=-1)[np.triu_indices(len(positions), k=1)]


def pairs_near(positions, box, radius, width):
    """How many pairs are within ``width`` of ``radius``."""
    return int(np.count_nonzero(np.abs(distances(positions, box) - radius) <= width))


def first_peak(positions, box):
    """Place and height of the first peak of g(r), bins of 0.4 Å."""
    edges = np.arange(2.0, 8.0, 0.4)
    counts = np.histogram(distances(positions, box), bins=edges)[0]
    shell = 4 / 3 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3) * len(positions) ** 2 / 2 / box.prod()
    ratio = counts / shell
    top = int(np.argmax(ratio))
    return 0.5 * (edges[top] + edges[top + 1]), ratio[top]


def test_probe_is_free_of_pairs_near_the_cutoff_and_still_that_liquid(liquid):
    positions, box = liquid
    probe = make_probe(positions, np.diag(box), cutoff=CUTOFF, margin=4 * STEP)
    assert pairs_near(positions, box, CUTOFF, 4 * STEP) > 40
    assert pairs_near(probe, box, CUTOFF, 4 * STEP) == 0
    moved = np.linalg.norm(probe - positions, axis=1)
    assert np.sqrt(np.mean(moved**2)) < 0.04  # thermal motion in a cage is ten times that
    np.testing.assert_allclose(probe.mean(axis=0), positions.mean(axis=0), atol=1e-12)
    place, height = first_peak(probe, box)
    assert 3.4 < place < 4.2
    assert 2.0 < height < 3.5
    forces = argon_forces(box)
    before, after = (np.sqrt(np.mean(forces(x) ** 2)) for x in (positions, probe))
    assert after == pytest.approx(before, rel=0.1)
    np.testing.assert_array_equal(make_probe(positions, np.diag(box), cutoff=CUTOFF, margin=4 * STEP), probe)


def test_exact_potential_is_symmetric_on_the_probe_and_not_on_the_thermal_liquid(liquid):
    positions, box = liquid
    forces = argon_forces(box)
    probe = make_probe(positions, np.diag(box), cutoff=CUTOFF, margin=4 * STEP)
    assert symmetry(dense_hessian(forces, probe, step=STEP)) >= 0.999
    # with 70 pairs near the cutoff the step sees the jump of the truncation
    assert symmetry(dense_hessian(forces, positions, step=STEP)) < 0.998


def test_probe_survives_single_precision(liquid):
    positions, box = liquid
    probe = make_probe(positions, np.diag(box), cutoff=CUTOFF, margin=0.0401).astype(np.float32)
    assert pairs_near(probe.astype(float), box, CUTOFF, 0.04) == 0


def test_two_atoms_go_to_the_nearer_edge():
    cell = 20.0 * np.eye(3)
    for start, sign in ((8.49, -1), (8.51, 1)):
        probe = make_probe([[0, 0, 0], [start, 0, 0]], cell, cutoff=8.5, margin=0.04)
        assert probe[1, 0] - probe[0, 0] == pytest.approx(8.5 + sign * 0.042)
        assert not probe[:, 1:].any()
    across = make_probe([[0.2, 0, 0], [11.69, 0, 0]], cell, cutoff=8.5, margin=0.04)
    assert 20.0 - (across[1, 0] - across[0, 0]) == pytest.approx(8.542)


def test_impossible_probes_are_refused(liquid):
    positions, box = liquid
    with pytest.raises(ObservableError, match="half the cell"):
        make_probe(positions, np.diag(box), cutoff=8.86, margin=0.04)
    with pytest.raises(ObservableError, match="pairs still within"):
        make_probe(positions, np.diag(box), cutoff=8.0, margin=0.8, max_iterations=20)
