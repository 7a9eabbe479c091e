"""Hooks and lazy fixtures: what pytest sees. No physics, and nothing heavy is imported before it is used.

The plugin is loaded in every pytest run of every project that installed it; without ``--mlff-model`` it
registers markers and options, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.settings import OPTIONS, Option, resolve

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.reference.data import Reference
    from pytest_mlff.report.outcome import Cell
    from pytest_mlff.report.run import Run
    from pytest_mlff.schema import Model, Record
    from pytest_mlff.suite.bench import Bench
    from pytest_mlff.suite.termination import Termination
    from pytest_mlff.systems.system import System
    from pytest_mlff.verdict.tolerances import Tolerance

PLUGIN = "mlff-gate"
"""Name under which the hooks of a run with a model are registered."""

RUN = pytest.StashKey["Run"]()
"""The run, for the last word on the exit code: hooks may be unregistered."""

MARKERS = (
    "mlff: every check of the bundled suite",
    "liquid: checks of the liquid",
    "solid: checks of the solid",
    "melting: checks across melting",
    "dynamics: checks of the liquid's relaxation",
    "invariance: checks of symmetries and conservation laws",
    "speed: cost of the model",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options and their ini twins."""
    group = parser.getgroup("mlff", "machine-learned force fields")
    for option in OPTIONS:
        how: dict[str, Any] = {"type": partial(_read, option), "metavar": option.metavar}
        if option.name == "model":
            how["action"] = "append"
        elif option.is_flag:
            how = {"action": "store_true", "default": None}
        group.addoption(option.flag, dest=option.ini, help=option.help, **how)
        kind: Literal["linelist", "string"] = "linelist" if option.name == "model" else "string"
        parser.addini(option.ini, option.help, type=kind, default=None)


def _read(option: Option, text: str) -> Any:
    try:
        return option.read(text, option.flag)
    except MlffError as error:
        raise _usage_error(error) from None  # argparse would add its usage to the one line


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; with a model, read the settings and register all other hooks."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if not config.getoption("mlff_model") and not config.getini("mlff_model"):
        return
    if not config.pluginmanager.hasplugin("warnings"):  # the suite uses its marker, and --strict-markers may be on
        config.addinivalue_line("markers", "filterwarnings(warning): without effect, for the plugin 'warnings' is off")
    from pytest_mlff.gate.limits import check_tables
    from pytest_mlff.report.run import Run, Selection
    from pytest_mlff.suite.collection import add_suite, deselects, runs_nothing
    from pytest_mlff.suite.termination import Termination

    try:
        settings = resolve(config, check_tables())
    except MlffError as error:
        raise _usage_error(error) from None
    run = config.stash[RUN] = Run(
        settings=settings,
        runs_suite=add_suite(config, beside_paths=settings.suite),
        selection=Selection(deselects=deselects(config), last_failed=bool(config.getoption("lf", False))),
        decides=not (hasattr(config, "workerinput") or runs_nothing(config) or settings.forecast),
    )
    termination = Termination()
    config.add_cleanup(termination.remove)
    config.pluginmanager.register(GateHooks(run, termination), PLUGIN)
    termination.install()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Have the last word on the exit code, after every hook of the project, and say why."""
    try:
        status = yield
    except SystemExit as error:  # of a hook that ends the process while pytest is being closed
        if RUN not in config.stash:
            raise
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    run = config.stash.get(RUN, None)
    if run is None or not run.models or not run.decides:
        return status
    from pytest_mlff.report.summary import write_complaints

    status = run.close(int(status or 0))
    write_complaints(config, run)
    return status


def _usage_error(error: MlffError) -> pytest.UsageError:
    return pytest.UsageError(" ".join(str(error).split()))  # one line


class GateHooks:
    """The hooks of a run that has a model; ``bench`` is there from the start of the session on."""

    bench: Bench

    def __init__(self, run: Run, termination: Termination) -> None:
        self.run = run
        self.termination = termination

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Load and probe the models, so that a bad spec is one usage error and never N failing tests."""
        from pytest_mlff.simulation.budget import Budget

        settings = self.run.settings
        budget = Budget(settings.budget_s)  # loading a model is part of the run
        try:
            self.run.open()
        except MlffError as error:
            raise _usage_error(error) from None
        from pytest_mlff.gate.assembly import build_context
        from pytest_mlff.report.progress import session_progress
        from pytest_mlff.report.summary import failure_text, give_up
        from pytest_mlff.simulation.meter import Meter
        from pytest_mlff.suite.bench import Bench
        from pytest_mlff.suite.collection import remove_shared
        from pytest_mlff.suite.timeout import end_run

        meter = Meter(
            budget,
            session_progress(session.config),
            timeout_s=settings.timeout_s,
            watch_memory=True,
            on_timeout=lambda what: end_run(
                self.bench, what, take=self.run.take, tell=partial(give_up, session.config, self.run)
            ),
        )
        session.config.add_cleanup(partial(remove_shared, session.config, self.run.models))
        self.bench = Bench(
            rows=self.run.rows,
            model_names=[model.name for model in self.run.models],
            make_context=partial(build_context, settings, meter=meter),
            inconclusive=settings.inconclusive,
            tell=partial(failure_text, self.run),
        )

    def pytest_report_header(self) -> list[str]:
        """Say what is tested."""
        from pytest_mlff.report.summary import header

        return header(self.run)

    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Leave out the suite's tests that have no row in this protocol."""
        from pytest_mlff.suite.collection import make_module

        return make_module(module_path, parent, self.run.rows)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run once per model when there are several, and once per row."""
        from pytest_mlff.suite.collection import parametrize

        parametrize(metafunc, self.run.rows, self.bench.model_names)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note a row before anything can take it out."""
        self.run.attendance.collected |= dict.fromkeys(self._cells([item]))

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note the rows that are left out aloud."""
        self.run.attendance.deselected |= set(self._cells(items))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the rows that are left to run."""
        self.run.attendance.keep(self._cells(session.items))

    def _cells(self, items: Iterable[pytest.Item]) -> list[Cell]:
        from pytest_mlff.report.outcome import Cell
        from pytest_mlff.suite.collection import row_of

        found = [place for place in map(row_of, items) if place is not None]
        return [Cell(self.bench.model_names[model], row.id) for model, row in found]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the suite's cheap checks first; users' tests stay where they are."""
        from pytest_mlff.suite.collection import in_catalogue_order

        items[:] = in_catalogue_order(items, self.run.rows)

    def pytest_report_collectionfinish(self, config: pytest.Config, items: list[pytest.Item]) -> list[str]:
        """Say how long it will take, before it does; not under xdist, where nobody has collected yet."""
        from pytest_mlff.report.summary import forecast_lines
        from pytest_mlff.suite.collection import runs_nothing

        if runs_nothing(config):
            return []
        self.run.forecasts = self.bench.forecasts(items, self.run.models, always=self.run.settings.forecast)
        return forecast_lines(self.run)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool | None:
        """Stop where only the forecast was asked for."""
        return True if self.run.settings.forecast else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> object | None:
        """Keep what shares trajectories on one worker, unless the user chose a distribution."""
        from pytest_mlff.suite.collection import scheduler

        return scheduler(config, log, self.bench.model_names, self.run.rows)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Remember which test runs."""
        self.bench.item = item

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the records of a test on its report."""
        report = yield
        self.bench.annotate(report, item, call.excinfo.value if call.excinfo else None)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in the records of a test, wherever it ran."""
        self.run.take(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what an xdist worker collected."""
        known = getattr(node, "workeroutput", {}).get("mlff_attendance")
        if known is not None:
            self.run.attendance.merge(known)

    def pytest_keyboard_interrupt(self) -> None:
        """Let nothing interrupt the end of an interrupted run."""
        self.termination.close()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Decide the exit code; write the file of ``--mlff-json``."""
        self.termination.close()
        try:
            return (yield)
        finally:
            if self.run.decides:
                limit = session.config.getoption("maxfail", 0)
                self.run.cut_short = bool(limit) and session.testsfailed >= limit
                session.exitstatus = self.run.close(int(session.exitstatus))
            elif hasattr(session.config, "workeroutput"):
                session.config.workeroutput["mlff_attendance"] = self.run.attendance.to_builtin()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table."""
        from pytest_mlff.report.summary import write_table

        write_table(terminalreporter, self.run)


def _hooks(request: pytest.FixtureRequest) -> GateHooks:
    hooks: GateHooks | None = request.config.pluginmanager.get_plugin(PLUGIN)
    if hooks is None:
        pytest.skip("needs a model: run pytest with --mlff-model=SPEC")
    return hooks


@pytest.fixture(scope="session")
def mlff_model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Give the model under test (``calculator``, ``provides``, ...); each in turn when there are several."""
    model = _hooks(request).run.models[getattr(request, "param", 0)]
    from pytest_mlff.simulation.surroundings import surroundings_of

    with surroundings_of(model).around():  # its tests may call the calculator themselves
        yield model


@pytest.fixture(scope="session")
def mlff_context(request: pytest.FixtureRequest, mlff_model: Model) -> CheckContext:
    """Give what the bundled checks of this model get: protocol, reference, tolerances, cache, meter."""
    context: CheckContext = _hooks(request).bench.context(mlff_model)
    return context


@pytest.fixture(scope="session")
def mlff_system(mlff_context: CheckContext) -> System:
    """Give the material: symbol, mass, reference potential, time step."""
    return mlff_context.system


@pytest.fixture(scope="session")
def mlff_reference(mlff_context: CheckContext) -> Reference:
    """Give the reference data: ``observable(state, name)`` and ``configurations(name)``."""
    return mlff_context.reference


@pytest.fixture(scope="session")
def mlff_run(mlff_context: CheckContext) -> Callable[..., xr.Dataset]:
    """Run the model: ``mlff_run("100K-256", replicas=8, frames=116)`` gives its trajectory, cached."""
    from pytest_mlff.suite.bench import run_state

    return partial(run_state, mlff_context)


@pytest.fixture(scope="session")
def mlff_tolerances(mlff_context: CheckContext) -> Mapping[str, Tolerance]:
    """Give the table of tolerances by row, the configuration's changes included."""
    return mlff_context.tolerances


@pytest.fixture(scope="session")
def mlff_record(request: pytest.FixtureRequest) -> Callable[[Record], None]:
    """Hand in a ``Record``: it joins table, JSON and JUnit, and its status decides the running test."""
    return _hooks(request).bench.hand_in


@pytest.fixture
def mlff_row(request: pytest.FixtureRequest) -> Row:
    """Give the row that a test of the bundled suite stands for; parametrized from the catalogue."""
    _hooks(request)
    raise pytest.UsageError("mlff_row is for the bundled suite only; use mlff_run and mlff_record in your tests")


@pytest.fixture(scope="session")
def mlff_judge(request: pytest.FixtureRequest, mlff_model: Model) -> Callable[..., None]:
    """Judge a row of the bundled suite: run its check once, or time it, and hand in the row's record."""
    return partial(_hooks(request).bench.judge, mlff_model)
