"""Models that change the state of the process: each is loaded and run under its own, and the fingerprint knows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_mlff.models.load import LoadedModel, load_model
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.surroundings import current
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

torch = pytest.importorskip("torch")
Write = Callable[..., Path]

NETWORK = """
import torch
class Precise(Spring):
    '''Computes in torch's default dtype, as a network does whose tensors are made when it is called.'''
    def calculate(self, atoms=None, properties=("forces",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        away = torch.tensor(atoms.positions - 11.0).to(torch.get_default_dtype())
        self.results = {"energy": 0.0, "forces": (-self.stiffness * away).double().numpy()}
"""
DOUBLE = "\ntorch.set_default_dtype(torch.float64)\n"
NOTE = "loading {} set torch's default dtype to float64"


def some_forces(model: LoadedModel) -> np.ndarray:
    return ModelForces(model, ARGON, [18] * 5, 22.0 * np.eye(3))(np.random.default_rng(0).random((5, 3)) * 22.0)


def single(forces: np.ndarray) -> bool:
    return bool((forces == forces.astype(np.float32)).all())


@pytest.fixture
def two(user_module: Write) -> tuple[str, str]:
    """Specs of a model that computes in the default dtype, and of one that sets it."""
    plain = user_module("plain_network", NETWORK)
    double = user_module("double_network", NETWORK + DOUBLE)
    return f"{plain}:Precise()", f"{double}:Precise()"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_each_runs_in_its_own_precision_whichever_is_loaded_first(two: tuple[str, str], order: tuple[int, int]) -> None:
    alone = {spec: load_model(spec).fingerprint for spec in two}
    before = current()
    models = {spec: load_model(spec) for spec in (two[order[0]], two[order[1]])}
    plain, double = models[two[0]], models[two[1]]
    assert {spec: model.fingerprint for spec, model in models.items()} == alone
    for _ in range(2):
        assert single(some_forces(plain))
        assert not single(some_forces(double))
    assert current() == before
    assert plain.notes == ()
    assert double.notes == (NOTE.format("Precise"),)


def test_the_precision_belongs_to_the_fingerprint(user_module: Write) -> None:
    """Even where the forces do not tell: those of this model are whole numbers."""
    path = user_module("whole_network", "import os, torch\nif 'MLFF_DOUBLE' in os.environ:" + DOUBLE.replace("\n", " "))
    with pytest.MonkeyPatch.context() as patch:
        first = load_model(f"{path}:Spring(1.0)")
        patch.setenv("MLFF_DOUBLE", "1")
        second = load_model(f"{path}:Spring(1.0)")
    assert first.fingerprint != second.fingerprint


def test_what_a_conftest_set_belongs_to_the_fingerprint_and_is_no_note(two: tuple[str, str]) -> None:
    alone = load_model(two[0])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        model = load_model(two[0])
        assert model.notes == ()
        assert model.fingerprint != alone.fingerprint
        assert single(some_forces(alone))
    finally:
        torch.set_default_dtype(before)
    assert not single(some_forces(model))


def test_a_model_that_leaves_all_as_it_is_keeps_the_fingerprint_it_had(user_module: Write) -> None:
    from pytest_mlff.models.origin import origin
    from pytest_mlff.models.probe import fingerprint, probe
    from pytest_mlff.models.spec import parse_spec

    user_module("mod_same")
    model, parsed = load_model("mod_same:Spring()"), parse_spec("mod_same:Spring()")
    assert model.fingerprint == fingerprint(origin(parsed, model.calculator, Path.cwd())[0], probe(model.calculator))


@pytest.mark.parametrize("when", ["import", "call", "first force"])
def test_it_does_not_matter_when_it_is_set(user_module: Write, when: str) -> None:
    lines = {name: "torch.set_num_threads(torch.get_num_threads() + 1)" if name == when else "pass" for name in WHEN}
    source = f"""
import torch
{lines["import"]}
class Threaded(Spring):
    started = False
    def __init__(self):
        super().__init__()
        {lines["call"]}
    def calculate(self, *args, **kwargs):
        if not self.started:
            {lines["first force"]}
        self.started = True
        super().calculate(*args, **kwargs)
"""
    name = f"mod_when_{when.replace(' ', '_')}"
    user_module(name, source)
    before = torch.get_num_threads()
    model = load_model(f"{name}:Threaded()")
    assert model.notes == (f"loading Threaded set torch's number of threads to {before + 1}",)
    assert torch.get_num_threads() == before


WHEN = ("import", "call", "first force")


@pytest.mark.parametrize("home", ["shared", "shared.inner", "__init__"])
def test_a_second_model_of_one_module_gets_what_its_import_set(user_module: Write, home: str) -> None:
    """The module is not imported again, and alone the model would run under it."""
    package = f"pack_{home.replace('.', '_').strip('_')}"
    module = f"{package}.{home}" if home != "__init__" else f"{package}.leaf"
    user_module(module, NETWORK + (DOUBLE if home != "__init__" else ""))
    if home == "__init__":
        (user_module(f"{package}.__init__", "")).write_text("import torch" + DOUBLE)
    first = load_model(f"{module}:Precise(0.01)")
    second = load_model(f"{module}:Precise(0.02)")
    for model in (first, second):
        assert not single(some_forces(model))
        assert model.notes == (NOTE.format("Precise"),)


def test_a_model_that_cannot_be_loaded_leaves_nothing(user_module: Write) -> None:
    path = user_module("bad_network", NETWORK + DOUBLE + "raise ValueError\n")
    before = current()
    with pytest.raises(Exception, match="ValueError"):
        load_model(f"{path}:Precise()")
    assert current() == before


def test_a_relative_file_that_changes_the_directory(
    user_module: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    path = user_module("mover", f"import os\nos.chdir({str(away)!r})\nhere = os.getcwd\n")
    (path.parent / "weights.txt").write_text("1")
    monkeypatch.chdir(path.parent)
    spec = "mover.py:Spring(device='weights.txt')"
    first = load_model(spec)
    assert first.notes == (f"loading Spring set the working directory to {away}",)
    assert Path.cwd() == path.parent
    again = load_model(spec)
    assert again.fingerprint == first.fingerprint
    (path.parent / "weights.txt").write_text("2")
    assert load_model(spec).fingerprint != first.fingerprint
    (away / "weights.txt").write_text("3")  # from where its code went: it may read this one
    assert load_model(spec).fingerprint not in (first.fingerprint, again.fingerprint)
    assert os.getcwd() == str(path.parent)
    with first.surroundings.around():
        assert Path.cwd() == away
