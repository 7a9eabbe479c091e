"""The phonon density of states of the crystal against the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mlff.analysis.phonons import pdos_distance, phonon_spectrum
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.crystal import crystal_response, crystal_work, relaxation
from pytest_mlff.apparatus.judging import Finding, Stopwatch, judge
from pytest_mlff.apparatus.work import Work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.schema import Estimate, Record


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the phonon rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        ``pdos`` and ``negative_modes``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    watch = Stopwatch()
    response = crystal_response(context)
    spectrum = phonon_spectrum(response, masses=context.system.mass)
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
    """Count the force calls of the rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of this check.

    Yields
    ------
    Work
        One, whatever the rows.
    """
    yield crystal_work(context)
