"""The end of a run whose force call hangs (``--mlff-timeout``).

A call inside a library cannot be interrupted; so a thread says what happened, writes what there is, and ends the
process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from pytest_mlff.errors import ModelError
from pytest_mlff.suite.bench import Bench, record_of_error


def end_run(bench: Bench, what: str, *, take: Callable[[Any], None], tell: Callable[[str], None]) -> NoReturn:
    """Give the running row an ERROR, tell, and end the process with exit code 1.

    Parameters
    ----------
    bench : Bench
        Knows the test that runs.
    what : str
        What took too long.
    take : callable
        Takes in the report of the row.
    tell : callable
        Takes the complaint; writes table and records.
    """
    try:
        if bench.item is not None:
            take(_report(bench, bench.item, what))
        tell(f"{what}; the run ends here")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def _report(bench: Bench, item: pytest.Item, what: str) -> Any:
    """As much of a test's report as a run takes in."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    row, number = params.get("mlff_row"), params.get("mlff_model", 0)
    records = [] if row is None else [record_of_error(row, bench.model_names[number], ModelError(what)).to_dict()]
    known = {"mlff_row": row and row.id, "mlff_records": records}
    return SimpleNamespace(nodeid=item.nodeid, when="call", outcome="failed", failed=True, skipped=False, **known)
