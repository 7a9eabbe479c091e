"""For every test: no test touches the user's cache, and a busy machine is no reason to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import entry_points

import pytest
from hypothesis import settings

import pytest_mlff.cli

# An in-process inner run (pytester) forgets the modules that it was the first to import, but their packages keep
# them as attributes: two copies of one module. So whatever inner runs use, and that is cheap, is imported here.
import pytest_mlff.gate.catalogue
import pytest_mlff.models
import pytest_mlff.reference
import pytest_mlff.report.summary
import pytest_mlff.suite.bench  # noqa: F401

settings.register_profile("mlff", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=20_000)  # pytest --hypothesis-profile=deep
settings.load_profile("mlff")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_worker() -> Iterator[None]:
    """Under xdist the inner runs are no workers: they would share a folder, with pytest-benchmark off in them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def plugin_args() -> tuple[str, ...]:
    """Options that load the plugin in an inner pytest: none where the package is installed."""
    installed = any(point.value == "pytest_mlff.plugin" for point in entry_points(group="pytest11"))
    return () if installed else ("-p", "pytest_mlff.plugin")


@pytest.fixture(scope="session")
def nothing_leaves() -> Callable[[], AbstractContextManager[None]]:
    """Fail the test where ``pytest.skip`` and the like come out of what is tested: they would skip it."""

    @contextmanager
    def watched() -> Iterator[None]:
        escapes = (pytest.skip.Exception, pytest.xfail.Exception, pytest.exit.Exception, SystemExit, GeneratorExit)
        try:
            yield
        except escapes as error:
            raise AssertionError(f"{type(error).__name__} came out") from error

    return watched
