"""Compositions: those of the project, and what is refused in a user's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.composition import SPLITS, composition_names, load_composition
from pytest_mlff.gnn.sampling import trajectories
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.reference.runs import SEED
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

OURS = ("liquid", "liquid+solid", "liquid-narrow", "paper")
PAGE = (Path(__file__).parents[2] / "docs" / "dataset.md").read_text(encoding="utf-8")

GOOD = """
seed = 5

[[run]]
kind = "liquid"
atoms = 256
states = [{ temperature = 100, density = 0.76 }]
trajectories = { train = 2, test = 1 }
frames = 3
spacing_steps = 50
equilibration_steps = 70

[[run]]
kind = "solid"
atoms = 256
strains = [-0.01, 0.02]
states = [{ temperature = 20, lattice_parameter = 5.3 }]
trajectories = { validation = 1 }
frames = 1
spacing_steps = 1
equilibration_steps = 0
"""


@pytest.fixture
def load(tmp_path):
    """Load a composition from its text."""

    def from_text(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_composition(path)

    return from_text


def frames_by_split(composition):
    counts = dict.fromkeys(SPLITS, 0)
    for one in trajectories(composition):
        counts[one.split] += one.frames
    return counts


def reduced_density(state):
    x, y, z = state.box
    return state.n_atoms * ARGON_SIGMA**3 / (x * y * z)


def test_the_compositions_there_are():
    assert composition_names() == sorted(OURS)


@pytest.mark.parametrize("name", ["liquid", "liquid+solid", "liquid-narrow"])
def test_ours_have_about_the_same_size(name):
    counts = frames_by_split(load_composition(name))
    assert 2200 <= counts["train"] <= 2600
    assert 200 <= counts["validation"] <= 350
    assert 350 <= counts["test"] <= 550


def test_the_liquids_surround_the_state_points():
    (run,) = load_composition("liquid").runs
    found = {(state.temperatures[0], round(reduced_density(state), 3)) for state in run.states}
    known = [state for state in ARGON.states if state.phase == "liquid"]
    densities = {one.temperature: round(one.n_atoms * ARGON_SIGMA**3 / one.volume, 3) for one in known}
    assert set(densities.items()) <= found
    assert len(found) == 12
    (narrow,) = load_composition("liquid-narrow").runs
    assert [round(reduced_density(state), 3) for state in narrow.states] == [densities[100.0]]
    half = load_composition("liquid+solid").runs[0]
    assert half.states == run.states


def test_the_crystal_at_20_kelvin_is_the_references():
    solid = load_composition("liquid+solid").runs[1]
    (state,) = [state for state in solid.states if state.temperatures == (20.0, 20.0)]
    assert state.box[0] == pytest.approx(ARGON.state("20K-solid-256").cell[0][0], abs=1e-9)


def test_the_papers_ramp():
    (run,) = load_composition("paper").runs
    (state,) = run.states
    assert (run.kind, state.temperatures, state.n_atoms) == ("ramp", (10.0, 105.0), 256)
    assert reduced_density(state) == pytest.approx(0.844)
    assert run.frames * run.spacing_steps * ARGON.timestep == pytest.approx(2156)
    assert run.spacing_steps == 100
    assert frames_by_split(load_composition("paper")) == {"train": 16000, "validation": 2000, "test": 2000}


def test_no_two_trajectories_share_a_seed_nor_one_with_the_reference():
    seeds = [one.seed for name in OURS for one in trajectories(load_composition(name))]
    assert len(set(seeds)) == len(seeds)
    # slabs of the reference have the seeds SEED, SEED + 1, ...; its trajectories derive theirs from SEED
    assert not set(seeds) & set(range(SEED, SEED + 100))
    assert SEED not in {load_composition(name).seed for name in OURS}


def test_states_and_lengths_are_those_of_the_file(load):
    composition = load(GOOD)
    assert (composition.name, composition.seed, composition.text) == ("mine", 5, GOOD)
    liquid, solid = composition.runs
    assert (liquid.frames, liquid.spacing_steps, liquid.equilibration_steps) == (3, 50, 70)
    assert liquid.trajectories == {"train": 2, "validation": 0, "test": 1}
    assert reduced_density(liquid.states[0]) == pytest.approx(0.76)
    assert [state.box[0] / 4 for state in solid.states] == pytest.approx([5.3 * 0.99, 5.3 * 1.02])
    planned = list(trajectories(composition))
    assert [one.split for one in planned] == ["train", "train", "test", "validation", "validation"]
    assert [one.steps for one in planned] == [1000 + 70 + 150] * 3 + [1] * 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 5", "", "'seed' is missing"),
        ("seed = 5", "seed = -1", "expected a whole number >= 0"),
        ("seed = 5", "seed = 5\nsize = 3", "unknown key 'size'"),
        ('"liquid"', '"gas"', r"\[\[run\]\] 1: kind = 'gas': expected one of liquid, solid, ramp, slab"),
        ("frames = 3", "frmes = 3", r"unknown key 'frmes' \(did you mean 'frames'\?\)"),
        ("frames = 3", "", r"\[\[run\]\] 1 \(liquid\): 'frames' is missing"),
        ("frames = 3", "frames = true", "frames = True: expected a whole number >= 1"),
        ("frames = 3", "frames = 3\nstrains = [0.1]", r"\(liquid\): unknown key 'strains'"),
        ("density = 0.76", "density = nan", "state 1: density = nan: expected a positive number"),
        ("density = 0.76", "lattice_parameter = 5.3", "state 1: unknown key 'lattice_parameter'"),
        ("density = 0.76", "density = 3.0", "14.97 Å wide; the potential needs 17 Å"),
        ("train = 2", "training = 2", "expected a table of counts for train, validation, test"),
        ("{ train = 2, test = 1 }", "{}", "expected one trajectory at least"),
        ("[{ temperature = 100, density = 0.76 }]", "[]", "states = \\[\\]: expected one table or more"),
        ("atoms = 256", "atoms = 255", "expected the atoms of a cube of face-centred cells"),
        ("0.02]", "0.7]", "expected numbers between -0.5 and 0.5"),
        ("seed = 5", "seed = ", r"mine\.toml:\d+: not valid TOML: "),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(load, old, new, message):
    assert old in GOOD
    with pytest.raises(SpecError, match=message) as caught:
        load(GOOD.replace(old, new, 1))
    assert "mine.toml" in str(caught.value)


def test_a_slab_names_its_geometry(load):
    text = """
seed = 1
[[run]]
kind = "slab"
states = [{ temperature = 60, geometry = "coexistence" }]
trajectories = { train = 1 }
frames = 1
spacing_steps = 1
equilibration_steps = 0
"""
    assert load(text).runs[0].states[0].n_atoms == 768
    with pytest.raises(SpecError, match="expected one of below, above, coexistence"):
        load(text.replace("coexistence", "paper"))


def test_a_wrong_name_lists_those_there_are():
    with pytest.raises(SpecError, match=r"no composition 'liqiud' \(did you mean 'liquid'\?\); there are liquid, "):
        load_composition("liqiud")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match="cannot read this composition: No such file"):
        load_composition(tmp_path / "none.toml")


@pytest.mark.parametrize("name", OURS)
def test_the_page_has_the_counts_of_the_files(name):
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("|")]
    (line,) = [line for line in lines if line[0] == f"`{name}`"]
    assert [int(cell) for cell in line[2:5]] == list(frames_by_split(load_composition(name)).values())


def test_the_page_has_the_lattice_parameters_of_the_file():
    solid, strained = load_composition("liquid+solid").runs[1:3]
    for state in solid.states:
        assert re.search(rf"^\| {state.temperatures[0]:g} \| {state.box[0] / 4:.4f} ", PAGE, flags=re.MULTILINE)
    lattice = {state.temperatures[0]: state.box[0] for state in solid.states}
    for state in strained.states:
        assert abs(state.box[0] / lattice[state.temperatures[0]] - 1.0) == pytest.approx(0.01)
