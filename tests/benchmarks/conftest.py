"""What the benchmarks share: how two sides are timed side by side, and how the result is printed.

The machine may be busy, so sides take turns in one process and their ratio is taken round by round. Nothing
here fails on a time: a benchmark reports, and asserts only that both sides computed the same.

``--smallest`` runs each benchmark once on its smallest system, to see that it still runs and that both sides still
agree; its times mean nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

SIGMA = 3.4
LIQUID_DENSITY = 0.76


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--smallest", action="store_true", help="each benchmark once, on its smallest system")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the larger systems of a benchmark, which are marked ``slow``."""
    if config.getoption("smallest"):
        kept = [item for item in items if item.get_closest_marker("slow") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise pytest.UsageError(
            "benchmarks compare one thread with one thread: set OMP_NUM_THREADS=1, or run them as `tox -e bench`"
        )


@dataclass(frozen=True)
class Race:
    """Medians over the rounds; ``cpu_ratio`` is what ``ratio`` would be on a machine without other work."""

    ours_s: float
    peer_s: float
    ratio: float
    cpu_ratio: float
    ours: Any
    peer: Any

    def line(self, name: str, *, peer: str, per: float = 1.0, target: str) -> str:
        """One printed line; ``per`` divides the times, for instance by the number of frames."""
        ours, theirs = 1e3 * self.ours_s / per, 1e3 * self.peer_s / per
        return (
            f"{name}: ours {ours:.4g} ms, {peer} {theirs:.4g} ms, ratio {self.ratio:.2f}, "
            f"in CPU time {self.cpu_ratio:.2f} (target {target})"
        )


def _timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    value = call()
    return time.perf_counter() - wall, time.process_time() - cpu, value


@pytest.fixture(scope="session")
def smallest(request: pytest.FixtureRequest) -> bool:
    """Whether a benchmark is to run once, on its smallest system."""
    return bool(request.config.getoption("smallest"))


@pytest.fixture(scope="session")
def race(smallest: bool) -> Callable[..., Race]:
    """Time two calls in turns, after one call each to warm up."""

    def run(ours: Callable[[], Any], peer: Callable[[], Any], *, rounds: int) -> Race:
        if smallest:
            rounds = 1
        else:
            ours(), peer()
        wall, cpu, values = np.empty((rounds, 2)), np.empty((rounds, 2)), [None, None]
        for turn in range(rounds):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                wall[turn, side], cpu[turn, side], values[side] = _timed((ours, peer)[side])
        ratio, cpu_ratio = (float(np.median(found[:, 0] / found[:, 1])) for found in (wall, cpu))
        ours_s, peer_s = (float(median) for median in np.median(wall, axis=0))
        return Race(ours_s, peer_s, ratio, cpu_ratio, *values)

    return run


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """Import a peer; one that is not installed skips its benchmark."""
    return lambda name: pytest.importorskip(name, exc_type=ImportError)


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line past pytest's capture, so that it is seen with and without ``-s``."""

    def write(line: str) -> None:
        with capfd.disabled():
            print(f"\n{line}", flush=True)

    return write


@pytest.fixture(scope="session")
def gas() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Uniform positions at the liquid's density in the cell of 4 n³ atoms: as many pairs, modes as large."""

    def make(n_cells: int, *, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
        n_atoms = 4 * n_cells**3
        box = np.full(3, SIGMA * (n_atoms / LIQUID_DENSITY) ** (1 / 3))
        fraction = np.random.default_rng(0).random((n_frames, n_atoms, 3))
        return (fraction * box).astype(np.float32), box

    return make
