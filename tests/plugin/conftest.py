"""Inner pytest runs with the plugin, in an empty folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FAKES = Path(__file__).with_name("fakes.py")

NOISY = """
import numpy as np
from ase.calculators.calculator import Calculator

class Noisy(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("forces",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        noise = np.random.default_rng().normal(0.0, 1e-9, (len(atoms), 3))
        self.results = {"energy": 0.0, "forces": noise}
"""


@pytest.fixture(autouse=True)
def _no_stand_in_stays() -> Iterator[None]:
    """Undo what an inner run replaced in this process: one that a hostile hook ends does not tidy up itself."""
    before = {name: (module, dict(vars(module))) for name, module in sys.modules.items() if _is_ours(name)}
    yield
    for name in [name for name, module in sys.modules.items() if _is_ours(name) and module.__spec__ is None]:
        del sys.modules[name]
    for name, (module, content) in before.items():
        sys.modules[name] = module
        for leaf, value in list(vars(module).items()):
            if leaf in content and value is not content[leaf]:
                setattr(module, leaf, content[leaf])
            elif leaf not in content and isinstance(value, ModuleType) and value.__spec__ is None:
                delattr(module, leaf)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "pytest_mlff"


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


@pytest.fixture
def noisy(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Options of a run of a real model whose forces do not repeat; temporary folders lie in ``temporary``."""
    monkeypatch.setenv("TMPDIR", str(pytester.mkdir("temporary")))
    pytester.makepyfile(noisy=NOISY)
    return "--mlff-model=noisy.py:Noisy", "--mlff-protocol=smoke", "--mlff-cache-dir=c"
