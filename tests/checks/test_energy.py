"""Energy rows: what they see that forces do not, what they share with parity, and numbers too large for float32."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.gate.catalogue import run_check
from pytest_mlff.mutants.base import Altered
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter

ALL = frozenset({"energy", "forces", "stress"})


class Spoiled(Altered):
    """The reference whose results are spoiled, and counted."""

    def __init__(self, spoil):
        super().__init__()
        self.spoil, self.count = spoil, 0

    def _spoil(self, results):
        self.count += 1
        results["energy"] = self.spoil(results["energy"], self.atoms)


def model(spoil=lambda energy, atoms: energy, *, provides=ALL):
    return SimpleNamespace(
        name="candidate",
        calculator=Spoiled(spoil),
        fingerprint=str(id(spoil)),
        repeatable=True,
        spec="s",
        provides=provides,
    )


def energies(context, spoil, **settings):
    return run_check("energy", context(model(spoil), **settings))


def dense(atoms) -> bool:
    return atoms.get_volume() < 44.0 * len(atoms)


def test_the_reference_passes_and_parity_energy_and_pressure_share_each_call(context):
    exact = model()
    where = context(exact)
    records = run_check("forces", where) | run_check("energy", where)
    records |= run_check("pressure", where) | run_check("solid_pressure", where)
    assert exact.calculator.count == 40
    assert {key: record.status for key, record in records.items()} == {
        "parity-liquid-256": "PASS",
        "parity-solid-256": "PASS",
        "energy-liquid": "PASS",
        "energy-solid": "PASS",
        "phase_energy": "PASS",
        "pressure-liquid": "INFO",
        "pressure-solid": "INFO",
    }
    for key in ("energy-liquid", "energy-solid"):
        assert records[key].candidate < 1e-20
        assert records[key].force_calls == 20
    assert records["phase_energy"].reference == pytest.approx(0.0273, abs=5e-4)
    assert abs(records["phase_energy"].deviation) < 1e-10


def test_a_run_of_ci_asks_for_no_stress(context):
    asked = []

    class Asked(Altered):
        def get_stress(self, *arguments, **named):
            asked.append("stress")

    candidate = model()
    candidate.calculator = Asked()
    where = context(candidate, protocol="ci", config={"forces": {"configurations": 2}})
    run_check("forces", where)
    assert not asked


def test_an_energy_off_by_a_factor_has_its_square(context):
    records = energies(context, lambda energy, atoms: 1.3 * energy)
    assert {record.status for record in records.values()} == {"FAIL"}
    for key in ("energy-liquid", "energy-solid"):
        assert records[key].candidate == pytest.approx(0.09, rel=1e-6)
    assert records["phase_energy"].deviation == pytest.approx(0.3)


@pytest.mark.parametrize(("shift", "status"), [(0.002, "FAIL"), (-0.002, "FAIL"), (5e-4, "PASS")])
def test_a_crystal_whose_energy_is_shifted_is_seen_between_the_phases(context, shift, status):
    """2 meV per atom of 27 are 7.3 %."""
    records = energies(context, lambda energy, atoms: energy + shift * len(atoms) * dense(atoms))
    assert records["phase_energy"].status == status
    assert records["phase_energy"].deviation == pytest.approx(-shift / 0.0273, rel=0.02)
    assert (records["energy-liquid"].status, records["energy-solid"].status) == ("PASS", "PASS")


def test_a_constant_has_no_effect_on_any_row(context):
    records = energies(context, lambda energy, atoms: energy - 3.0 * len(atoms))
    assert {record.status for record in records.values()} == {"PASS"}


@pytest.mark.parametrize("per_atom", [14350.0, 4e7])
def test_energies_too_large_for_float32_are_left_open_with_the_remedy(context, per_atom):
    """All-electron argon has − 14 350 eV; the second is so large that all energies of a phase are one number."""
    records = energies(context, lambda energy, atoms: float(np.float32(energy - per_atom * len(atoms))))
    record = records["energy-solid"]
    assert record.status == "INCONCLUSIVE"
    assert record.candidate > 0.05
    assert "the energy comes in float32, in steps of" in record.reason
    assert "the resolution decides here, not the model" in record.reason
    assert "give it in float64, or without the constant" in record.reason


def test_float32_is_no_excuse_where_it_resolves_the_energy(context):
    wrong = energies(context, lambda energy, atoms: float(np.float32(1.5 * energy)))
    assert {record.status for record in wrong.values()} == {"FAIL"}
    right = energies(context, lambda energy, atoms: float(np.float32(energy)))
    assert {record.status for record in right.values()} == {"PASS"}


def test_energies_that_are_no_numbers_fail_and_forces_pass(context):
    candidate = model(lambda energy, atoms: float("nan") if dense(atoms) else energy)
    where = context(candidate)
    assert {record.status for record in run_check("forces", where).values()} == {"PASS"}
    records = run_check("energy", where)
    assert (records["energy-liquid"].status, records["energy-solid"].status) == ("PASS", "FAIL")
    assert "energies are not finite in 20 of 20 configurations" in records["energy-solid"].reason
    assert records["phase_energy"].status == "FAIL"


def test_a_model_without_energies_has_no_such_rows(context):
    records = run_check("energy", context(model(provides=frozenset({"forces"}))))
    assert {record.status for record in records.values()} == {"NOT_APPLICABLE"}
    assert {record.reason for record in records.values()} == {"the model provides no energy"}


def test_a_spent_budget_leaves_the_rows_undecided(context):
    spent = replace(context(model()), meter=Meter(Budget(0.0)))
    assert {record.status for record in run_check("energy", spent).values()} == {"INCONCLUSIVE"}
