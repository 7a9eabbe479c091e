"""What the gate adds to the time of the force calls."""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.nose_hoover_chain import NoseHooverChainNVT

from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import run_check
from pytest_mlff.gate.limits import check_tables
from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA, LennardJones
from pytest_mlff.settings.config import validate_config
from pytest_mlff.settings.options import Settings
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

DELAY = 0.02
REPLICAS, STEPS = 3, 1160
SHORTEST = 580  # steps that a look has at least
STATE = "100K-256"
CI_CALLS = 24000  # force calls of a whole ci run, in calls of 256 atoms


class SlowLennardJones(LennardJones):
    """Argon at the pace of a small network, run through the calculator and not as a native force."""

    openmm_force = None

    def __init__(self, delay):
        super().__init__(epsilon=ARGON_EPSILON, sigma=ARGON_SIGMA, cutoff=ARGON_CUTOFF)
        self.delay = delay
        self.calls, self.wall, self.cpu = 0, 0.0, 0.0

    def calculate(self, atoms=None, properties=("forces",), system_changes=tuple(all_changes)):
        wall, cpu = time.perf_counter(), time.process_time()
        super().calculate(atoms, properties, system_changes)
        end = time.perf_counter() + self.delay
        while time.perf_counter() < end:  # a network computes: after a sleep the gate would find a cold processor
            pass
        self.calls += 1
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall


class Still(Calculator):
    """No forces at all, in no time."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("forces",), system_changes=tuple(all_changes)):
        self.atoms = atoms.copy()
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


@dataclass(frozen=True)
class Candidate:
    calculator: Any
    name: str = "candidate"
    spec: str = "benchmark"
    fingerprint: str = "benchmark"
    provides: frozenset[str] = frozenset({"energy", "forces"})
    repeatable: bool = True


def test_a_run_beside_its_force_calls(tmp_path, say, smallest):
    """The liquid of ``ci``, shorter: three replicas to the first look, all rows of structure and dynamics.

    What a run does once (reading the reference) weighs more here than in a whole ``ci`` run, so the ratio for
    that one is worked out beside it.
    """
    steps = SHORTEST if smallest else STEPS
    tables = {"check": {"liquid": {"replicas": REPLICAS, "looks": [steps]}}}
    settings = Settings(cache_dir=tmp_path, config=validate_config(tables, where="benchmark", known=check_tables()))
    calculator = SlowLennardJones(0.0 if smallest else DELAY)
    wall, cpu = time.perf_counter(), time.process_time()
    context = build_context(settings, Candidate(calculator))
    observables = context.reference.observables
    assert [observables[name] for name in observables if name.startswith(f"{STATE}/")]
    assert len(context.starts(f"start/{STATE}", REPLICAS)) == REPLICAS
    once, once_cpu = time.perf_counter() - wall, time.process_time() - cpu
    records = [run_check(check, context) for check in ("stability", "liquid", "xpcs")]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu

    statuses = {record.status for found in records for record in found.values()}
    assert statuses <= {"PASS", "FAIL", "INCONCLUSIVE", "INFO"}
    diffusion = records[1]["diffusion"]
    assert abs(diffusion.candidate / diffusion.reference - 1.0) < 0.3
    needed = context.protocol.stability_steps + REPLICAS * (context.protocol.equilibration_steps + steps)
    assert needed <= calculator.calls <= 1.01 * needed

    per_call = calculator.wall / calculator.calls
    added, idle = cpu - calculator.cpu, calculator.cpu / calculator.calls
    whole = 1.0 + (once_cpu / CI_CALLS + (added - once_cpu) / calculator.calls) / idle
    say(
        f"gate overhead: wall {wall:.1f} s, {calculator.calls} force calls of {1e3 * per_call:.1f} ms = "
        f"{calculator.wall:.1f} s, ratio {wall / calculator.wall:.3f}; from CPU time, as on an idle machine, "
        f"{1.0 + added / calculator.calls / idle:.3f}, with what is done once ({once:.1f} s) spread over "
        f"{CI_CALLS} calls {whole:.3f} (target <= 1.05)"
    )


def bare_openmm(n_atoms, cell, temperature):
    """OpenMM with a PythonForce that returns zeros, and nothing else: what our engine is built on."""
    zeros = np.zeros((n_atoms, 3))
    force = openmm.PythonForce(lambda state: (0.0, zeros))
    force.setUsesPeriodicBoundaryConditions(True)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.array(cell) / 10.0))
    for _ in range(n_atoms):
        system.addParticle(ARGON.masses_of([18])[0])
    system.addForce(force)
    integrator = openmm.NoseHooverIntegrator(ARGON.timestep)
    chain = (
        temperature * (1 - 1 / n_atoms),
        ARGON.thermostat.collision_rate,
        1.0,
        1.0,
        ARGON.thermostat.chain_length,
        1,
        1,
    )
    integrator.addSubsystemThermostat(list(range(n_atoms)), [], *chain)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def positions_of(context):
    return np.asarray(context.getState(getPositions=True).getPositions(asNumpy=True)._value) * 10.0


def ase_dynamics(positions, state):
    atoms = make_atoms(ARGON, ARGON.lattice(state).at(positions))
    atoms.calc = Still()
    thermal = np.sqrt(ARGON.masses_of([18])[0] * units.kB * state.temperature)
    atoms.set_momenta(np.random.default_rng(0).normal(0.0, thermal, positions.shape))
    timestep = 1e3 * ARGON.timestep * units.fs
    return NoseHooverChainNVT(
        atoms, timestep, temperature_K=state.temperature, tdamp=200 * units.fs, tchain=ARGON.thermostat.chain_length
    )


def test_a_step_beside_openmm_and_ase(race, say, gas):
    steps, state = 500, ARGON.state(STATE)
    position = gas(4, n_frames=1)[0]
    engine = Engine(Candidate(Still()), ARGON, state, seeds=[0])
    engine.start(position)
    bare = bare_openmm(state.n_atoms, state.cell, state.temperature)
    bare.setState(openmm.XmlSerializer.deserialize(engine.checkpoint()))
    found = race(lambda: engine.step(steps), lambda: bare.getIntegrator().step(steps), rounds=7)
    after = openmm.XmlSerializer.deserialize(engine.checkpoint())
    ours = np.asarray(after.getPositions(asNumpy=True)._value) * 10.0
    assert np.abs(ours - position[0]).max() > 1.0
    np.testing.assert_allclose(ours, positions_of(bare), atol=1e-6)
    name = "an MD step of 256 atoms without forces"
    say(found.line(name, peer="bare OpenMM", per=steps, target="none; beside 10 to 100 ms of a model"))

    dynamics, runs = ase_dynamics(position[0], state), itertools.count()

    def run_ase():
        next(runs)
        dynamics.run(steps)

    found = race(lambda: engine.step(steps), run_ase, rounds=5)
    assert dynamics.nsteps == next(runs) * steps
    # both ran freely at the thermostat's temperature: 256 atoms fluctuate by 5 %
    assert abs(dynamics.atoms.get_temperature() / state.temperature - 1.0) < 0.3
    say(found.line(name, peer="ASE", per=steps, target="none"))
