"""Relaxation of the liquid: Γ(q) in three forms, the mean relaxation rate, and the XSVS correlation time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlff.apparatus.causes import FAST, SLOW
from pytest_mlff.apparatus.declaration import CALIBRATED, CI, PAPER_SOURCE, Check, Declared
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.apparatus.lengths import liquid_looks
from pytest_mlff.verdict.tolerances import Hint

if TYPE_CHECKING:
    import xarray as xr

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

SHELLS = (0.461, 0.922, 1.304, 1.595, 1.844)
"""Centres of the shells of the rates, abs(q) in 1/Å."""
PEAK = SHELLS[-1]
"""That of the peak of S(q)."""
_AT_THE_PEAK = "Near the peak of S(q) relaxation slows as the peak grows: look at structure_factor first. "
_HINT, _PEAK_HINT = (FAST, SLOW), (_AT_THE_PEAK + FAST, _AT_THE_PEAK + SLOW)
_LIKE_D = f"{PAPER_SOURCE}, D at 256 atoms; {CALIBRATED}"


def _row(quantity: str, observable: str, unit: str, *, q: float, hint: Hint = _HINT, **more: Any) -> Declared:
    return Declared(
        quantity=quantity,
        share="liquid",
        per_state=True,
        observable=f"{observable}, {q:g}/Å",
        kind="relative",
        limit=0.10,
        unit=unit,
        hint=hint,
        **{"key": f"{quantity}-{q:g}", "shell": q, "source": _LIKE_D, "test": "check_xpcs.test_relaxation", **more},
    )


def _rates() -> Iterator[Declared]:
    """Yield the rows of the rates; in short runs and small systems those carry no verdict that spread too far."""
    for q in SHELLS:
        reason = "same 10 % as D, which it becomes at small q (Γ_s → Dq²)"
        panel = "Γ(q)" if q == PEAK else ""
        yield _row("gamma_self", "self relaxation rate Γ_s", "1/ps", q=q, reason=reason, panel=panel)
    for q in SHELLS:
        reason = "same 10 % as D; noisy in short runs, as a shell has few wave vectors"
        how: dict[str, Any] = {"info_in": CI}
        if q == PEAK:
            how = {"hint": _PEAK_HINT, "panel": "Γ(q)"}
        elif q < 1.0:
            how["judged_from"] = 4000  # no run of 256 atoms narrows them to a sixth of their limit
        yield _row("gamma_coherent", "coherent relaxation rate Γ", "1/ps", q=q, reason=reason, **how)
    for q in SHELLS:
        reason = "same 10 % as D; noisy in short runs, as few atoms are tracked"
        atoms = 4000 if q < 1.5 else 0
        how = {"info_in": CI, "judged_from": atoms, "reason": reason}
        yield _row("gamma_tracked", "relaxation rate of a tracked subset", "1/ps", q=q, **how)


ROWS = (
    *_rates(),
    _row(
        "mean_relaxation_rate",
        "mean relaxation rate",
        "1/ps",
        q=PEAK,
        hint=_PEAK_HINT,
        reason="same 10 % as D; an integral instead of a fit, so another quantity than Γ",
    ),
    _row(
        "xsvs_time",
        "XSVS correlation time",
        "ps",
        key="xsvs_time",
        test="check_xpcs.test_contrast",
        q=PEAK,
        shell=None,
        hint=(_AT_THE_PEAK + SLOW, _AT_THE_PEAK + FAST),
        reason="same 10 % as D; the paper's network is within 4 %; taken at the peak of S(q), where the structure "
        "slows relaxation, so it answers less to the depth of the well than D does",
        source=f"{PAPER_SOURCE}, speckle visibility; {CALIBRATED}",
        panel="XSVS time",
    ),
)
CHECK = Check(order=140, worker="liquid", looks=liquid_looks)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the relaxation rows at every state point."""
    from pytest_mlff.apparatus.runs import by_state
    from pytest_mlff.reference.observables import measure

    measured: dict[tuple[str, str, int], xr.Dataset] = {}

    def finding(context: CheckContext, row: Row, trajectory: xr.Dataset) -> Finding:
        where = (row.state, row.declared.quantity, trajectory.sizes["frame"])
        if where not in measured:  # one measurement serves the rows of all its shells
            measured[where] = measure(row.declared.quantity, trajectory)
        return _compare(context, row, measured[where], int(trajectory.attrs["force_calls"]))

    return by_state(context, rows, finding)


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: those of the liquid's runs."""
    from pytest_mlff.apparatus.runs import liquid_work

    yield from liquid_work(context, rows)


def _compare(context: CheckContext, row: Row, candidate: xr.Dataset, calls: int) -> Finding:
    import numpy as np

    from pytest_mlff.reference.observables import VARIABLES, estimate, replica_values

    name, shell = row.declared.quantity, row.declared.shell
    reference = context.reference.observable(row.state, name)
    variable = VARIABLES[name]
    if shell is None:
        longest = "a lower bound: the contrast stays above half of its first value up to the longest exposure"
        return Finding(
            candidate=estimate(candidate, variable),
            reference=estimate(reference, variable),
            force_calls=calls,
            note=longest if candidate.attrs.get("bounded") else "",
        )
    index = int(np.argmin(np.abs(candidate["q"].values - shell)))
    actual = float(candidate["mean_q"][index])
    note = f"{int(candidate['n_vectors'][index])} wave vectors, mean |q| {actual:.3f} 1/Å"
    return Finding(
        candidate=estimate(candidate, variable, index),
        reference=estimate(reference, variable, index),
        force_calls=calls,
        note=note,
        replicas=replica_values(candidate, variable, index),
    )
