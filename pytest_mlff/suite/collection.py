"""Which items a run collects, in which order, and which of them belong on one xdist worker.

The suite lies outside the user's folders. What finds it, also in a wheel, under xdist, and with any
``python_files`` of the user: an ini line with the suite's own pattern, and its folder among ``config.args``.
Passing single files instead would give ids with an empty file part. In its files the catalogue alone says what
is a test, whatever ``python_functions`` and ``python_classes`` of the user say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.schema import Model

SUITE = Path(__file__).parent


def add_suite(config: pytest.Config, *, beside_paths: bool) -> bool:
    """Make the run collect the bundled suite.

    Parameters
    ----------
    config : pytest.Config
        Of a run that has a model.
    beside_paths : bool
        Whether the suite is added to paths that the user gave; without it explicit paths win.

    Returns
    -------
    bool
        Whether the run collects the suite.
    """
    config.addinivalue_line("python_files", f"{SUITE}/check_*.py")
    if not config.pluginmanager.hasplugin("benchmark"):
        config.pluginmanager.register(NoBenchmark())
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(SUITE)]
        return True
    if beside_paths and str(SUITE) not in config.args:
        config.args.append(str(SUITE))
    return beside_paths


class NoBenchmark:
    """Stands in for pytest-benchmark where the user left it out with ``-p no:benchmark``."""

    @pytest.fixture
    def benchmark(self) -> None:
        """Nothing: the speed rows are then timed without it."""


def catalogue_key(path: Path, name: str) -> str | None:
    """Name by which the catalogue knows a test.

    Parameters
    ----------
    path : Path
        File that holds it.
    name : str
        Its function.

    Returns
    -------
    str or None
        Such as ``"check_liquid.test_structure"``; None outside the suite.
    """
    return f"{path.stem}.{name}" if path.parent == SUITE else None


class SuiteModule(pytest.Module):
    """A file of the suite: its tests are those that have a row in this protocol; the others are left out.

    Parameters
    ----------
    rows : sequence of Row
        The catalogue of this run.
    """

    def __init__(self, *, rows: Sequence[Row], **node: Any) -> None:
        super().__init__(**node)
        self.tests = frozenset(row.test for row in rows)
        self.add_marker(pytest.mark.mlff)
        # a warning of the model's framework is not its physics: users with "error" filters get a verdict too
        self.add_marker(pytest.mark.filterwarnings("default"))

    def funcnamefilter(self, name: str) -> bool:
        """Whether a function is a test of this run."""
        return catalogue_key(self.path, name) in self.tests

    def classnamefilter(self, name: str) -> bool:
        """Whether a class holds tests: none does."""
        return False


def make_module(path: Path, parent: pytest.Collector, rows: Sequence[Row]) -> SuiteModule | None:
    """Collect a file of the suite by the catalogue.

    Parameters
    ----------
    path : Path
        File that is being collected.
    parent : pytest.Collector
        Its folder.
    rows : sequence of Row
        The catalogue of this run.

    Returns
    -------
    SuiteModule or None
        None leaves a user's file to pytest.
    """
    return SuiteModule.from_parent(parent, path=path, rows=rows) if path.parent == SUITE else None


def parametrize(metafunc: pytest.Metafunc, rows: Sequence[Row], models: Sequence[str]) -> None:
    """Run once per model when there are several, and once per row of the suite's test.

    Parameters
    ----------
    metafunc : pytest.Metafunc
        A test function.
    rows : sequence of Row
        The catalogue of this run.
    models : sequence of str
        Names of the models; with one, ids carry no name.
    """
    if "mlff_model" in metafunc.fixturenames and len(models) > 1:
        metafunc.parametrize("mlff_model", range(len(models)), ids=models, indirect=True, scope="session")
    key = catalogue_key(metafunc.definition.path, metafunc.function.__name__)
    if "mlff_row" in metafunc.fixturenames and key is not None:
        own = [row for row in rows if row.test == key]
        metafunc.parametrize("mlff_row", own, ids=[row.id for row in own])


def row_of(item: pytest.Item) -> tuple[int, Row] | None:
    """Which row of which model a test judges.

    Parameters
    ----------
    item : pytest.Item
        As collected.

    Returns
    -------
    (int, Row) or None
        Number of the model and the row; None for a user's test.
    """
    params = item.callspec.params if hasattr(item, "callspec") else {}
    row = params.get("mlff_row")
    return None if row is None else (params.get("mlff_model", 0), row)


def runs_nothing(config: pytest.Config) -> bool:
    """Whether the command line asks to list or plan only.

    Parameters
    ----------
    config : pytest.Config
        With parsed options.

    Returns
    -------
    bool
        True for ``--collect-only``, ``--setup-plan``, ``--fixtures`` and the like.
    """
    listing = ("collectonly", "setupplan", "setuponly", "showfixtures", "show_fixtures_per_test", "cacheshow")
    return any(config.getoption(name, False) for name in listing)


def deselects(config: pytest.Config) -> bool:
    """Whether one of pytest's own options leaves tests out.

    Parameters
    ----------
    config : pytest.Config
        With parsed options.

    Returns
    -------
    bool
        True with ``-k``, ``-m``, ``--deselect``, ``--lf`` or ``--sw``.
    """
    options = ("keyword", "markexpr", "deselect", "lf", "stepwise")
    return any(config.getoption(name, False) for name in options)


def in_catalogue_order(items: Sequence[pytest.Item], rows: Sequence[Row]) -> list[pytest.Item]:
    """Put the suite's items into the catalogue's order: cheap first, model by model.

    Parameters
    ----------
    items : sequence of pytest.Item
        As collected.
    rows : sequence of Row
        The catalogue of this run.

    Returns
    -------
    list of pytest.Item
        The suite's items sorted among the places they held; all others where they were.
    """
    rank = {row.id: place for place, row in enumerate(rows)}

    def place(item: pytest.Item) -> tuple[int, int]:
        found = row_of(item)
        return (0, len(rank)) if found is None else (found[0], rank.get(found[1].id, len(rank)))

    held = [index for index, item in enumerate(items) if item.path.parent == SUITE]
    result = list(items)
    for index, item in zip(held, sorted((items[index] for index in held), key=place), strict=True):
        result[index] = item
    return result


def worker_scope(nodeid: str, models: Collection[str], workers: Mapping[str, str]) -> str:
    """Group of items that one xdist worker should run, because they share force calls.

    Parameters
    ----------
    nodeid : str
        Id of an item.
    models : collection of str
        Names of the models, which begin the ids when there are several.
    workers : mapping of str to str
        By row id, the name that checks of one worker share.

    Returns
    -------
    str
        One name for each model and worker; the id itself for a user's test.
    """
    match = re.fullmatch(r"(?:.*/)?check_\w+\.py::\w+\[(.*)\]", nodeid)
    if match is None:
        return nodeid
    fitting = [name for name in models if match[1].startswith(f"{name}-")]
    model = max(fitting, key=len, default="")
    row = match[1].removeprefix(f"{model}-") if model else match[1]
    return f"{model}:{workers[row]}" if row in workers else nodeid


def workers_of(rows: Sequence[Row]) -> dict[str, str]:
    """Say which rows one xdist worker should run.

    Parameters
    ----------
    rows : sequence of Row
        The catalogue of this run.

    Returns
    -------
    dict of str to str
        By row id the name that their checks share.
    """
    from pytest_mlff.gate.catalogue import CHECKS

    return {row.id: CHECKS[row.check].worker or row.check for row in rows}


def without_done(workload: Mapping[str, Mapping[str, bool]], *, killer: str) -> dict[str, dict[str, bool]]:
    """Find what a worker that died leaves to others.

    Parameters
    ----------
    workload : mapping of str to mapping
        Its domains: whether each of their rows is done, by id.
    killer : str
        Id of the row that it died of; nobody else shall.

    Returns
    -------
    dict of str to dict
        The same without domains in which nothing is left to do.
    """
    after = {
        scope: {nodeid: done or nodeid == killer for nodeid, done in rows.items()} for scope, rows in workload.items()
    }
    return {scope: rows for scope, rows in after.items() if not all(rows.values())}


def scheduler(config: pytest.Config, log: object, models: Collection[str], rows: Sequence[Row]) -> object | None:
    """Give xdist a scheduler that keeps each domain on one worker, so that no trajectory is needed on two.

    Parameters
    ----------
    config : pytest.Config
        Of the xdist controller.
    log : object
        xdist's event log.
    models : collection of str
        Names of the models.
    rows : sequence of Row
        The catalogue of this run.

    Returns
    -------
    object or None
        None when the user chose a distribution (``--dist``): then that one is used.
    """
    if config.getoption("dist", "no") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped, unused-ignore]

    workers = workers_of(rows)

    class DomainScheduling(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            return worker_scope(nodeid, models, workers)

        def remove_node(self, node: Any) -> str | None:
            # xdist would run the row that killed a worker again, and hand its successor domains that are done: that
            # one gets nothing to do, says nothing, and all wait for ever
            workload = self.assigned_work.pop(node)
            open_rows: list[str] = [nodeid for rows in workload.values() for nodeid, done in rows.items() if not done]
            if not open_rows:
                return None
            self.workqueue.update(without_done(workload, killer=open_rows[0]))
            for other in self.assigned_work:
                self._reschedule(other)
            return open_rows[0]

        def _reschedule(self, node: Any) -> None:
            super()._reschedule(node)
            # a worker begins a test when it knows the next one
            while self.workqueue and not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
                self._assign_work_unit(node)

    return DomainScheduling(config, log)


def remove_shared(config: pytest.Config, models: Iterable[Model]) -> None:
    """Remove, on the xdist controller, what its workers shared of models whose forces do not repeat.

    Parameters
    ----------
    config : pytest.Config
        Of a process of the run, which is over.
    models : iterable of Model
        The models of the run.
    """
    manager = getattr(config.pluginmanager.get_plugin("dsession"), "nodemanager", None)  # workers have none
    if manager is not None and not all(model.repeatable for model in models):
        from pytest_mlff.gate.assembly import remove_shared_folder

        remove_shared_folder(manager.testrunuid)
