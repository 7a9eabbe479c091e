"""Each row of the check fails for the calculator that breaks its law; the reference breaks none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.checks import invariance
from pytest_mlff.gate.catalogue import TABLE, rows, run_check
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.verdict.explain import explain

ROWS = {row.key: row for row in rows("ci", {}) if row.check == "invariance"}
EVERYTHING = frozenset({"energy", "forces", "stress"})


class Spoiled:
    """The reference; a subclass spoils one thing."""

    def __init__(self):
        self.potential = lennard_jones()
        self.calls = self.atoms = 0
        self.known = None

    def seen(self, atoms):
        return atoms

    def count(self, atoms):
        """One call for energy and forces of the same positions, as in ASE's own calculators."""
        if self.known is None or not np.array_equal(self.known, atoms.positions):
            self.calls += 1
            self.atoms += len(atoms)
            self.known = atoms.positions.copy()

    def get_forces(self, atoms):
        self.known = None
        self.count(atoms)
        return self.forces(self.potential.get_forces(self.seen(atoms)).copy(), atoms)

    def get_potential_energy(self, atoms):
        self.count(atoms)
        return self.energy(self.potential.get_potential_energy(self.seen(atoms)), atoms)

    def get_stress(self, atoms):
        return self.stress(self.potential.get_stress(self.seen(atoms)))

    def forces(self, forces, atoms):
        return forces

    def energy(self, energy, atoms):
        return energy

    def stress(self, stress):
        return stress


class FixedInTheCell(Spoiled):
    """Sees where in the cell an atom is, the cell's periods included."""

    def forces(self, forces, atoms):
        return forces + 1e-3 * np.sin(2 * np.pi * atoms.get_scaled_positions())


class FirstAtomDiffers(Spoiled):
    def forces(self, forces, atoms):
        forces[0] *= 1.01
        return forces


class LosesAtomsOutside(Spoiled):
    def forces(self, forces, atoms):
        outside = np.any((atoms.positions < 0) | (atoms.positions >= atoms.cell.lengths()), axis=1)
        return np.where(outside[:, None], 0.0, forces)


class CountsAtoms(Spoiled):
    def forces(self, forces, atoms):
        return forces * (1 + 1e-5 * len(atoms))


class CutsAtHalfTheCell(Spoiled):
    def seen(self, atoms):
        self.potential = lennard_jones(cutoff=min(8.5, 0.5 * atoms.cell.lengths().min()))
        return atoms


class Noisy(Spoiled):
    def forces(self, forces, atoms):
        return forces + np.random.default_rng(self.calls).normal(0.0, 1e-4, forces.shape)


class Remembers(Spoiled):
    last = 0.0

    def forces(self, forces, atoms):
        last, self.last = self.last, float(forces[0, 0])
        return forces + 1e-3 * last


class ForgetsInCopies(Spoiled):
    def __deepcopy__(self, memo):
        twin = type(self)()
        twin.potential = lennard_jones(epsilon=0.0104)
        return twin


class OtherInDouble(Spoiled):
    def with_dtype(self, dtype):
        twin = Spoiled()
        twin.potential = lennard_jones(epsilon=0.0103 if dtype == "float32" else 0.01031)
        return twin


class ReadsEdgesOfTheCell(Spoiled):
    def seen(self, atoms):
        seen = atoms.copy()
        seen.cell = np.diag(atoms.cell.lengths())
        return seen


class Drifting(Spoiled):
    def forces(self, forces, atoms):
        return forces + np.array([0.0, 2e-3, 0.0])


class Swirling(Spoiled):
    """A force around the axis z through the middle: no net force, but a torque."""

    def forces(self, forces, atoms):
        arm = atoms.positions - atoms.positions.mean(axis=0)
        return forces + 1e-3 * np.cross([0.0, 0.0, 1.0], arm)


class StrongerThanItsEnergy(Spoiled):
    def forces(self, forces, atoms):
        return 1.05 * forces


class EnergyOff(Spoiled):
    def energy(self, energy, atoms):
        return 1.05 * energy


class StressOff(Spoiled):
    def stress(self, stress):
        return 1.2 * stress


class SwapsShear(Spoiled):
    def stress(self, stress):
        return stress[[0, 1, 2, 5, 4, 3]]


class Pushes(Spoiled):
    """Accelerates what moves, as a friction of the wrong sign."""

    before = None

    def forces(self, forces, atoms):
        before, self.before = self.before, atoms.positions.copy()
        return forces if before is None or before.shape != forces.shape else forces + 1e-3 * (self.before - before)


class CutShort(Spoiled):
    def seen(self, atoms):
        self.potential = lennard_jones(cutoff=6.0)
        return atoms


class EnergyNotShifted(Spoiled):
    def energy(self, energy, atoms):
        distances = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
        return energy - 1.681e-4 * np.count_nonzero(distances < 8.5)


class HoleInTheCore(Spoiled):
    def forces(self, forces, atoms):
        return -forces if len(atoms) == 2 and atoms.get_distance(0, 1) < 2.9 else forces


class BumpInTheTail(Spoiled):
    def forces(self, forces, atoms):
        if len(atoms) == 2:
            vector = atoms.get_distance(0, 1, vector=True)
            distance = np.linalg.norm(vector)
            push = 0.01 * np.exp(-((distance - 6.0) ** 2)) * vector / distance
            return forces + np.stack([-push, push])
        return forces


class SoftCore(Spoiled):
    def forces(self, forces, atoms):
        return np.clip(forces, -0.03, 0.03)


BROKEN = [
    # calculator, rows that must fail, rows that must not
    (FixedInTheCell, "translation", "permutation wrapping determinism"),
    (FirstAtomDiffers, "permutation", "translation wrapping determinism"),
    (LosesAtomsOutside, "wrapping", "translation permutation determinism supercell"),
    (CountsAtoms, "supercell small_cell", "translation permutation wrapping determinism rotation"),
    (CutsAtHalfTheCell, "small_cell", "supercell translation"),
    (Noisy, "determinism", "translation permutation wrapping supercell small_cell momentum"),
    (Remembers, "determinism", "rotation"),
    (ForgetsInCopies, "determinism", "translation"),
    (OtherInDouble, "determinism", "translation"),
    (ReadsEdgesOfTheCell, "rotation", "translation supercell momentum"),
    (Drifting, "momentum", "translation permutation supercell torque dimer"),
    (Swirling, "torque", "permutation dimer"),
    (StrongerThanItsEnergy, "energy_forces", "rotation momentum torque stress"),
    (EnergyOff, "energy_forces stress", "momentum dimer"),
    (StressOff, "stress", "energy_forces"),
    (SwapsShear, "stress", "energy_forces"),
    (Pushes, "nve_drift", "dimer"),
    (CutShort, "cutoff_continuity", "dimer energy_forces translation"),
    (EnergyNotShifted, "cutoff_continuity", "dimer"),
    (HoleInTheCore, "dimer", "translation"),
    (BumpInTheTail, "dimer", "cutoff_continuity"),
    (SoftCore, "hot", "dimer translation permutation"),
]


@pytest.fixture
def judged(context):
    """``judge(calculator, keys, **settings) -> {key: Record}``, protocol ci."""

    def judge(calculator, keys=ROWS, *, repeatable=True, provides=EVERYTHING, budget=None, **settings):
        model = SimpleNamespace(
            name="candidate",
            spec="candidate",
            fingerprint="0123456789abcdef",
            calculator=calculator,
            repeatable=repeatable,
            provides=provides,
        )
        made = context(model, **{"protocol": "ci", **settings})
        return invariance.run(replace(made, meter=Meter(budget)), [ROWS[key] for key in keys])

    return judge


@pytest.mark.parametrize(("broken", "fails", "passes"), BROKEN, ids=[broken.__name__ for broken, *_ in BROKEN])
def test_a_broken_law_fails_its_row_and_spares_the_others(judged, broken, fails, passes):
    fails, passes = fails.split(), passes.split()
    records = judged(broken(), [*fails, *passes], repeatable=broken is not Noisy)
    assert {key: records[key].status for key in fails} == dict.fromkeys(fails, "FAIL")
    assert {key: records[key].status for key in passes} == dict.fromkeys(passes, "PASS")
    for key in fails:
        record = records[key]
        assert record.candidate > record.tolerance
        hint = TABLE[key].hint
        assert hint in explain(record, rerun="", hint=hint).replace("\n             ", " ")
        json.dumps(record.to_dict(), allow_nan=False)


def test_the_reference_passes_every_row(judged):
    for key, record in judged(lennard_jones()).items():
        assert record.status == "PASS", record
        assert record.force_calls > 0, key


def test_every_row_is_broken_by_some_calculator():
    assert {key for _, fails, _ in BROKEN for key in fails.split()} == set(ROWS)


def kept(record):
    from ase.io import read

    path = Path(record.reason.rpartition("structure: ")[2])
    return read(path, index=":")


@pytest.mark.parametrize(
    ("broken", "key", "largest"),
    [
        (FixedInTheCell, "translation", 2),
        (FirstAtomDiffers, "permutation", 4),
        (LosesAtomsOutside, "wrapping", 2),
        (Drifting, "momentum", 13),
        (Swirling, "torque", 13),
        (StrongerThanItsEnergy, "energy_forces", 2),
    ],
)
def test_a_failing_structure_is_shrunk_kept_and_named(judged, tmp_path, broken, key, largest):
    (record,) = judged(broken(), [key]).values()
    frames = kept(record)
    assert len(frames) == (1 if key in ("momentum", "torque", "energy_forces") else 2)
    assert len(frames[0]) <= largest
    assert f"{len(frames[0])} atoms" in record.reason
    assert tmp_path / "cache" / "failing" in Path(record.reason.rpartition(": ")[2]).parents
    fresh = broken()
    if key == "translation":  # what was written shows the defect to whoever reads it
        first, second = (fresh.get_forces(atoms) for atoms in frames)
        assert np.abs(first - second).max() > 1e-5
        np.testing.assert_allclose(frames[0].get_forces(), first, atol=1e-7)


def test_the_record_says_which_atom_and_how_much(judged):
    record = judged(FirstAtomDiffers(), ["permutation"])["permutation"]
    for part in ("atoms in another order", "the force on atom", "changes by", "eV/Å", "resolution"):
        assert part in record.reason
    assert record.unit == "res."
    assert record.interval == (record.candidate, record.candidate)


def test_shrinking_is_bounded(judged):
    calculator = FixedInTheCell()
    record = judged(calculator, ["translation"])["translation"]
    assert record.force_calls == calculator.calls < 1000
    assert calculator.atoms / 256 < 250


class Dies(Spoiled):
    """Leaves physics at the fourth force."""

    def forces(self, forces, atoms):
        return forces * (np.nan if self.calls > 3 else 1.0)


@pytest.mark.parametrize(("kind", "status", "calls"), [(Spoiled, "PASS", 191), (Dies, "FAIL", 4)])
def test_a_run_without_thermostat_counts_its_forces_cached_or_not(judged, kind, status, calls):
    calculator = kind()
    first, again = (judged(calculator, ["nve_drift"])["nve_drift"] for _ in range(2))
    assert calculator.calls == calls
    assert (first.status, again.status) == (status, status)
    assert (first.force_calls, again.force_calls) == (calls, calls)


def test_a_pair_on_the_cutoff_is_no_breach(judged, monkeypatch):
    """A truncated force in float32 jumps when rounding carries a pair over the cutoff."""
    from pytest_mlff.apparatus.workbench import Workbench

    class Single(Spoiled):
        def seen(self, atoms):
            seen = atoms.copy()
            seen.positions = atoms.positions.astype(np.float32)
            return seen

    real = Workbench.structure

    def on_the_cutoff(self, piece):
        found = real(self, piece)
        positions = np.zeros((2, 3)) + 0.1
        positions[1, 0] += 8.5 - 1e-7
        return found.at(positions) if piece.atoms == 2 else found

    monkeypatch.setattr(Workbench, "structure", on_the_cutoff)
    record = judged(Single(), ["translation"])["translation"]
    assert record.status == "PASS"


def test_noise_of_the_model_does_not_drown_the_exact_rows(judged):
    records = judged(Noisy(), ["translation", "determinism"], repeatable=False)
    assert "holds the noise of forces that do not repeat" in records["translation"].reason
    assert 0.2 < records["translation"].candidate < 3.0
    assert records["determinism"].candidate > 100.0


def test_the_last_bits_of_sums_in_another_order_are_no_defect(judged):
    class Parallel(Spoiled):
        def forces(self, forces, atoms):
            wobble = np.random.default_rng(self.calls).uniform(-1.0, 1.0, forces.shape)
            return forces * (1 + np.finfo(np.float32).eps * wobble)

    assert judged(Parallel(), ["determinism"], repeatable=False)["determinism"].status == "PASS"


def test_less_than_twice_the_force_error_is_what_parity_said(judged):
    """Frozen noise breaks every learned law by its own size, and by no more."""

    class Wrong(Spoiled):
        def forces(self, forces, atoms):
            seed = abs(hash(np.round(atoms.positions, 6).tobytes())) % 2**32
            return forces + np.random.default_rng(seed).normal(0.0, 2e-3, forces.shape)

    records = judged(Wrong(), ["rotation", "momentum", "torque"])
    assert {record.status for record in records.values()} == {"PASS"}
    assert records["rotation"].candidate == pytest.approx(np.sqrt(2), rel=0.05)
    for key in ("momentum", "torque"):
        assert 0.5 < records[key].candidate < 1.6
        assert records[key].candidate_stderr > 0.05


def test_rounding_of_a_large_energy_is_no_mismatch(judged):
    class Single(Spoiled):
        def energy(self, energy, atoms):
            return float(np.float32(energy - 50.0))  # 4e-6 eV apart

    record = judged(Single(), ["energy_forces"])["energy_forces"]
    assert record.status == "PASS"
    assert 1e-4 < record.candidate < 6e-3


@pytest.mark.parametrize("per_atom", [-5.0, -40.0, -570.0])
def test_an_energy_that_is_rounded_far_coarser_than_the_limit_is_no_defect(judged, per_atom):
    """What pseudopotential totals of DFT look like in float32: too coarse to differentiate, and said to be."""

    class Coarse(Spoiled):
        def energy(self, energy, atoms):
            return float(np.float32(energy + per_atom * len(atoms)))

    records = judged(Coarse(), ["energy_forces", "stress", "cutoff_continuity"])
    assert records["cutoff_continuity"].status == "PASS"
    if per_atom < -5.0:
        assert {records[key].status for key in ("energy_forces", "stress")} == {"INCONCLUSIVE"}
        assert "the energy comes in float32; give it in float64" in records["energy_forces"].reason
        assert "the energy is rounded: jumps below" in records["cutoff_continuity"].reason
    else:
        assert {record.status for record in records.values()} == {"PASS"}
        assert not any("float32" in record.reason for record in records.values())


def summed(energy, atoms):
    """A total in float32 of terms in float32, as a network sums its atoms."""
    terms = np.random.default_rng(int(abs(energy) * 1e9)).normal(energy / atoms - 40.0, 1.0, atoms)
    terms += energy / atoms - 40.0 - terms.mean()
    return float(np.cumsum(terms.astype(np.float32), dtype=np.float32)[-1])


FLOAT32 = {
    "a sum": summed,
    "whole": lambda energy, atoms: float(np.float32(energy - 40.0 * atoms)),
    "by atom": lambda energy, atoms: atoms * float(np.float32(energy / atoms - 40.0)),
    "Hartree": lambda energy, atoms: 27.2114 * float(np.float32((energy - 40.0 * atoms) / 27.2114)),
    "kJ/mol": lambda energy, atoms: float(np.float32((energy - 40.0 * atoms) * 96.4853)) / 96.4853,
}


@pytest.mark.parametrize("unit", FLOAT32)
def test_rounding_to_float32_is_known_in_every_unit(judged, unit):
    class Rounded(Spoiled):
        def energy(self, energy, atoms):
            return FLOAT32[unit](energy, len(atoms))

    records = judged(Rounded(), ["energy_forces", "stress"])
    assert {record.status for record in records.values()} == {"INCONCLUSIVE"}
    assert "the energy comes in float32" in records["energy_forces"].reason


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_an_energy_that_jumps_is_not_excused_by_the_errors_of_its_differences(judged, precision):
    class Steps(Spoiled):
        def energy(self, energy, atoms):
            return float(precision(energy + 0.003 * np.floor(atoms.positions.sum() / 0.07)))

    record = judged(Steps(), ["energy_forces"])["energy_forces"]
    assert record.status == "FAIL"
    assert "float32" not in record.reason


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_an_energy_of_one_step_is_a_jump_and_not_rounding(judged, precision):
    class Well(Spoiled):
        def energy(self, energy, atoms):
            near = len(atoms) == 2 and np.linalg.norm(np.subtract(*atoms.positions)) < 6.0
            return float(precision(-0.5 * near))

    assert judged(Well(), ["cutoff_continuity"])["cutoff_continuity"].status == "FAIL"


def test_a_coarse_energy_does_not_hide_a_defect_that_is_larger(judged):
    class Half(Spoiled):
        def energy(self, energy, atoms):
            return float(np.float32(0.5 * energy - 5.0 * len(atoms)))

    class Unshifted(Spoiled):
        """A jump of 20 meV at 7 Å."""

        def energy(self, energy, atoms):
            near = len(atoms) == 2 and abs(np.subtract(*atoms.positions)).max() > 7.0
            return float(np.float32(energy - 40.0 * len(atoms))) + 0.02 * near

    assert judged(Half(), ["energy_forces"])["energy_forces"].status == "FAIL"
    record = judged(Unshifted(), ["cutoff_continuity"])["cutoff_continuity"]
    assert record.status == "FAIL"
    assert "energy, 20" in record.reason


def test_one_structure_may_decide_alone(judged):
    class WrongForPairs(Spoiled):
        def energy(self, energy, atoms):
            return 1.2 * energy if len(atoms) == 2 else energy

    class OneDrifts(Spoiled):
        def forces(self, forces, atoms):
            return forces + (0.01 if len(atoms) == 256 and atoms.positions[0, 0] < 9.0 else 0.0)

    for calculator, key in ((WrongForPairs(), "energy_forces"), (OneDrifts(), "momentum")):
        record = judged(calculator, [key])[key]
        assert record.status == "FAIL"
        assert record.candidate > 2 * record.tolerance


def test_a_model_that_refuses_turned_cells_is_turned_by_quarters(judged):
    class Axes(Spoiled):
        def seen(self, atoms):
            if not atoms.cell.orthorhombic:
                raise ValueError("orthorhombic cells only")
            return atoms

    record = judged(Axes(), ["rotation"])["rotation"]
    assert record.status == "PASS"
    assert "quarter turns only" in record.reason
    assert judged(Axes(), ["stress"])["stress"].status == "PASS"


def test_a_model_that_refuses_small_cells_is_not_judged_by_them(judged):
    class Wide(Spoiled):
        def seen(self, atoms):
            if atoms.cell.lengths().min() < 17.0:
                raise ValueError("cell smaller than twice the cutoff")
            return atoms

    record = judged(Wide(), ["small_cell"])["small_cell"]
    assert record.status == "NOT_APPLICABLE"
    assert "refuses a cell of 5.27 Å" in record.reason
    assert "twice the cutoff" in record.reason


def test_a_batched_model_gets_turned_cells_too(judged):
    cells = []

    class Batched(Spoiled):
        def batch_forces(self, positions, numbers, cell):
            from ase import Atoms

            cells.append(cell)
            return np.stack([self.get_forces(Atoms(numbers, p, cell=cell, pbc=True)) for p in positions])

    records = judged(Batched(), ["rotation", "dimer"])
    assert {np.shape(cell) for cell in cells} == {(3, 3)}
    assert any(np.count_nonzero(cell) > 3 for cell in cells)
    assert {record.status for record in records.values()} == {"PASS"}
    assert "quarter turns" not in records["rotation"].reason


def test_forces_that_are_not_finite_fail_with_words(judged):
    class Broken(Spoiled):
        def forces(self, forces, atoms):
            forces[0] = np.nan
            return forces

    for key, record in judged(Broken(), [key for key in ROWS if key != "stress"]).items():
        assert record.status == "FAIL", key
        json.dumps(record.to_dict(), allow_nan=False)
    assert "not finite" in judged(Broken(), ["translation"])["translation"].reason


def test_what_raises_is_an_error_of_its_row_alone(judged):
    class Raises(Spoiled):
        def seen(self, atoms):
            if len(atoms) > 256:
                raise MemoryError("too many atoms")
            return atoms

    records = judged(Raises(), ["translation", "supercell"])
    assert records["supercell"].status == "ERROR"
    assert "MemoryError: too many atoms" in records["supercell"].reason
    assert records["translation"].status == "PASS"


def test_without_time_nothing_is_known(judged):
    for record in judged(Spoiled(), budget=Budget(0.0)).values():
        assert record.status == "INCONCLUSIVE"


class Budgeted:
    """A budget of so many force calls."""

    def __init__(self, calls, calculator):
        self.left, inner = calls, calculator.get_forces

        def get_forces(*args, **kwargs):
            self.left -= 1
            return inner(*args, **kwargs)

        calculator.get_forces = get_forces
        self.budget = Budget(1.0, clock=lambda: float(self.left <= 0))
        self.left = calls


def test_what_failed_before_the_budget_ended_has_failed(judged, monkeypatch):
    broken = next(one for one, fails, _ in BROKEN if fails == "permutation")
    whole = judged(broken(), ["permutation"])["permutation"]
    statuses = []
    for calls in (10, whole.force_calls // 2, whole.force_calls - 1):
        calculator = broken()
        record = judged(calculator, ["permutation"], budget=Budgeted(calls, calculator).budget)["permutation"]
        statuses.append(record.status)
        assert "the budget of 1 s was spent" in record.reason
    assert statuses == ["INCONCLUSIVE", "FAIL", "FAIL"]


def test_a_model_of_forces_only_is_not_asked_for_more(context):
    model = SimpleNamespace(
        name="m", spec="m", fingerprint="m", calculator=Spoiled(), repeatable=True, provides=frozenset({"forces"})
    )
    found = run_check("invariance", context(model, protocol="ci"))
    skipped = {key for key, record in found.items() if record.status == "NOT_APPLICABLE"}
    assert skipped == {"energy_forces", "stress", "nve_drift"}
    assert "no energy and no stress" in found["stress"].reason
    assert {record.status for key, record in found.items() if key not in skipped} == {"PASS"}


@pytest.mark.parametrize(("protocol", "calls"), [("smoke", 40), ("ci", 400)])
def test_the_cost_stays_within_its_budget(context, protocol, calls):
    calculator = Spoiled()
    model = SimpleNamespace(
        name="m", spec="m", fingerprint="m", calculator=calculator, repeatable=True, provides=EVERYTHING
    )
    records = run_check("invariance", context(model, protocol=protocol))
    assert {record.status for record in records.values()} == {"PASS"}
    assert calculator.atoms / 256 < calls
    if protocol == "smoke":
        assert set(records) == {"translation", "permutation", "wrapping", "determinism"}


def test_a_users_limit_decides(judged):
    config = {"invariance": {"limits": {"energy_forces": 0.2}}}
    assert judged(StrongerThanItsEnergy(), ["energy_forces"], config=config)["energy_forces"].status == "PASS"


def test_the_same_seed_gives_the_same_record(judged):
    first, again = (judged(FixedInTheCell(), ["translation"])["translation"] for _ in range(2))
    assert replace(first, wall_s=0.0) == replace(again, wall_s=0.0)
    other = judged(FixedInTheCell(), ["translation"], seed=1)["translation"]
    assert other.candidate != first.candidate
