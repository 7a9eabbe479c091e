"""From a spec to a model: every form that works, devices, names, other processes."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError, replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.models.load import LoadedModel, load_model, unique_names
from pytest_mlff.schema import Model

LJ = "ase.calculators.lj:LennardJones(sigma=3.4, epsilon=0.0103, rc=8.5)"
Write = Callable[..., Path]


def test_an_ase_built_in() -> None:
    model = load_model(LJ)
    found: Model = model  # the protocol, checked by mypy and by use
    assert found.name == "LennardJones"
    assert found.spec == LJ
    assert found.provides == {"energy", "forces", "stress"}
    assert found.repeatable
    assert len(found.fingerprint) == 64
    assert model.version.startswith("ase 3.")
    assert (model.device, model.dtype, model.notes) == ("cpu", "float64", ())
    with pytest.raises(FrozenInstanceError):
        model.name = "other"


@pytest.mark.parametrize(
    "form",
    [
        "mod1:Spring",
        "mod1:Spring()",
        "mod1:Spring(0.01)",
        "mod1:Space.make",
        "mod1:ready",
        "mod1:build(0.01)",
    ],
)
def test_module_forms(form: str, user_module: Write) -> None:
    source = """
ready = Spring()
def build(stiffness): return Spring(stiffness)
class Space:
    @staticmethod
    def make(): return Spring()
"""
    user_module("mod1", source)
    calculator = load_model(form).calculator
    assert type(calculator).__name__ == "Spring"
    assert calculator.stiffness == 0.01


@pytest.mark.parametrize("tail", ["", ":calculator", ":soft", ":soft()", ":Spring(stiffness=0.5)"])
def test_file_forms(tail: str, user_module: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = user_module("mycalc", "calculator = Spring(0.3)\ndef soft(): return Spring(0.4)\n")
    monkeypatch.chdir(path.parent)
    expected = {"": 0.3, ":calculator": 0.3}.get(tail, 0.5 if "=" in tail else 0.4)
    assert load_model(f"mycalc.py{tail}").calculator.stiffness == expected
    assert load_model(f"{path}{tail}").calculator.stiffness == expected


def test_a_file_may_import_its_neighbours_and_define_dataclasses(tmp_path: Path, calculator_source: str) -> None:
    (tmp_path / "mlff_neighbour.py").write_text(calculator_source)
    (tmp_path / "calc.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from mlff_neighbour import Spring\n@dataclass\nclass Config:\n    stiffness: float = 0.2\n"
        "def calculator(): return Spring(Config().stiffness)\n"
    )
    assert load_model(f"{tmp_path}/calc.py").calculator.stiffness == 0.2
    del sys.modules["mlff_neighbour"]


def test_an_edited_file_is_read_again_at_once(
    tmp_path: Path, calculator_source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "calc.py"
    for stiffness in (0.2, 0.3):  # same length, same second: the bytecode cache would not notice
        path.write_text(calculator_source + f"calculator = Spring({stiffness})\n")
        assert load_model(str(path)).calculator.stiffness == stiffness
    assert not (tmp_path / "__pycache__").exists()


def test_offers_that_agree_leave_no_note(user_module: Write) -> None:
    user_module(
        "mod2",
        "class Rich(Spring):\n"
        "    def batch_forces(self, positions, numbers, cell):\n"
        "        return -self.stiffness * (positions - cell.diagonal() / 2)\n",
    )
    for spec in ("mod2:Rich()", "pytest_mlff.potentials:lennard_jones()"):
        assert load_model(spec).notes == ()


@pytest.mark.parametrize(
    ("spec", "device", "got"),
    [
        ("mod3:Spring()", "cuda:1", "cuda:1"),
        ("mod3:Spring", "cpu", "cpu"),
        ("mod3:Spring()", "auto", "auto"),
        ("mod3:Spring(device='cpu')", "cuda", "cpu"),
        ("mod3:plain()", "cuda", "auto"),
        ("mod3:forward()", "cuda", "auto"),
        ("mod3:first('cpu')", "cuda", "cpu"),
    ],
)
def test_the_device_goes_only_where_it_is_taken(spec: str, device: str, got: str, user_module: Write) -> None:
    user_module(
        "mod3",
        "def plain(): return Spring()\n"
        "def forward(**keywords): return Spring(**keywords)\n"
        "def first(device): return Spring(device=device)\n",
    )
    assert load_model(spec, device=device).calculator.asked_for == got


def test_a_device_that_is_not_used_is_noted(user_module: Write) -> None:
    user_module("mod4", "class Fast(Spring):\n    device = 'cuda:0'\n")
    assert load_model(LJ, device="cuda:0").notes == ("asked for cuda:0, but the model computes on cpu",)
    assert load_model(LJ, device="cpu").notes == ()
    assert load_model("mod4:Fast()", device="cuda").notes == ()
    assert load_model("mod4:Fast()", device="cpu").notes == ("asked for cpu, but the model computes on cuda:0",)


def test_warnings_of_the_probe_become_notes_and_never_errors(user_module: Write) -> None:
    source = """
import warnings
warnings.warn("an old framework", UserWarning)
class Wordy(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        warnings.warn("argon was never\\nseen", UserWarning)
        warnings.warn("rename this", DeprecationWarning)
"""
    user_module("mod6w", source)
    assert load_model("mod6w:Wordy()").notes == ("UserWarning: argon was never seen",)


def test_another_process_loads_it_from_plain_data() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(load_model, LJ, device="auto").result()
    assert there.calculator.parameters["rc"] == 8.5
    assert there.fingerprint == load_model(LJ).fingerprint


def test_unique_names(user_module: Write) -> None:
    user_module("mod5")
    model = load_model("mod5:Spring()", name="a b")
    assert model.name == "a-b"
    models = [replace(model, name=name) for name in ("x", "x", "y", "x-2", "x")]
    assert [m.name for m in unique_names(models)] == ["x", "x-3", "y", "x-2", "x-4"]
    assert unique_names(models)[2] == models[2]


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "a-2-2", "b"]), max_size=8))
def test_unique_names_are_unique_and_keep_the_first(names: list[str]) -> None:
    made = unique_names(
        [
            LoadedModel(
                name=name, spec="", calculator=None, provides=frozenset(), fingerprint="", repeatable=True,
                device="", dtype="", version="",
            )
            for name in names
        ]
    )  # fmt: skip
    got = [model.name for model in made]
    assert len(set(got)) == len(names)
    for name in set(names):
        assert got[names.index(name)] == name


def test_a_native_force_with_a_long_cutoff_is_compared_in_a_wider_cell() -> None:
    model = load_model("pytest_mlff.potentials:lennard_jones(cutoff=12.0)")
    assert model.notes == (
        "openmm_force refuses a cell of 22 Å and was compared in one of 44 Å; cells that it refuses run on get_forces",
    )
    assert load_model("pytest_mlff.potentials:lennard_jones(cutoff=10.9)").notes == ()


def test_an_offer_within_the_noise_of_the_calculator_is_taken(user_module: Write) -> None:
    source = """
class Noisy(Spring):
    def __init__(self, noise, offset):
        super().__init__()
        self.noise, self.offset, self.sign = noise, offset, 1
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.sign = -self.sign if len(self.atoms) == 4 else self.sign
        self.results["forces"] = self.results["forces"] + self.sign * self.noise
    def batch_forces(self, positions, numbers, cell):
        return -self.stiffness * (positions - 11.0) + self.offset
"""
    user_module("mod44", source)
    model = load_model("mod44:Noisy(noise=1e-3, offset=5e-3)")  # 2e-3 from call to call; 6e-3 or 4e-3 off
    assert not model.repeatable
