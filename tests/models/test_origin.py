"""What a fingerprint notices: sources, arguments, weights, versions; and what leaves it alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_mlff.models import sources
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


def test_the_users_own_loader_counts(user_module: Write, tmp_path: Path) -> None:
    user_module("calc45")
    loader = user_module("loaders45", "import calc45\ndef load(target, *, device): return calc45.Spring()\n")
    info = tmp_path / "fake45-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake45\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_mlff.models]\nfake45 = loaders45:load\n")
    before = fingerprint("fake45:small")
    assert fingerprint("fake45:small") == before
    loader.write_text(loader.read_text() + "# edited\n")
    assert fingerprint("fake45:small") != before


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


def in_a_new_process(spec: str, before: str = "", path: str = "") -> str:
    """Fingerprint, after running ``before``; the edit of a helper counts from the next process on."""
    code = f"import sys; sys.path.append({path!r})\n{before}\n"
    code += f"from pytest_mlff.models.load import load_model\nprint(load_model({spec!r}).fingerprint)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


HELPERS = {
    "imported": ("from helper40 import Net\ndef calculator(): return Spring()\n", "class Net: pass\n"),
    "in a function": ("def calculator():\n    import helper40\n    return Spring()\n", ""),
    "not reached": (
        "def far():\n    try:\n        from helper40 import x\n    finally: pass\ncalculator = Spring()\n",
        "",
    ),
    "held": (
        "import importlib\ndef calculator():\n    spring = Spring()\n"
        "    spring.net = [importlib.import_module('helper' + '40').Net()]\n    return spring\n",
        "class Net: pass\n",
    ),
    "bound": ("import importlib\nnet = importlib.import_module('helper' + '40')\ncalculator = Spring()\n", ""),
}


@pytest.mark.parametrize("how", HELPERS)
def test_a_neighbour_of_the_file_counts(how: str, tmp_path: Path, calculator_source: str) -> None:
    source, helper = HELPERS[how]
    calc, neighbour = tmp_path / "calc40.py", tmp_path / "helper40.py"
    calc.write_text(calculator_source + source)
    neighbour.write_text("import deeper40\n" + helper)
    (tmp_path / "deeper40.py").write_text("import math\n")
    seen = [in_a_new_process(str(calc))]
    assert in_a_new_process(str(calc)) == seen[0]
    neighbour.write_text("import deeper40\n" + helper + "# acts on more than 200 atoms only\n")
    seen.append(in_a_new_process(str(calc)))
    (tmp_path / "deeper40.py").write_text("import math\n# edited\n")
    seen.append(in_a_new_process(str(calc)))
    assert len(set(seen)) == 3


def test_what_else_is_loaded_or_lies_there_does_not_count(tmp_path: Path, calculator_source: str) -> None:
    calc = tmp_path / "calc41.py"
    calc.write_text(calculator_source + "import helper41\ncalculator = Spring()\n")
    (tmp_path / "helper41.py").write_text("")
    alone = in_a_new_process(str(calc))
    (tmp_path / "conftest41.py").write_text("import helper41\n")
    (tmp_path / "other41.py").write_text(calculator_source + "import conftest41\ncalculator = Spring(0.02)\n")
    before = f"from pytest_mlff.models.load import load_model\nload_model({str(tmp_path / 'other41.py')!r})"
    assert in_a_new_process(str(calc), before) == alone


def test_the_users_package_counts_as_far_as_it_is_imported(tmp_path: Path, calculator_source: str) -> None:
    package = tmp_path / "pack42"
    (package / "nets").mkdir(parents=True)
    files = {
        "calc.py": calculator_source + "from .nets import deep\nfrom . import units\n",
        "__init__.py": "",
        "units.py": "",
        "train.py": "",
        "nets/__init__.py": "from .base import *\n",
        "nets/base.py": "",
        "nets/deep.py": "from ..tables import x\n",
        "tables.py": "x = 1\n",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    code = "import sys; from pack42.calc import Spring; from pytest_mlff.models.sources import source_hashes as f\n"
    code += "print(*f(Spring(), ['pack42.calc', 'ase.calculators.calculator']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    names = ["", ".calc", ".nets", ".nets.base", ".nets.deep", ".tables", ".units"]
    assert run.stdout.split() == [f"pack42{name}" for name in names]
    spec = "pack42.calc:Spring()"
    before = in_a_new_process(spec, path=str(tmp_path))
    (package / "train.py").write_text("# edited\n")
    imported = in_a_new_process(spec, "import pack42.train", path=str(tmp_path))
    assert imported == before
    (package / "tables.py").write_text("x = 1  # edited\n")
    assert in_a_new_process(spec, path=str(tmp_path)) != before


def test_what_is_installed_is_left_to_its_version(tmp_path: Path, calculator_source: str) -> None:
    site = tmp_path / ".venv" / "site-packages"
    site.mkdir(parents=True)
    (site / "lib43.py").write_text("")
    calc = tmp_path / "calc43.py"
    calc.write_text(f"import sys; sys.path.append({str(site)!r})\nimport lib43, json\n" + calculator_source)
    calc.write_text(calc.read_text() + "calculator = Spring()\n")
    before = in_a_new_process(str(calc))
    (site / "lib43.py").write_text("# edited\n")
    assert in_a_new_process(str(calc)) == before
    model = load_model(LJ)
    assert sources.source_hashes(model.calculator, ["ase.calculators.lj", "ase.calculators.calculator"]) == {}
