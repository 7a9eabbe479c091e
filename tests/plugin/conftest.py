"""Inner pytest runs with the plugin, in an empty folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAKES = Path(__file__).with_name("fakes.py")


@pytest.fixture
def gate(pytester: pytest.Pytester, plugin_args: tuple[str, ...]) -> Callable[..., pytest.RunResult]:
    """Run pytest with the plugin on fake physics; ``plan`` says what becomes of rows, see ``fakes.py``."""
    pytester.makepyfile(fakes=FAKES.read_text(encoding="utf-8"))
    pytester.syspathinsert()

    def run(*args: Any, plan: dict[str, Any] | None = None, subprocess: bool = False) -> pytest.RunResult:
        if plan is not None:
            (pytester.path / "plan.json").write_text(json.dumps(plan))
        own = (*plugin_args, "-p", "fakes", "-p", "no:cacheprovider", "--mlff-cache-dir=cache")
        start = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return start(*own, *args)

    return run


@pytest.fixture
def calls(pytester: pytest.Pytester) -> Callable[[], list[str]]:
    """What the fakes were asked for."""
    return lambda: (pytester.path / "calls.log").read_text().splitlines()
