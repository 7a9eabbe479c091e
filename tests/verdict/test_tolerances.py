"""The tolerance table: complete, sourced, and read-only."""

import subprocess
import sys

import pytest

from pytest_mlff.analysis.shells import PAPER_SHELLS
from pytest_mlff.verdict import tolerances
from pytest_mlff.verdict.tolerances import JUDGED_DYNAMICS_CI, TOLERANCES, Tolerance

SHELLS = ("0.461", "0.922", "1.304", "1.595", "1.844")
SMOKE_ROWS = {
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
    "melting_point-full": ("melting", "absolute", 2.7),
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
    assert {key: (row.check, row.kind, row.limit) for key, row in TOLERANCES.items()} == EXPECTED


@pytest.mark.parametrize("row", TOLERANCES.values(), ids=TOLERANCES)
def test_each_row_says_why_and_whence(row: Tolerance):
    assert len(row.reason.split()) >= 4
    assert row.source
    assert row.observable
    assert row.needs <= {"energy", "forces", "stress"}


@pytest.mark.parametrize("row", TOLERANCES.values(), ids=TOLERANCES)
def test_verdicts_only_where_reported(row: Tolerance):
    assert row.protocols
    assert row.verdict_in <= row.protocols <= {"smoke", "ci", "full"}
    assert bool(row.verdict_in) == (row.kind != "info")


def test_membership_of_protocols():
    rows = {p: {k for k, row in TOLERANCES.items() if p in row.protocols} for p in ("smoke", "ci", "full")}
    assert rows["smoke"] == SMOKE_ROWS
    assert rows["ci"] == set(EXPECTED) - {"melting_point", "melting_point-full"}
    assert rows["full"] == set(EXPECTED) - {"melting_below", "melting_above"}


def test_the_labels_of_the_shells_are_those_of_the_analysis():
    """Neither room may import the other."""
    assert tuple(map(float, tolerances.SHELLS)) == PAPER_SHELLS


def test_relative_rows_are_judged_in_ci_only_where_listed():
    relative = {k for k, row in TOLERANCES.items() if row.kind == "relative" and "ci" in row.protocols}
    judged = {k for k in relative if "ci" in TOLERANCES[k].verdict_in}
    assert judged == JUDGED_DYNAMICS_CI
    assert {"diffusion", *(f"gamma_self-{q}" for q in SHELLS)} <= judged
    assert not any(k.startswith("gamma_tracked") for k in judged)
    assert all("full" in TOLERANCES[k].verdict_in for k in relative)


def test_distances_are_estimated_as_squares():
    assert {k for k, row in TOLERANCES.items() if row.squared} == {"rdf", "structure_factor", "solid_rdf"}


def test_what_a_row_needs_beside_forces():
    needs = {key: row.needs - {"forces"} for key, row in TOLERANCES.items() if row.needs != {"forces"}}
    assert needs == {"energy_forces": {"energy"}, "nve_drift": {"energy"}, "stress": {"energy", "stress"}}


def test_the_table_is_read_only():
    with pytest.raises(TypeError):
        TOLERANCES["diffusion"] = TOLERANCES["rdf"]  # type: ignore[index]


def test_the_table_costs_no_numerics_at_import():
    code = (
        "import sys, pytest_mlff.verdict.explain, pytest_mlff.verdict.decide; "
        "bad = {'numpy', 'scipy', 'xarray', 'ase', 'openmm'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
