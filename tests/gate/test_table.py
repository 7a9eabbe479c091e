"""The tolerance table: complete, sourced, and read-only."""

import pytest

from pytest_mlff.analysis.shells import PAPER_SHELLS
from pytest_mlff.apparatus.declaration import Declared
from pytest_mlff.checks import xpcs
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.verdict.explain import usual_cause

SHELLS = ("0.461", "0.922", "1.304", "1.595", "1.844")
SMOKE_ROWS = {
    "energy-liquid",
    "energy-solid",
    "phase_energy",
    "pressure-liquid",
    "pressure-solid",
    "stability",
    "parity-liquid-256",
    "parity-solid-256",
    "symmetry-solid",
    "symmetry-liquid",
    "pdos",
    "negative_modes",
    "translation",
    "permutation",
    "wrapping",
    "determinism",
    "ms_per_call-256",
    "ms_per_call-2048",
    "ms_per_call-4000",
    "ms_per_step-256",
    "ms_per_step-2048",
    "ms_per_step-4000",
    "memory_growth",
}
# key: (check, kind, limit), written out a second time on purpose
EXPECTED = {
    "parity-liquid-256": ("forces", "upper", 1e-3),
    "parity-liquid-4000": ("forces", "upper", 1e-3),
    "parity-solid-256": ("forces", "upper", 1e-3),
    "parity-solid-4000": ("forces", "upper", 1e-3),
    "energy-liquid": ("energy", "upper", 0.05),
    "energy-solid": ("energy", "upper", 0.05),
    "phase_energy": ("energy", "relative", 0.05),
    "pressure-liquid": ("pressure", "relative", 0.02),
    "pressure-solid": ("solid_pressure", "relative", 0.01),
    "translation": ("invariance", "upper", 8.0),
    "permutation": ("invariance", "upper", 8.0),
    "wrapping": ("invariance", "upper", 8.0),
    "determinism": ("invariance", "upper", 8.0),
    "supercell": ("invariance", "upper", 8.0),
    "small_cell": ("invariance", "upper", 8.0),
    "rotation": ("invariance", "upper", 2.0),
    "momentum": ("invariance", "upper", 2.0),
    "torque": ("invariance", "upper", 2.0),
    "energy_forces": ("invariance", "upper", 0.01),
    "stress": ("invariance", "upper", 6e-6),
    "nve_drift": ("invariance", "upper", 4e-6),
    "cutoff_continuity": ("invariance", "upper", 2.0),
    "dimer": ("invariance", "upper", 1.3e-3),
    "hot": ("invariance", "upper", 0.0),
    "stability": ("stability", "upper", 0.0),
    "rdf": ("liquid", "upper", 0.05),
    "structure_factor": ("liquid", "upper", 0.05),
    "diffusion": ("liquid", "relative", 0.10),
    "net_force": ("liquid", "info", None),
    **{f"gamma_self-{q}": ("xpcs", "relative", 0.10) for q in SHELLS},
    **{f"gamma_coherent-{q}": ("xpcs", "relative", 0.10) for q in SHELLS},
    **{f"gamma_tracked-{q}": ("xpcs", "relative", 0.10) for q in SHELLS},
    "mean_relaxation_rate-1.844": ("xpcs", "relative", 0.10),
    "xsvs_time": ("xpcs", "relative", 0.10),
    "solid_rdf": ("solid", "upper", 0.05),
    "symmetry-solid": ("solid_hessian", "lower", 0.90),
    "symmetry-liquid": ("solid_hessian", "lower", 0.95),
    "pdos": ("phonons", "upper", 0.03),
    "negative_modes": ("phonons", "info", None),
    "melting_below": ("melting", "sign", 1.0),
    "melting_above": ("melting", "sign", -1.0),
    "melting_point-paper": ("melting", "absolute", 2.7),
    "melting_point": ("melting", "relative", 0.05),
    "ms_per_call-256": ("speed", "info", None),
    "ms_per_call-2048": ("speed", "info", None),
    "ms_per_call-4000": ("speed", "info", None),
    "ms_per_step-256": ("speed", "info", None),
    "ms_per_step-2048": ("speed", "info", None),
    "ms_per_step-4000": ("speed", "info", None),
    "memory_growth": ("memory", "info", None),
}


def test_the_rows_and_their_limits_are_those_agreed():
    assert {key: (row.check, row.kind, row.limit) for key, row in TABLE.items()} == EXPECTED


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_each_row_says_why_and_whence(row: Declared):
    assert len(row.reason.split()) >= 4
    assert row.source
    assert row.observable
    assert row.needs <= {"energy", "forces", "stress"}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_verdicts_only_where_reported(row: Declared):
    assert row.protocols
    assert row.verdict_in <= row.protocols <= {"smoke", "ci", "full"}
    assert bool(row.verdict_in) == (row.kind != "info")


def test_membership_of_protocols():
    rows = {p: {k for k, row in TABLE.items() if p in row.protocols} for p in ("smoke", "ci", "full")}
    assert rows["smoke"] == SMOKE_ROWS
    assert rows["ci"] == set(EXPECTED) - {"melting_point", "melting_point-paper"}
    assert rows["full"] == set(EXPECTED) - {"melting_below", "melting_above"}


def test_the_labels_of_the_shells_are_those_of_the_analysis():
    """Those are not imported at collection, for they cost numerics."""
    assert xpcs.SHELLS == PAPER_SHELLS


def test_dynamics_are_judged_in_ci_only_where_short_runs_narrow_them():
    dynamics = {k: row for k, row in TABLE.items() if row.check == "xpcs"}
    judged = {k for k, row in dynamics.items() if "ci" in row.verdict_in}
    peak = {"gamma_coherent-1.844", "mean_relaxation_rate-1.844", "xsvs_time"}
    assert judged == peak | {f"gamma_self-{q}" for q in SHELLS}
    assert all("full" in row.verdict_in for row in dynamics.values())
    large = {*(f"gamma_coherent-{q}" for q in SHELLS[:2]), *(f"gamma_tracked-{q}" for q in SHELLS[:3])}
    assert {k for k, row in TABLE.items() if row.judged_from} == large


def test_what_a_key_says_is_a_field():
    """Nothing is read out of a key; so the fields say as much as the key does."""
    for key, row in TABLE.items():
        shell = "" if row.shell is None else f"{row.shell:g}"
        words = {row.quantity, row.phase, shell, str(row.atoms), ""}
        for word in key.removeprefix(row.quantity).split("-"):
            assert word in words, key


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_every_row_that_can_fail_has_a_hint(row: Declared):
    if row.kind != "info" or row.judged_if_limited:
        assert usual_cause(row.hint, too_high=True)
        assert usual_cause(row.hint, too_high=False)


@pytest.mark.parametrize("key", ["diffusion", "melting_point-paper", "xsvs_time", "gamma_self-1.844"])
def test_a_hint_of_two_sides_follows_the_sign(key: str):
    assert len({usual_cause(TABLE[key].hint, too_high=side) for side in (True, False, None)}) == 3
    fast = usual_cause(TABLE["diffusion"].hint, too_high=True)
    assert "too fast" in fast
    assert fast in usual_cause(TABLE["xsvs_time"].hint, too_high=False)


def test_distances_are_estimated_as_squares():
    assert {k for k, row in TABLE.items() if row.squared} == {"rdf", "structure_factor", "solid_rdf"}


def test_what_a_row_needs_beside_forces():
    needs = {key: set(row.needs - {"forces"}) for key, row in TABLE.items() if row.needs != {"forces"}}
    with_energy = {"energy-liquid", "energy-solid", "phase_energy", "energy_forces", "nve_drift"}
    assert {key for key, beside in needs.items() if beside == {"energy"}} == with_energy
    assert {key for key, beside in needs.items() if beside == {"stress"}} == {"pressure-liquid", "pressure-solid"}
    assert {key for key, beside in needs.items() if len(beside) > 1} == {"stress"}


def test_the_table_is_read_only():
    with pytest.raises(TypeError):
        TABLE["diffusion"] = TABLE["rdf"]  # type: ignore[index]
