"""The limits of a run: the tolerance table with the user's changes, and which of its rows carry a verdict here.

Read at the start of a session: imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.systems.protocols import protocol
from pytest_mlff.verdict.overrides import tolerances
from pytest_mlff.verdict.tolerances import Tolerance

if TYPE_CHECKING:
    from pytest_mlff.gate.catalogue import Row
    from pytest_mlff.settings import Settings
    from pytest_mlff.systems.system import System


def limits(settings: Settings) -> Mapping[str, Tolerance]:
    """Give the tolerances of a run, the user's limits in place.

    Parameters
    ----------
    settings : Settings
        What the user asked for; ``speed.max_ms_per_call`` is one limit for all sizes.

    Returns
    -------
    mapping of str to Tolerance
        By the row's key.

    Raises
    ------
    SpecError
        For a configuration that cannot be used.
    """
    overrides = dict(settings.config.get("tolerances", {}))
    limit = settings.config.get("speed", {}).get("max_ms_per_call")
    if limit is not None:
        for size in protocol(settings.protocol, settings.config).speed_sizes:
            overrides.setdefault(f"ms_per_call-{size}", limit)
    growth = settings.config.get("speed", {}).get("max_mb_per_1000_calls")
    if growth is not None:
        overrides.setdefault("memory_growth", growth)
    return tolerances(TABLE, overrides)


def at_state(tolerance: Tolerance, system: System, state: str) -> Tolerance:
    """Take the verdict from a row whose system is too small for it.

    Parameters
    ----------
    tolerance : Tolerance
        Of the row.
    system : System
        The material.
    state : str
        Name of its state, or empty.

    Returns
    -------
    Tolerance
        The same, or one that is INFO everywhere.
    """
    if state and system.state(state).n_atoms < tolerance.judged_from:
        return replace(tolerance, info_in=tolerance.protocols)
    return tolerance


def info_rows(
    rows: Iterable[Row], table: Mapping[str, Tolerance], system: System, protocol_name: str
) -> frozenset[str]:
    """Name the rows that carry no verdict in a run.

    Parameters
    ----------
    rows : iterable of Row
        The catalogue of the run.
    table : mapping of str to Tolerance
        From :func:`limits`.
    system : System
        The material.
    protocol_name : str
        ``smoke``, ``ci`` or ``full``.

    Returns
    -------
    frozenset of str
        Their ids.
    """
    return frozenset(
        row.id for row in rows if protocol_name not in at_state(table[row.key], system, row.state).verdict_in
    )
