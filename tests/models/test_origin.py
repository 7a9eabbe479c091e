"""What a fingerprint notices: sources, arguments, weights, versions; and what leaves it alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_mlff.models.load import load_model
from pytest_mlff.models.origin import canonical_arguments
from pytest_mlff.models.spec import parse_spec

Write = Callable[..., Path]
LJ = "ase.calculators.lj:LennardJones(sigma=3.4, epsilon=0.0103, rc=8.5)"


def fingerprint(spec: str, **options: str) -> str:
    return load_model(spec, **options).fingerprint


def test_the_same_in_another_process_and_with_arguments_in_another_order() -> None:
    code = "import sys; from pytest_mlff.models.load import load_model as f; print(f(sys.argv[1]).fingerprint)"
    other = subprocess.run([sys.executable, "-c", code, LJ], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == fingerprint(LJ)
    assert fingerprint("ase.calculators.lj:LennardJones(rc=8.5, epsilon=0.0103, sigma=3.4)") == fingerprint(LJ)


def test_arguments_count_even_when_the_forces_do_not_change() -> None:
    assert fingerprint(LJ) != fingerprint(LJ[:-1] + ", smooth=False)")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("a=1, b=2", "b=2, a=1", True),
        ("a={'x', 'y', 'z'}", "a={'z', 'x', 'y'}", True),
        ("a={'x': [1], 'y': 2}", "a={'y': 2, 'x': [1]}", True),
        ("1, 2", "2, 1", False),
        ("a=1", "a=1.0", False),
        ("a=1", "a=True", False),
        ("a=[1]", "a=(1,)", False),
        ("a={1}", "a=[1]", False),
        ("a=(1, (2, 3))", "a=((1, 2), 3)", False),
    ],
)
def test_canonical_arguments(one: str, two: str, same: bool) -> None:
    texts = [canonical_arguments(parse_spec(f"m:f({text})", ecosystems=())) for text in (one, two)]
    assert (texts[0] == texts[1]) is same


def test_weights_loaded_from_elsewhere(tmp_path: Path, calculator_source: str) -> None:
    weights = tmp_path / "weights.npy"
    np.save(weights, 0.01)
    calc = tmp_path / "calc.py"
    calc.write_text(calculator_source + f"calculator = Spring(float(np.load({str(weights)!r})))\n")
    before = fingerprint(str(calc))
    assert fingerprint(str(calc)) == before
    np.save(weights, 0.01 * (1 + 1e-6))
    assert fingerprint(str(calc)) != before


def test_the_file_counts_and_where_it_lies_does_not(tmp_path: Path, calculator_source: str) -> None:
    (tmp_path / "moved").mkdir()
    one, two = tmp_path / "calc.py", tmp_path / "moved" / "renamed.py"
    for path in (one, two):
        path.write_text(calculator_source + "calculator = Spring()\n")
    assert fingerprint(str(one)) == fingerprint(str(two))
    two.write_text(two.read_text() + "# a comment\n")
    assert fingerprint(str(one)) != fingerprint(str(two))


def test_the_module_of_the_class_counts_and_of_its_bases(user_module: Write) -> None:
    path = user_module("mod21")
    user_module("mod22", "import mod21\nclass Child(mod21.Spring): pass\n")
    user_module("mod23", "from mod22 import Child\ndef make(): return Child()\n")
    before = fingerprint("mod23:make()")
    assert fingerprint("mod23:make()") == before
    path.write_text(path.read_text() + "# edited, forces the same\n")
    assert fingerprint("mod23:make()") != before


def test_files_named_by_arguments_count(user_module: Write, tmp_path: Path) -> None:
    user_module("mod24", "def make(models, other=''): return Spring()\n")
    weights = tmp_path / "weights.bin"
    spec = f"mod24:make([{str(weights)!r}])"
    missing = fingerprint(spec)
    weights.write_bytes(b"1")
    one = fingerprint(spec)
    weights.write_bytes(b"2")
    assert len({missing, one, fingerprint(spec)}) == 3


def test_every_file_of_a_folder_counts(user_module: Write, tmp_path: Path) -> None:
    user_module("loaders25", "def load(target, *, device): return Spring()\nload.recognises = lambda path: True\n")
    info = tmp_path / "fake25-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake25\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_mlff.models]\nfake25 = loaders25:load\n")
    folder = tmp_path / "model" / "shards"
    folder.mkdir(parents=True)
    (folder / "1").write_bytes(b"1")
    before = fingerprint(str(folder.parent))
    (folder / "2").write_bytes(b"2")
    assert fingerprint(str(folder.parent)) != before


def test_the_version_of_the_package_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(LJ)
    monkeypatch.setattr("pytest_mlff.models.origin.version", lambda name: "99.0")
    after = load_model(LJ)
    assert after.version == "ase 99.0"
    assert after.fingerprint != before.fingerprint


def test_a_package_called_otherwise_than_its_distribution(user_module: Write, tmp_path: Path) -> None:
    user_module("mod26")
    info = tmp_path / "torch_mod26-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch-mod26\nVersion: 2.5\n")
    (info / "RECORD").write_text("mod26.py,,\n")
    assert "torch-mod26 2.5" in load_model("mod26:Spring()").version


def test_the_device_asked_for_counts_where_it_is_used(user_module: Write) -> None:
    user_module("mod27")
    assert fingerprint("mod27:Spring()", device="cuda") != fingerprint("mod27:Spring()")
    assert fingerprint("mod27:Spring()", device="cuda") == fingerprint("mod27:Spring(device='cuda')")
    assert fingerprint(LJ, device="cpu") == fingerprint(LJ)


def test_noise_keeps_its_fingerprint_but_is_not_repeatable(user_module: Write) -> None:
    source = """
class Noisy(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] += 1e-9 * np.random.default_rng().normal(size=(len(self.atoms), 3))
"""
    user_module("mod28", source)
    models = [load_model("mod28:Noisy()") for _ in range(2)]
    assert not models[0].repeatable
    assert models[0].fingerprint == models[1].fingerprint
