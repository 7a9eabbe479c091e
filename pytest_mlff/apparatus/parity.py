"""What candidate and reference say of held-out configurations: asked once, for all checks that compare it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import pytest_mlff
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.work import Work
from pytest_mlff.reference.data import Configurations
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.forces import ModelForces

CHUNK = 20
"""Configurations per cached piece: what a killed run can lose."""


def parity_work(context: CheckContext, phase: str, atoms: int) -> Work:
    """Count the force calls on a set of held-out configurations.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    phase : str
        ``liquid`` or ``solid``.
    atoms : int
        In each configuration.

    Returns
    -------
    Work
        One call for each configuration; two of a batched model that has more to say than forces.
    """
    name = f"{phase}-{atoms}"
    count, first = dict(context.protocol.parity)[name], parity_cells(context, name, 1)[0]
    twice = context.forces(first.numbers, first.cell).batched and len(_wanted(context)) > 1
    return Work(share=f"parity-{name}", calls=count * (1 + twice), atoms=atoms)


def parity_forces(context: CheckContext, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the forces of the candidate and of the reference on held-out configurations.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    name : str
        ``"<phase>-<atoms>"``.
    count : int
        Configurations, from the first on.

    Returns
    -------
    candidate, exact : ndarray, shape (configuration, atom, xyz)
        In eV/Å; the candidate's as they are, finite or not.

    Raises
    ------
    BudgetExhausted
        If candidate forces are not in the cache and no wall time is left for them.
    """
    return candidate_results(context, name, count)["forces"], reference_results(context, name, count)["forces"]


def parity_cells(context: CheckContext, name: str, count: int) -> Configurations:
    """Take held-out configurations.

    Parameters
    ----------
    context, name, count
        As for :func:`parity_forces`.

    Returns
    -------
    Configurations
        Each in its own cell.
    """
    return context.reference.configurations(f"parity/{name}").taken(slice(count))


def candidate_results(context: CheckContext, name: str, count: int) -> dict[str, np.ndarray]:
    """Compute what the candidate says of held-out configurations, by one call for each.

    Parameters
    ----------
    context, name, count
        As for :func:`parity_forces`.

    Returns
    -------
    dict of str to ndarray
        ``forces`` (configuration, atom, xyz) in eV/Å, ``energy`` (configuration) in eV where the model provides it,
        and ``stress`` (configuration, 3, 3) in eV/Å³ where it does and the protocol runs no liquid whose pressure
        would be judged instead; finite or not.

    Raises
    ------
    BudgetExhausted
        If they are not in the cache and no wall time is left for them.
    """
    everyone = parity_cells(context, name, count)
    pieces, wanted = [], sorted(_wanted(context))
    with context.meter.task(f"{context.model.name} parity {name}", len(everyone)):
        for first in range(0, len(everyone), CHUNK):
            chosen = everyone.taken(slice(first, first + CHUNK))
            parts = {"set": name, "first": first, "count": len(chosen), "wanted": wanted}
            before = context.meter.calls
            compute = partial(_results, context, chosen)
            pieces.append(context.memo("parity", parts, compute, holds=wanted))
            context.meter.skip(len(chosen) - (context.meter.calls - before))
    return _joined(pieces)


def reference_results(context: CheckContext, name: str, count: int) -> dict[str, np.ndarray]:
    """Compute what the reference says of held-out configurations.

    Parameters
    ----------
    context, name, count
        As for :func:`parity_forces`.

    Returns
    -------
    dict of str to ndarray
        As :func:`candidate_results` has it, all three; kept in the cache for the other rows.
    """

    def compute() -> dict[str, np.ndarray]:
        native = ReferenceModel(context.system)
        evaluate = partial(ModelForces, native, context.system)
        return _evaluated(evaluate, parity_cells(context, name, count), native.provides)

    parts = {"kind": "parity of the reference", "version": pytest_mlff.__version__, "set": name, "count": count}
    known = {"system": context.system.identity, "reference": context.reference.version}
    return context.cache.memo({**parts, **known}, compute)


def _wanted(context: CheckContext) -> frozenset[str]:
    by_the_way = {"energy"} if context.protocol.liquid_states else {"energy", "stress"}
    return frozenset({"forces"} | (by_the_way & context.model.provides))


def _joined(
    pieces: Sequence[Mapping[str, Any]], join: Callable[[list[Any]], np.ndarray] = np.concatenate
) -> dict[str, np.ndarray]:
    return {key: join([piece[key] for piece in pieces]) for key in pieces[0]}


def _results(context: CheckContext, chosen: Configurations) -> dict[str, np.ndarray]:
    # counted by the analysis, so that a row tells how many configurations are spoiled
    evaluate = partial(ModelForces, context.model, context.system, meter=context.meter)
    return _evaluated(evaluate, chosen, _wanted(context))


def _evaluated(
    evaluate: Callable[[np.ndarray, np.ndarray], ModelForces], chosen: Configurations, wanted: Collection[str]
) -> dict[str, np.ndarray]:
    found = [evaluate(one.numbers, one.cell).results(one.positions, wanted) for one in chosen]
    return _joined(found, np.stack)
