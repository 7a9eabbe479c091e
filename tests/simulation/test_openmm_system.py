"""Cell, masses and platforms of the systems that OpenMM runs."""

import numpy as np
import openmm
import pytest

from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.openmm_system import exact_context, native_context, openmm_system
from pytest_mlff.units import ANGSTROM_PER_NM

BOX = (18.0, 19.0, 21.5)


def pair(masses=(39.948, 0.0)):
    return openmm_system(masses, lennard_jones().openmm_force(len(masses)), np.diag(BOX))


def test_cell_and_masses_are_those_given():
    system = pair()
    edges = np.array([list(vector._value) for vector in system.getDefaultPeriodicBoxVectors()]) * ANGSTROM_PER_NM
    np.testing.assert_allclose(edges, np.diag(BOX), rtol=1e-15)
    assert [system.getParticleMass(k)._value for k in range(system.getNumParticles())] == [39.948, 0.0]
    assert system.getNumForces() == 1


def test_a_native_run_is_told_to_repeat():
    context = native_context(pair(), openmm.VerletIntegrator(0.01))
    platform = context.getPlatform()
    assert platform.getName() == "CPU"
    assert platform.getPropertyValue(context, "Threads") == "1"
    assert platform.getPropertyValue(context, "DeterministicForces") == "true"


@pytest.mark.parametrize(("make", "exact"), [(exact_context, 1e-12), (native_context, 1e-4)])
def test_both_platforms_see_the_pair_across_the_boundary(make, exact):
    context = make(pair(), openmm.VerletIntegrator(0.01))
    context.setPositions(np.array([[0.5, 0.0, 0.0], [BOX[0] - 3.2, 0.0, 0.0]]) / ANGSTROM_PER_NM)
    force = context.getState(getForces=True).getForces(asNumpy=True)._value
    epsilon, sigma, r = 0.0103 * 96.48533212, 0.34, 0.37
    slope = 24 * epsilon * (2 * (sigma / r) ** 12 - (sigma / r) ** 6) / r
    np.testing.assert_allclose(force, [[slope, 0, 0], [-slope, 0, 0]], rtol=exact, atol=1e-9)
