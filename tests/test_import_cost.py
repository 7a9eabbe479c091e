"""The plugin loads in every pytest run of every project that installed it: it must cost nothing there."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "xarray", "ase", "torch", "openmm", "scipy")
# what this package does, apart from what other plugins of the environment pull in
NO_OTHERS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run(code: str, folder, *, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture
def env(monkeypatch):
    import os

    return dict(os.environ) | NO_OTHERS


def test_import_pulls_in_nothing_heavy(tmp_path, env):
    code = f"import sys, pytest_mlff.plugin; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(code, tmp_path, env=env) == "[]"


@pytest.mark.parametrize("options", ["", "'--help'", "'--markers'", "'--mlff-protocol=smoke'"])
def test_run_without_a_model_pulls_in_nothing_heavy(tmp_path, env, options):
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    code = (
        f"import sys, pytest; status = pytest.main(['-p', 'pytest_mlff.plugin', '-q', {options}]); "
        f"print(int(status), [name for name in {HEAVY} if name in sys.modules], "
        "'pytest_mlff.schema' in sys.modules)"
    )
    assert run(code, tmp_path, env=env) == "0 [] False"


def test_the_list_can_fail(tmp_path, env):
    code = f"import sys, pytest_mlff.plugin, numpy; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(code, tmp_path, env=env) == "['numpy']"
