"""The phonon density of states of the crystal against the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import CALIBRATED, CHOICE, EVERYWHERE, MEASURED, Check, Declared
from pytest_mlff.apparatus.judging import Finding, Stopwatch, judge

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

ROWS = (
    Declared(
        key="pdos",
        share="crystal",
        test="check_phonons.test_density_of_states",
        observable="distance of the phonon spectrum from the reference",
        kind="upper",
        limit=0.03,
        reason="3 % of the mean frequency is 6 % in force constants; networks trained on the liquid have 0.16 to 1.7 %",
        source=f"{CHOICE}; {MEASURED}; {CALIBRATED}",
        protocols=EVERYWHERE,
        hint="The curvature near the lattice sites is off. Include solid configurations in the training data, at "
        "several temperatures and slightly strained.",
        panel="phonon spectrum",
    ),
    Declared(
        key="negative_modes",
        share="crystal",
        test="check_phonons.test_density_of_states",
        observable="modes of negative curvature in the crystal",
        kind="info",
        reason="their effect on the spectrum is judged by pdos; the number tells a soft crystal from an unstable one",
        source=CHOICE,
        protocols=EVERYWHERE,
    ),
)
CHECK = Check(order=40, samples="configurations", worker="solid")


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the phonon rows."""
    from pytest_mlff.analysis.phonons import pdos_distance, phonon_spectrum
    from pytest_mlff.apparatus.crystal import crystal_masses, crystal_response, relaxation
    from pytest_mlff.schema import Estimate

    watch = Stopwatch()
    response = crystal_response(context)
    spectrum = phonon_spectrum(response, masses=crystal_masses(context, response))
    atoms, calls = response.sizes["atom"], int(response.attrs["force_calls"])
    reference = context.reference.observable(f"crystal-{atoms}", "phonons")
    mean, mean_reference = float(spectrum["frequency"].mean()), float(reference["frequency"].mean())
    findings = {
        "pdos": Finding(
            candidate=pdos_distance(spectrum, reference),
            force_calls=calls,
            note=f"{atoms} atoms; mean frequency {mean:.4f} THz, reference {mean_reference:.4f} THz"
            + relaxation(response),
        ),
        "negative_modes": Finding(
            candidate=Estimate(float(spectrum["negative_modes"]), 0.0),
            reference=Estimate(float(reference["negative_modes"]), 0.0),
            force_calls=calls,
        ),
    }
    return {row.id: judge(context, row, findings[row.key], wall_s=watch.seconds) for row in rows}


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: one set, whatever the rows."""
    from pytest_mlff.apparatus.crystal import crystal_work

    yield crystal_work(context)
