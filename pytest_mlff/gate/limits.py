"""What a user may set, and the limits of a run: the tolerance table with the user's changes.

Read at the start of a session: imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.judging import in_system_of
from pytest_mlff.gate.catalogue import CHECKS, TABLE
from pytest_mlff.settings.config import LIMITS, CheckTable
from pytest_mlff.verdict.overrides import tolerances
from pytest_mlff.verdict.tolerances import Tolerance

if TYPE_CHECKING:
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.settings import Settings
    from pytest_mlff.settings.config import Config


def check_tables() -> dict[str, CheckTable]:
    """Say what the configuration may hold.

    Returns
    -------
    dict of str to CheckTable
        By check: its settings, its rows and the quantities that several of them measure.
    """
    found = {}
    for name, check in CHECKS.items():
        own = [row for row in TABLE.values() if row.check == name]
        rows = dict.fromkeys([*(row.key for row in own), *(row.quantity for row in own)])
        found[name] = CheckTable(settings={one.name: one.read for one in check.settings}, rows=tuple(rows))
    return found


def limits(settings: Settings) -> Mapping[str, Tolerance]:
    """Give the tolerances of a run, the user's limits in place.

    Parameters
    ----------
    settings : Settings
        What the user asked for.

    Returns
    -------
    mapping of str to Tolerance
        By the row's key.

    Raises
    ------
    SpecError
        For a configuration that cannot be used.
    """
    return tolerances(TABLE, overrides(settings.config))


def overrides(config: Config) -> dict[str, float]:
    """Give a user's limits, row by row.

    Parameters
    ----------
    config : mapping
        Settings of each check, by its name.

    Returns
    -------
    dict of str to float
        Row key → limit; one for a quantity holds for all rows that measure it and can have a limit, but for those that
        are named themselves.
    """
    found: dict[str, float] = {}
    for check, given in config.items():
        wanted = given.get(LIMITS, {})
        for name, limit in wanted.items():
            same = [row.key for row in TABLE.values() if row.check == check and row.quantity == name]
            if name in TABLE or not same:  # what there is not is refused with the others
                found[name] = limit
            else:
                found |= {key: limit for key in same if key not in wanted}
    return found


def info_rows(rows: Iterable[Row], table: Mapping[str, Tolerance], protocol_name: str) -> frozenset[str]:
    """Name the rows that carry no verdict in a run.

    Parameters
    ----------
    rows : iterable of Row
        The catalogue of the run.
    table : mapping of str to Tolerance
        From :func:`limits`.
    protocol_name : str
        ``smoke``, ``ci`` or ``full``.

    Returns
    -------
    frozenset of str
        Their ids.
    """
    return frozenset(row.id for row in rows if protocol_name not in in_system_of(row, table[row.key]).verdict_in)
