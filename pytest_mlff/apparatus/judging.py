"""From estimates to records: one row at one look, and the loop over looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import Row
from pytest_mlff.apparatus.failure import reason_of, status_of
from pytest_mlff.errors import MlffError, ModelError, NonFiniteError
from pytest_mlff.foreign import traceback_text
from pytest_mlff.schema import Estimate, Record, Status
from pytest_mlff.verdict.decide import decide
from pytest_mlff.verdict.tolerances import Tolerance

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was measured for a row.

    Attributes
    ----------
    candidate : Estimate
        The quantity, in the unit of the row; its square for a squared row.
    reference : Estimate or None
        The same of the reference, where there is one.
    force_calls : int
        Force calls of the candidate behind it, cached or not.
    note : str
        What a reader should know beside the numbers.
    replicas : tuple of float
        The quantity in single replicas, where it is a number in each of them.
    """

    candidate: Estimate
    reference: Estimate | None = None
    force_calls: int = 0
    note: str = ""
    replicas: tuple[float, ...] = ()


@dataclass
class Stopwatch:
    """Wall time since it was made."""

    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self.started


def in_system_of(row: Row, tolerance: Tolerance) -> Tolerance:
    """Take the verdict from a row whose system is too small for it.

    Parameters
    ----------
    row : Row
        The row, which knows the atoms of its state point.
    tolerance : Tolerance
        Of the row, the user's limit in place.

    Returns
    -------
    Tolerance
        The same, or one that is INFO everywhere.
    """
    if row.state and row.atoms < tolerance.judged_from:
        return replace(tolerance, info_in=tolerance.protocols)
    return tolerance


def judge(
    context: CheckContext,
    row: Row,
    finding: Finding,
    *,
    look: int = 1,
    looks_planned: int = 1,
    wall_s: float = 0.0,
) -> Record:
    """Turn one finding into a record.

    Parameters
    ----------
    context : CheckContext
        With the tolerances.
    row : Row
        Which row.
    finding : Finding
        What was measured.
    look, looks_planned : int
        Which look this is, of how many.
    wall_s : float
        Wall time to account for.

    Returns
    -------
    Record
        With the verdict.
    """
    tolerance = in_system_of(row, context.tolerances[row.key])
    decision = decide(
        tolerance,
        finding.candidate,
        finding.reference,
        looks_planned=looks_planned,
        protocol=context.protocol.name,
    )
    reference = finding.reference
    told = "; ".join(part for part in (decision.reason, finding.note) if part)
    return replace(
        row.record(context.model.name, decision.status, told, tolerance),
        # near zero the root of a squared distance has no standard error; its interval is in the record
        candidate=decision.deviation if tolerance.squared else finding.candidate.value,
        candidate_stderr=None if tolerance.squared else finding.candidate.stderr,
        reference=None if reference is None else reference.value,
        reference_stderr=None if reference is None else reference.stderr,
        deviation=decision.deviation,
        interval=decision.interval,
        tolerance=tolerance.limit,
        looks=look,
        force_calls=finding.force_calls,
        replicas=finding.replicas,
        wall_s=wall_s,
    )


def without_verdict(context: CheckContext, row: Row, status: Status, reason: str, *, looks: int = 0) -> Record:
    """Record of a row that could not be measured.

    Parameters
    ----------
    context : CheckContext
        With the tolerances.
    row : Row
        Which row.
    status : str
        INCONCLUSIVE, NOT_APPLICABLE, FAIL or ERROR.
    reason : str
        Why.
    looks : int
        Looks taken before.

    Returns
    -------
    Record
        Without numbers; INFO instead of INCONCLUSIVE or FAIL where the row carries no verdict.
    """
    tolerance = in_system_of(row, context.tolerances[row.key])
    if status in ("INCONCLUSIVE", "FAIL") and context.protocol.name not in tolerance.verdict_in:
        status = "INFO"
    return replace(row.record(context.model.name, status, reason, tolerance), tolerance=tolerance.limit, looks=looks)


def unmeasured(context: CheckContext, row: Row, error: BaseException, *, looks: int = 0) -> Record:
    """Record of a row whose measurement raised.

    Parameters
    ----------
    context : CheckContext
        With the tolerances.
    row : Row
        Which row.
    error : BaseException
        What was raised.
    looks : int
        Looks taken before.

    Returns
    -------
    Record
        As :mod:`~pytest_mlff.apparatus.failure` maps it; it names the structure that was kept, and an ERROR has the
        traceback.
    """
    status, reason = status_of(error), reason_of(error)
    if isinstance(error, NonFiniteError) and error.structure is not None:
        from pytest_mlff.systems.atoms import make_atoms

        reason += context.keep_images("failing", [make_atoms(context.system, error.structure)], name=row.id)
    if status != "ERROR":
        return without_verdict(context, row, status, reason, looks=looks)
    if isinstance(error, ModelError) and error.images:
        reason += context.keep_images("failed", error.images)
    return replace(without_verdict(context, row, status, reason, looks=looks), traceback=traceback_text(error))


def measured(context: CheckContext, row: Row, measure: Callable[[], Finding]) -> Record:
    """Judge what a function finds, or say why it found nothing.

    Parameters
    ----------
    context : CheckContext
        With the tolerances.
    row : Row
        Which row.
    measure : callable
        Gives the finding; what breaks it leaves the other rows alone.

    Returns
    -------
    Record
        From :func:`judge` or :func:`unmeasured`.
    """
    watch = Stopwatch()
    try:
        finding = measure()
    except MlffError as error:
        return unmeasured(context, row, error)
    return judge(context, row, finding, wall_s=watch.seconds)


def sequential(
    context: CheckContext,
    rows: Sequence[Row],
    looks: Sequence[int],
    evaluate: Callable[[int, Sequence[Row]], Mapping[str, Finding]],
) -> dict[str, Record]:
    """Look, decide, and go on only for what is undecided.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        What to decide.
    looks : sequence of int
        Frames at each look, growing.
    evaluate : callable
        ``(frames, rows still undecided) → findings by row id``.

    Returns
    -------
    dict of str to Record
        One per row. When the budget ends, what is undecided stays INCONCLUSIVE with its last numbers; when a
        trajectory leaves physics, what is undecided FAILs; when the calculator raises, it is ERROR.
    """
    records: dict[str, Record] = {}
    open_rows = list(rows)
    watch = Stopwatch()
    for look, frames in enumerate(looks, start=1):
        try:
            findings = evaluate(frames, open_rows)
        except MlffError as error:  # what was decided before stays decided
            for row in open_rows:
                last, found = records.get(row.id), unmeasured(context, row, error, looks=look - 1)
                if last is not None and status_of(error) == "INCONCLUSIVE":  # no more than time was missing
                    found = replace(last, reason=f"{found.reason}; at the last look: {last.reason}")
                records[row.id] = found
            break
        for row in open_rows:
            records[row.id] = judge(
                context,
                row,
                findings[row.id],
                look=look,
                looks_planned=len(looks),
                wall_s=watch.seconds,
            )
        open_rows = [row for row in open_rows if records[row.id].status == "INCONCLUSIVE"]
        if not open_rows:
            break
    return records
