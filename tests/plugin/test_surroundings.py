"""Several models in one run, each in its own global state; paths that start where pytest was called."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

SPRING = """
import os
from ase.calculators.calculator import Calculator
class Spring(Calculator):
    implemented_properties = ["energy", "forces"]
    def calculate(self, atoms=None, properties=("forces",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        away = atoms.positions - 11.0
        self.results = {"energy": 0.005 * (away**2).sum(), "forces": -0.01 * away}
calculator = Spring
"""
OWN = """
import json, os, pathlib, torch
def test_own(mlff_model):
    found = [mlff_model.name, str(torch.get_default_dtype()), os.path.basename(os.getcwd())]
    with pathlib.Path(__file__).with_name("seen.jsonl").open("a") as file:
        file.write(json.dumps(found) + "\\n")
"""


@pytest.fixture
def real_gate(pytester, plugin_args):
    """Run pytest with models that are really loaded, on a test of one's own."""

    def run(*args):
        return pytester.runpytest_subprocess(*plugin_args, "-p", "no:cacheprovider", "--mlff-cache-dir=cache", *args)

    return run


@pytest.mark.parametrize("order", [("plain", "double"), ("double", "plain")])
def test_each_model_meets_its_own_state_in_a_users_test(real_gate, pytester, order):
    if find_spec("torch") is None:  # an import here would be undone with the inner run, and crash when it comes again
        pytest.skip("needs torch")
    pytester.mkdir("away")
    pytester.makepyfile(
        plain=SPRING,
        double=SPRING + "import torch\ntorch.set_default_dtype(torch.float64)\nos.chdir('away')\n",
        test_own=OWN,
    )
    result = real_gate(*(f"--mlff-model={name}.py" for name in order), "--mlff-json=out/gate.json", "test_own.py")
    result.assert_outcomes(passed=2)
    seen = (pytester.path / "seen.jsonl").read_text().splitlines()
    here = pytester.path.name
    assert set(seen) == {f'["plain", "torch.float32", "{here}"]', '["double", "torch.float64", "away"]'}
    assert (pytester.path / "out" / "gate.json").is_file()
    result.stdout.fnmatch_lines(
        [
            "mlff: double: loading double set torch's default dtype to float64",
            "mlff: double: loading double set the working directory to *away",
        ]
    )
    result.stdout.no_fnmatch_line("mlff: plain: loading*")


def test_a_conftest_that_changes_the_directory_moves_no_path(real_gate, pytester, plugin_args, monkeypatch):
    pytester.mkdir("away")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    pytester.makeconftest("import os\nos.chdir('away')\n")
    pytester.makepyfile(plain=SPRING, test_own="def test_own(mlff_model):\n    pass\n")
    pytester.makefile(".toml", gate="[check.liquid]\nreplicas = 4\n")
    options = ("--mlff-config=gate.toml", "--mlff-json=gate.json")
    real_gate("--mlff-model=plain.py", *options, "test_own.py").assert_outcomes(passed=1)
    assert (pytester.path / "gate.json").is_file()
    pytester.runpytest_subprocess(*plugin_args, "--mlff-model=plain.py", "test_own.py").assert_outcomes(passed=1)
    assert {path.name for path in (pytester.path / "away").iterdir()} <= {".benchmarks"}  # another plugin's


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "deep", "digits"])
@pytest.mark.parametrize("option", ["--mlff-config", "--mlff-model"])
def test_what_cannot_be_read_is_one_line_and_exit_code_4(real_gate, pytester, option, kind):
    path = pytester.path / "odd.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "/dev/zero":
        path = kind
    else:
        path.write_text("a = " + ("[" * 10_000 + "]" * 10_000 if kind == "deep" else "9" * 5000))
    pytester.makepyfile(plain=SPRING, test_own="def test_own(mlff_model):\n    pass\n")
    more = () if option == "--mlff-model" else ("--mlff-model=plain.py",)
    result = real_gate(f"{option}={path}", *more, "test_own.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [line for line in result.errlines if line]
    assert error.startswith("ERROR: ")


def test_an_argument_that_cannot_be_read_is_one_line(real_gate, pytester):
    """What the model itself opens last is opened again for the fingerprint."""
    source = """
def build(weights):
    real = Path.open
    def refuse(self, *args, **kwargs):
        if self.name == "weights.txt":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **kwargs)
    Path.open = refuse
    return Spring()
"""
    pytester.makepyfile(
        plain="from pathlib import Path\n" + SPRING + source, test_own="def test_own(mlff_model): pass\n"
    )
    (pytester.path / "weights.txt").write_text("1")
    result = real_gate("--mlff-model=plain.py:build('weights.txt')", "test_own.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [line for line in result.errlines if line]
    assert "cannot read " in error
    assert error.endswith("weights.txt, of which the model is made: Permission denied")
