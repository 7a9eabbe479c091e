"""How an oracle is loaded: skipped where it is not installed, a failure where it has to be."""

import importlib
import os
from collections.abc import Callable
from types import ModuleType

import pytest


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
