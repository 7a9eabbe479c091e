"""Systems from TOML: what is read, what is refused, and by which name."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlff.errors import SpecError
from pytest_mlff.systems import reading
from pytest_mlff.systems.reading import load_system, read_system, system_names

COPPER = """
[system]
name = "copper"
structure = "bulk:Cu:fcc:3.61"
[reference]
calculator = "ase.calculators.emt:EMT()"
[[state]]
phase = "solid"
temperature = 300
[[state]]
phase = "liquid"
temperature = 1500
pressure = -10
"""
WHOLE = """
[system]
name = "salt"
masses = { Na = 23.0 }
timestep_fs = 2
frame_stride = 5
cutoff = 6
closest_approach = 2.1
[thermostat]
collision_rate = 2
[crystal]
symbols = "NaCl"
cell = [[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]]
fractions = [[0, 0, 0], [0.5, 0.5, 0.5]]
[reference]
calculator = "salt.py:make()"
[[state]]
name = "dense"
phase = "solid"
temperature = 300
density = 2.2
repeats = [2, 3, 4]
"""


@pytest.fixture
def file(tmp_path):
    """``file(text) -> path`` of a TOML file."""

    def write(text, name="system.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_five_lines_are_a_description(file):
    found = read_system(file(COPPER))
    assert found.name == "copper"
    assert found.crystal.numbers == (29,)
    np.testing.assert_allclose(found.crystal.cell, bulk("Cu", "fcc", a=3.61).cell.array)
    assert found.masses == ((29, pytest.approx(63.546)),)
    assert found.reference == "ase.calculators.emt:EMT()"
    assert [(state.phase, state.temperature, state.pressure) for state in found.states] == [
        ("solid", 300.0, None),
        ("liquid", 1500.0, -10.0),
    ]
    assert len({state.name for state in found.states}) == 2
    assert (found.timestep, found.cutoff) == (None, None)


def test_what_a_description_leaves_out_is_named_when_a_system_is_wanted(file):
    with pytest.raises(SpecError, match=r"copper does not say timestep_fs, frame_stride, cutoff, closest_approach$"):
        load_system(file(COPPER))
    with pytest.raises(SpecError, match="the state dense does not say repeats"):
        load_system(file(WHOLE.replace("repeats = [2, 3, 4]", "")))


def test_a_whole_file_is_a_system_of_several_species(file):
    salt = load_system(file(WHOLE))
    assert salt.masses == ((11, 23.0), (17, pytest.approx(35.45)))
    assert (salt.timestep, salt.frame_interval) == (pytest.approx(0.002), pytest.approx(0.01))
    assert (salt.thermostat.collision_rate, salt.thermostat.chain_length) == (2.0, 5)
    state = salt.state("dense")
    assert state.numbers == (11, 17) * 24
    mass = sum(salt.masses_of(state.numbers))
    assert 1.66053906660 * mass / state.volume == pytest.approx(2.2)
    shape = np.array(state.cell) / np.array([2, 3, 4])[:, None]
    np.testing.assert_allclose(shape / shape[0, 1], np.array(salt.crystal.cell) / 2.8, atol=1e-12)
    lattice = salt.lattice(state)
    np.testing.assert_allclose(lattice.positions[1] - lattice.positions[0], shape.sum(axis=0) / 2)
    assert lattice.numbers.tolist() == list(state.numbers)


def test_a_structure_may_be_a_file_beside_it(file, tmp_path, monkeypatch):
    skewed = Atoms("NaCl", [[0, 0, 0], [1.0, 2.0, 3.0]], cell=[[4, 1, 0], [0, 5, 1], [1, 0, 6]], pbc=True)
    skewed.write(tmp_path / "cell.extxyz")
    path = file(COPPER.replace("bulk:Cu:fcc:3.61", "$PLACE.extxyz"))
    monkeypatch.setenv("PLACE", "cell")
    found = read_system(path)
    assert found.crystal.numbers == (11, 17)
    again = found.crystal.repeated((1, 1, 1))
    np.testing.assert_allclose(again.positions, skewed.positions)
    np.testing.assert_allclose(again.cell, skewed.cell.array)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("timestep_fs", "timestep_ps", r"\[system\]: unknown key 'timestep_ps' \(did you mean 'timestep_fs'"),
        ("[thermostat]", "[termostat]", r"unknown key 'termostat' \(did you mean 'thermostat'\?\)"),
        ("density = 2.2", "densty = 2.2", r"\[\[state\]\] 1: unknown key 'densty' \(did you mean 'density'\?\)"),
        ("timestep_fs = 2", "timestep_fs = 0", r"timestep_fs = 0: expected a positive number"),
        ('phase = "solid"', 'phase = "crystal"', "phase = 'crystal': expected one of solid, liquid, glass"),
        ("repeats = [2, 3, 4]", "repeats = [2, 3]", "expected three whole numbers"),
        ("repeats = [2, 3, 4]", "cell = [9, 9, 9]", "density and cell both say how large it is"),
        ("{ Na = 23.0 }", "{ Nq = 23.0 }", r"no element 'Nq' \(did you mean"),
        ("{ Na = 23.0 }", "{ Ar = 39.9 }", "the structure has no Ar"),
        ('symbols = "NaCl"', 'symbols = "NaClx"', "expected chemical symbols"),
        ('symbols = "NaCl"', 'symbols = "Na2Cl"', "2 fractions for 3 atoms"),
        ("[2.8, 2.8, 0.0]]", "[0.0, 5.6, 5.6]]", "span a volume"),
        ('name = "salt"', "", "'name' is missing"),
        ('name = "salt"', 'name = "salt"\nstructure = "bulk:Cu:fcc:3.61"', "both say what it is"),
        ("[[state]]", "[states]", r"unknown key 'states' \(did you mean 'state'\?\)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(file, old, new, said):
    assert old in WHOLE
    path = file(WHOLE.replace(old, new))
    with pytest.raises(SpecError, match=said) as caught:
        read_system(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("structure", "said"),
    [
        ("bulk:Cu:fcc", "expected bulk:SPECIES:LATTICE:LENGTH"),
        ("bulk:Cu:fcd:3.61", "structure = 'bulk:Cu:fcd:3.61'"),
        ("nowhere.xyz", "No such file"),
    ],
)
def test_a_structure_that_there_is_not_is_told(file, structure, said):
    with pytest.raises(SpecError, match=said):
        read_system(file(COPPER.replace("bulk:Cu:fcc:3.61", structure)))


def test_two_states_of_one_name_are_refused(file):
    with pytest.raises(SpecError, match="two states are called 'solid-300K'"):
        read_system(file(COPPER.replace("1500", "300").replace('"liquid"', '"solid"')))


def test_a_name_that_is_not_bundled_is_told_with_the_nearest():
    assert system_names() == ["argon"]
    with pytest.raises(SpecError, match=r"no system 'agron' \(did you mean 'argon'\?\); there are argon"):
        load_system("agron")


def keys(content):
    """Every place of a key: ``(table, key)``; table None is the top."""
    for name, table in content.items():
        yield None, name
        for key in table[0] if isinstance(table, list) else table:
            yield name, key


VALUES = st.one_of(
    st.none().map(lambda _: []), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.floats(), max_size=4), st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(list(keys(tomllib.loads(WHOLE)))), value=VALUES, word=st.text(max_size=12))
def test_any_value_of_any_key_is_read_or_refused(file, monkeypatch, place, value, word):
    table, key = place
    content = tomllib.loads(WHOLE)
    inside = content if table is None else content[table]
    inside = inside[0] if isinstance(inside, list) else inside
    if word and word not in inside:
        inside[word] = value
    else:
        inside[key] = value
    monkeypatch.setattr(reading, "read_toml", lambda path, what: (content, ""))
    with suppress(SpecError):
        load_system(file("", "any.toml"))


def test_a_state_that_no_memory_holds_is_refused(file):
    with pytest.raises(SpecError, match="the state dense has more than 1000000 atoms"):
        load_system(file(WHOLE.replace("[2, 3, 4]", "[2000, 3000, 4000]")))
