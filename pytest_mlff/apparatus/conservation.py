"""Energy: forces and stress are its derivatives, and a run without a thermostat keeps it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from pytest_mlff.analysis.continuity import rounding_step
from pytest_mlff.analysis.drift import linear_drift
from pytest_mlff.analysis.richardson import derivative
from pytest_mlff.analysis.statistics import jackknife
from pytest_mlff.apparatus.cases import draw, shrink, whole
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.apparatus.workbench import LIQUID, PROBE, SOLID, Piece, Workbench
from pytest_mlff.cells import volume
from pytest_mlff.errors import ModelError, NonFiniteError
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.velocities import thermal_velocities
from pytest_mlff.systems.structure import Structure
from pytest_mlff.units import BOLTZMANN_EV, EV_PER_AMU_ANGSTROM2_PS2, MEV

Case = TypeVar("Case")

STEP = 0.01
"""Largest displacement of a coordinate in Å, root mean square; three halvings of it are extrapolated."""
STRAIN = 0.003
"""Largest strain: pairs at the cutoff then move by less than the 0.04 Å that the probe keeps clear."""
NVE_STEPS = 190
"""Steps of the run without a thermostat: 2 ps."""
NVE_TEMPERATURE = 100.0
"""Its temperature in K at the start."""
_STRESS_CASES = 6
_CLEAR, _CLEAR_OF_ROUNDING = 2.0, 4.0
"""Errors of its difference by which a single case must be beyond the limit to decide alone; where energies come in
float32, of all differences: rounding may cancel in those of one case, error bar and all."""
_WEIGHT = 20.0
"""Half a last place off in each of six energies moves :func:`derivative` by no more than 4.8 of them over the step; a
sum of many float32 terms is off by a few halves."""
_POINTS = (Piece(LIQUID, 0, 2, 0), Piece(LIQUID, 0, 13, 0), Piece(LIQUID, 1, 32, 0), Piece(PROBE, 0, 108, 0))
_CELLS = (Piece(PROBE, 0, 108, 0), Piece(LIQUID, 0, 256, 0), Piece(SOLID, 0, 256, 0), Piece(PROBE, 0, 108, 0))


class _Mismatch(NamedTuple):
    estimate: Estimate
    words: str
    structure: Structure
    rounded: bool


class _Energies:
    """A curve of energies that remembers them, to tell rounding from jumps."""

    def __init__(self, function: Callable[[float], float]) -> None:
        self.function, self.values = function, list[float]()

    def __call__(self, distance: float) -> float:
        self.values.append(self.function(distance))
        return self.values[-1]

    def rounded(self, error: float, step: float) -> bool:
        """Whether they come in float32, and no more than that makes their derivative as uncertain as it is."""
        last_place = float(np.finfo(np.float32).eps) * float(np.abs(self.values).max())
        same = min(self.values) == max(self.values)
        return (same or rounding_step(self.values) > 0.0) and error * step <= _WEIGHT * last_place


def energy_forces(bench: Workbench) -> Finding:
    """Compare forces with the differences of the energy.

    Root mean square of u·f + dE/du over structures and random unit vectors u of all coordinates, as a fraction of the
    root mean square force component (of the liquid, where the structure's own is smaller). Where energies come in
    float32, its error holds that of the differences. A case that is off by more than its error allows decides alone.
    """

    def measure(case: tuple[int, int, int]) -> _Mismatch:
        point, centre, seed = case
        structure = bench.structure(_POINTS[point]._replace(centre=8 * centre))
        direction = np.random.default_rng([seed, point]).standard_normal(structure.positions.shape)
        direction /= np.linalg.norm(direction)
        model = bench.evaluator(structure)
        forces = model(structure.positions)
        curve = _Energies(lambda step: model.energy(structure.positions + step * direction))
        largest = STEP * float(np.sqrt(direction.size))
        slope = derivative(curve, step=largest)
        bench.calls += model.calls
        scale = max(float(np.sqrt(np.mean(forces**2))), bench.thermal_force)
        found = Estimate(abs(float(np.sum(direction * forces)) + slope.value) / scale, slope.stderr / scale)
        words = (
            f"{len(forces)} atoms, along a random direction: force {np.sum(direction * forces):.4g}, "
            f"−dE/dx {-slope.value:.4g} ± {slope.stderr:.1g} eV/Å"
        )
        return _Mismatch(found, words, structure, curve.rounded(slope.stderr, largest))

    return _judge(bench, "energy_forces", st.tuples(whole(2), whole(5), whole(6)), measure, bench.cases)


def stress(bench: Workbench) -> Finding:
    """Compare the stress with the strain derivative of the energy.

    Root mean square of σ:ε − dE/ds/V over cells and random strains s·ε, ‖ε‖ = 1, in eV/Å³, decided like
    :func:`energy_forces`.
    """
    tilted = _takes_tilted_cells(bench)

    def measure(case: tuple[int, int]) -> _Mismatch:
        structure = bench.structure(_CELLS[case[0]])
        strain = _strain(case[1], tilted=tilted)
        size = volume(structure.cell)
        model = bench.evaluator(structure)
        given = float(np.sum(model.stress(structure.positions) * strain))
        curve = _Energies(lambda step: _strained_energy(bench, structure, step * strain))
        slope = derivative(curve, step=STRAIN)
        bench.calls += model.calls
        found = Estimate(abs(given - slope.value / size), slope.stderr / size)
        words = (
            f"{len(structure.positions)} atoms, along {'a random' if tilted else 'a diagonal'} strain: stress "
            f"{given:.4g}, dE/ds/V {slope.value / size:.4g} ± {found.stderr:.1g} eV/Å³"
        )
        return _Mismatch(found, words, structure, curve.rounded(slope.stderr, STRAIN))

    return _judge(bench, "stress", st.tuples(whole(2), whole(5)), measure, _STRESS_CASES)


def nve_drift(bench: Workbench) -> Finding:
    """Run 108 atoms without a thermostat and fit the drift of their total energy.

    abs(drift) per atom in eV/ps with its statistical error.
    """
    context = bench.context
    parts = {"steps": NVE_STEPS, "temperature": NVE_TEMPERATURE, "seed": context.seed}
    energy = context.memo("nve", parts, lambda: {"energy": _constant_energy_run(bench)}, holds=["energy"])["energy"]
    lasted = np.isfinite(energy)
    calls = min(int(lasted.sum()) + 1, len(energy))  # cached or not
    if not lasted.all():
        note = f"the run left physics at step {int(np.argmin(lasted))}"
        return Finding(candidate=Estimate(float("inf"), float("nan")), force_calls=calls, note=note)
    time = context.system.timestep * np.arange(len(energy))
    drift = linear_drift(time, energy)
    note = f"{energy.std() * MEV:.2g} meV per atom fluctuation over {time[-1]:.2f} ps at {NVE_TEMPERATURE:g} K"
    return Finding(candidate=Estimate(abs(drift.value), drift.stderr, drift.dof), force_calls=calls, note=note)


def _constant_energy_run(bench: Workbench) -> np.ndarray:
    """Total energy per atom (step) in eV of a velocity Verlet run; NaN from where a force or energy is not finite."""
    context, structure = bench.context, bench.structure(Piece(PROBE, 0, 108, 0))
    n, step = len(structure.positions), context.system.timestep
    masses = context.system.masses_of(structure.numbers)[:, np.newaxis]
    relative, mass = masses / masses[0], float(masses[0, 0]) * EV_PER_AMU_ANGSTROM2_PS2
    model = bench.evaluator(structure)
    velocity = thermal_velocities(np.random.default_rng([context.seed, n]), relative)
    velocity *= np.sqrt((3 * n - 3) * BOLTZMANN_EV * NVE_TEMPERATURE / (mass * np.sum(relative * velocity**2)))
    total = np.full(NVE_STEPS + 1, np.nan)
    positions = structure.positions
    with context.meter.task(f"{context.model.name} without thermostat", NVE_STEPS + 1), suppress(NonFiniteError):
        # the step is in what is missing, and the result is kept
        potential, forces = model.energy_and_forces(positions)
        for done in range(NVE_STEPS + 1):
            total[done] = (potential + 0.5 * mass * np.sum(relative * velocity**2)) / n
            if done == NVE_STEPS:
                break
            velocity = velocity + 0.5 * step / mass * forces / relative
            positions = positions + step * velocity
            potential, forces = model.energy_and_forces(positions)
            velocity = velocity + 0.5 * step / mass * forces / relative
    return total


def _judge(
    bench: Workbench,
    key: str,
    strategy: st.SearchStrategy[Case],
    measure: Callable[[Case], _Mismatch],
    count: int,
) -> Finding:
    """Take the root mean square over cases, or the worst that is off beyond any error; find a smaller one.

    Rounding of energies to float32 adds to the value: it may excuse a large one, and spoils no small one. Whatever else
    makes the differences uncertain, such as an energy that jumps, is no excuse.
    """
    before = bench.calls
    found: dict[Case, _Mismatch] = {}

    def look(case: Case) -> Estimate:
        if case not in found:
            found[case] = measure(case)
        return found[case].estimate

    cases = draw(strategy, count, bench.seed(key))
    error = _rms([look(case).stderr for case in cases])
    rounded = all(found[case].rounded for case in cases)
    noise, clear = (error, _CLEAR_OF_ROUNDING) if rounded else (0.0, _CLEAR)

    def fails(case: Case) -> bool:
        one = look(case)
        return one.value - clear * max(one.stderr, noise) > bench.limit(key)

    surely = [case for case in cases if fails(case)]
    note = f"{len(cases)} cases, errors of the differences {error:.1g}"
    if not surely:
        value = jackknife(np.array([look(case).value for case in cases]), _rms)
        if rounded and value.value > bench.limit(key):
            value = Estimate(value.value, float(np.hypot(value.stderr, noise)), value.dof)
            note += ", no less with more of them: the energy comes in float32; give it in float64, without a constant"
        return Finding(candidate=value, force_calls=bench.calls - before, note=note)
    smallest = found[shrink(strategy, fails, count, bench.seed(key)) or surely[0]]
    note = f"{smallest.words}; {note}{bench.keep(key, [(smallest.structure, None)])}"
    worst = max((look(case) for case in surely), key=lambda one: one.value)
    worst = Estimate(worst.value, max(worst.stderr, noise))
    return Finding(candidate=worst, force_calls=bench.calls - before, note=note)


def _rms(values: ArrayLike) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _takes_tilted_cells(bench: Workbench) -> bool:
    structure = bench.structure(_CELLS[0])
    try:
        _strained_energy(bench, structure, STRAIN * _strain(0, tilted=True))
    except ModelError as error:
        if not error.is_refusal:
            raise
        return False
    return True


def _strain(seed: int, *, tilted: bool) -> np.ndarray:
    """Random symmetric strain of norm 1; a diagonal one keeps the cell along the axes."""
    matrix = np.random.default_rng(seed).standard_normal((3, 3))
    matrix = matrix + matrix.T if tilted else np.diag(np.diag(matrix))
    return np.asarray(matrix / np.linalg.norm(matrix))


def _strained_energy(bench: Workbench, structure: Structure, strain: np.ndarray) -> float:
    deformation = np.eye(3) + strain
    bench.calls += 1
    strained = replace(structure, positions=structure.positions @ deformation, cell=structure.cell @ deformation)
    return bench.evaluator(strained).energy(strained.positions)
