"""Recipes: what the shipped ones say, and what is refused."""

import re
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn import recipe
from pytest_mlff.gnn.network import NetworkConfig
from pytest_mlff.gnn.recipe import load_recipe, recipe_names, train_recipe
from pytest_mlff.gnn.training import TrainingConfig


def test_the_forms_of_the_ablation_differ_in_nothing_but_the_form():
    recipes = {name: load_recipe(name, configurations=100) for name in ("plain", "layer-norm", "smooth")}
    assert {item.training for item in recipes.values()} == {TrainingConfig()}
    forms = {name: (item.network.layer_norm, item.network.smooth_cutoff) for name, item in recipes.items()}
    assert forms == {"plain": (False, False), "layer-norm": (True, False), "smooth": (True, True)}
    assert recipes["smooth"].network == NetworkConfig()


def test_the_wider_variant_is_the_smooth_form_but_for_its_cutoff():
    """Weights can only be carried over to a network that differs in nothing else."""
    assert load_recipe("smooth-8.5", configurations=100).network == NetworkConfig(cutoff=8.5)


def test_a_brief_training_is_the_plain_one_stopped_early():
    """At no step does its rate differ by more than a hundredth."""
    brief, plain = (load_recipe(name, configurations=100) for name in ("brief", "plain"))
    assert brief.network == plain.network
    same = {key: getattr(plain.training, key) for key in ("steps", "final_learning_rate")}
    assert replace(brief.training, **same) == plain.training
    rates = [(brief.training.rate(step), plain.training.rate(step)) for step in range(brief.training.steps)]
    assert len(rates) == plain.training.steps / 9
    assert all(rate == pytest.approx(expected, rel=0.01) for rate, expected in rates)


def test_the_papers_recipe_is_the_papers():
    paper = load_recipe("paper", configurations=16000)
    assert paper.network == NetworkConfig(layer_norm=False, smooth_cutoff=False, cutoff=7.5, hidden=128, layers=4)
    training = paper.training
    assert training.steps == 30 * 16000
    assert (training.rate(0), training.rate(training.steps - 1)) == pytest.approx((3e-4, 1e-7))
    assert training.rate((training.steps - 1) // 2) == pytest.approx((3e-4 * 1e-7) ** 0.5, rel=1e-3)
    assert (training.momentum_weight, training.augmentation) == (0.01, "none")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[network]\ncutoff = 6\nspecies = [18, 36]\n[training]\nepochs = 0.5\nschedule = 'exponential'\n")
    mine = load_recipe(path, configurations=10)
    assert (mine.name, mine.network.cutoff, mine.network.species) == ("mine", 6.0, (18, 36))
    assert (mine.training.steps, mine.training.schedule) == (5, "exponential")
    path.write_text("[training]\nmomentum_weight = 0\n")
    assert load_recipe(path, configurations=10).training.momentum_weight == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[network]\ncutof = 6", r"unknown key 'cutof' \(did you mean 'cutoff'\?\); known: cutoff, hidden"),
        ("[net]\n", r"unknown table \[net\] \(did you mean 'network'\?\); a recipe has \[network\] and \[training\]"),
        ("network = 3", r"network = 3 must be a table: \[network\]"),
        ("[[training]]\nsteps = 5", r"training = .* must be a table: \[training\]"),
        ("[network]\nhidden = 1.5", "hidden = 1.5: expected a int such as 128"),
        ("[network]\nlayer_norm = 1", "layer_norm = 1: expected a bool such as True"),
        ("[network]\ncutoff = -1", "cutoff = -1: expected a positive number"),
        ("[network]\nspecies = ['Ar']", r"species = \['Ar'\]: expected a list of whole numbers such as \[18\]"),
        ("[network]\nspecies = 18", r"expected a list of whole numbers such as \[18\]"),
        ("[training]\nmomentum_weight = -1", "momentum_weight = -1: expected a number that is not negative"),
        ("[training]\nmomentum_weight = false", "expected a number that is not negative"),
        ("[training]\nschedule = 'linear'", "schedule = 'linear': expected one of cosine, exponential"),
        ("[training]\nsteps = 5\nepochs = 1", "both epochs and steps"),
        ("[training]\nsteps = 0", "steps = 0 must be positive"),
        ("[training]\nsteps = = 5", r"bad\.toml:2: not valid TOML: "),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=message) as caught:
        load_recipe(path, configurations=10)
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_name_lists_the_recipes():
    names = ["brief", "layer-norm", "paper", "plain", "plain-fine-tune", "smooth", "smooth-8.5", "smooth-fine-tune"]
    assert recipe_names() == names
    with pytest.raises(
        SpecError, match=re.escape(f"'smoth' (did you mean 'smooth' or 'smooth-8.5'?); recipes: {', '.join(names)}")
    ):
        load_recipe("smoth", configurations=10)


def test_a_training_is_of_the_dataset_it_names(tmp_path, monkeypatch):
    calls = {}
    data = type("Data", (), {"attrs": {"name": "liquid", "sha256": "ab", "system": '{"symbol": "Kr"}'}})()
    monkeypatch.setattr(recipe, "read_dataset", lambda path: data)
    monkeypatch.setattr(recipe, "configurations", lambda data, split, phase: [(split, phase)] * 3)
    monkeypatch.setattr(recipe, "train", lambda *args, **named: calls.update(args=args, **named))
    train_recipe("smooth", tmp_path / "data.nc", tmp_path / "out.pt", seed=4)
    assert calls["provenance"] == {"dataset": "liquid", "sha256": "ab"}
    assert (calls["seed"], calls["species"]) == (4, 36)
    assert calls["args"][2] == {"train": [("train", None)] * 3, "validation": [("validation", None)] * 3}
    train_recipe("smooth", tmp_path / "data.nc", tmp_path / "out.pt", phase="liquid")
    assert calls["provenance"] == {"dataset": "liquid", "sha256": "ab", "phase": "liquid"}
    assert calls["args"][2] == {"train": [("train", "liquid")] * 3, "validation": [("validation", None)] * 3}
