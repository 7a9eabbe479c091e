"""The user's own limits, put into the tolerance table; what cannot be a limit is refused with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pytest_mlff.errors import SpecError
from pytest_mlff.settings.names import suggest
from pytest_mlff.verdict.tolerances import Tolerance


def tolerances(table: Mapping[str, Tolerance], overrides: Mapping[str, float]) -> Mapping[str, Tolerance]:
    """Give a table with the user's limits in place.

    Parameters
    ----------
    table : mapping of str to Tolerance
        All rows by their keys.
    overrides : mapping of str to float
        Row key → limit: a fraction for relative rows and pure numbers (0.05 for 5 %), else in the row's unit.
        A limit for a ``ms_per_call`` row or for ``memory_growth`` turns it from INFO into an upper bound.

    Returns
    -------
    mapping of str to Tolerance
        In the order of the table.

    Raises
    ------
    SpecError
        For an unknown row, a row that has no limit to set, or a limit that cannot be one.
    """
    changed = dict(table)
    for key, limit in overrides.items():
        if key not in changed:
            near = suggest(str(key), changed, cutoff=0.5)
            raise SpecError(f"no tolerance row {key!r}" + (near or f"; the rows are {', '.join(changed)}"))
        row = changed[key]
        _refuse_bad_limit(row, limit)
        default = "" if row.limit is None else f" (default {row.limit:g}: {row.reason})"
        changed[key] = replace(
            row,
            kind="upper" if row.kind == "info" else row.kind,
            limit=float(limit),
            reason=f"set by the user{default}",
            source="user's configuration",
        )
    return MappingProxyType(changed)


def _refuse_bad_limit(row: Tolerance, limit: object) -> None:
    where = f"tolerance of {row.key!r}"
    if not row.adjustable:
        raise SpecError(f"{where} cannot be set: a row of kind {row.kind!r} like this has no limit to choose")
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise SpecError(f"{where} is {limit!r}; it must be a number")
    if not math.isfinite(limit) or limit <= 0:
        raise SpecError(f"{where} is {limit!r}; it must be a positive, finite number")
    if limit >= 1 and (row.kind == "relative" or not row.unit):
        raise SpecError(f"{where} is {limit!r}; it is a fraction and must be below 1 (5 % is 0.05)")
