"""Packed configurations, checksums, and what is said when something is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import pytest_mlff
from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.reference import build, data
from pytest_mlff.reference.data import CONFIGURATIONS, MANIFEST, OBSERVABLES, Reference, pack, unpack
from pytest_mlff.reference.packing import packed
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

EDGES = np.array([20.0, 21.0, 33.5])
STRAIGHT = np.diag(EDGES)
SKEWED = np.array([[20.0, 1.0, -2.0], [7.0, 18.0, 3.0], [-4.0, 9.0, 25.0]])
CELLS = pytest.mark.parametrize("cell", [STRAIGHT, SKEWED], ids=["straight", "skewed"])


@CELLS
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.0, 50.0))
def test_packing_moves_no_atom_by_more_than_half_a_step(cell, seed, spread):
    position = np.random.default_rng(seed).normal(10.0, spread, (3, 7, 3))
    found = unpack(pack(position, cell), cell) @ np.linalg.inv(cell)
    assert (found > -1e-9).all()
    assert (found < 1.0).all()
    error = found - position @ np.linalg.inv(cell)
    error -= np.round(error)  # wrapped into the cell
    assert (np.abs(error) <= (0.5 + 1e-6) / 65536).all()


@CELLS
@given(seed=st.integers(0, 2**32 - 1))
def test_packing_what_was_unpacked_changes_nothing(cell, seed):
    fraction = np.random.default_rng(seed).integers(0, 2**16, (5, 3)).astype(np.uint16)
    np.testing.assert_array_equal(pack(unpack(fraction, cell), cell), fraction)


def test_edges_of_the_cell_are_the_same_place():
    corners = np.array([[0.0, 0.0, 0.0], EDGES, -EDGES, EDGES * (1 - 1e-7), -EDGES * 1e-7])
    np.testing.assert_array_equal(pack(corners, STRAIGHT), 0)


def test_right_angled_cells_are_unpacked_as_products_to_the_last_digit():
    fraction = np.random.default_rng(1).integers(0, 2**16, (100, 3)).astype(np.uint16)
    np.testing.assert_array_equal(unpack(fraction, STRAIGHT), fraction * (EDGES / 65536))


@pytest.fixture
def shipped(tmp_path):
    """A small reference: one observable, one set with one cell and one set with several."""
    rng = np.random.default_rng(0)
    number = xr.Dataset({"D": ((), 0.36, {"units": "Å²/ps"}), "D_stderr": ((), 0.01, {"units": "Å²/ps"})})
    several = packed(np.ones((2, 4, 3)), [11, 17, 11, 17], [SKEWED, 1.1 * SKEWED])
    one = packed(rng.uniform(0, 1, (2, 4, 3)) @ STRAIGHT, [18] * 4, STRAIGHT)
    sets = {"start/100K-256": one, "parity/liquid-256": several}
    observables = {"100K-256/diffusion": number.assign_attrs(replicas=8)}
    build._write(tmp_path, {OBSERVABLES: observables, CONFIGURATIONS: sets}, ARGON)
    return tmp_path


def test_what_was_written_is_read(shipped):
    reference = Reference(shipped)
    found = reference.observable("100K-256", "diffusion")
    assert float(found["D"]) == 0.36
    assert found.attrs["replicas"] == 8
    assert found["D"].attrs["units"] == "Å²/ps"
    starts = reference.configurations("start/100K-256")
    assert starts.positions.shape == (2, 4, 3)
    assert starts.positions.dtype == np.float64
    np.testing.assert_array_equal(starts.cells, [STRAIGHT, STRAIGHT])
    assert len(starts) == 2


def test_a_set_of_several_cells_is_unpacked_each_in_its_own(shipped):
    found = Reference(shipped).configurations("parity/liquid-256")
    np.testing.assert_array_equal(found[1].cell, 1.1 * SKEWED)
    assert found[0].numbers.tolist() == [11, 17, 11, 17]
    np.testing.assert_allclose(found.positions, 1.0, atol=1e-3)
    assert [len(structure.positions) for structure in found.taken(slice(1))] == [4]


def test_a_file_of_the_same_numbers_in_another_layout_keeps_the_old_version(shipped):
    before = Reference(shipped).version
    manifest = json.loads((shipped / MANIFEST).read_text())
    entry = manifest["files"][CONFIGURATIONS]
    entry["equal"], entry["sha256"] = [entry["sha256"]], "0" * 64
    (shipped / MANIFEST).write_text(json.dumps(manifest))
    after = Reference(shipped)
    assert after.version != before
    assert after.contains == {before, after.version}


def test_the_version_follows_the_content(shipped, tmp_path):
    before = Reference(shipped).version
    assert Reference(shipped).version == before
    assert len(before) == 8
    manifest = json.loads((shipped / MANIFEST).read_text())
    manifest["files"][OBSERVABLES]["sha256"] = "0" * 64
    (shipped / MANIFEST).write_text(json.dumps(manifest))
    assert Reference(shipped).version != before


@pytest.mark.parametrize("name", [OBSERVABLES, CONFIGURATIONS])
@pytest.mark.parametrize("where", [0, 1000, -1])
def test_a_damaged_file_is_refused_and_the_other_one_is_not(shipped, name, where):
    path = shipped / name
    blob = bytearray(path.read_bytes())
    blob[where] ^= 1
    path.write_bytes(bytes(blob))
    reference = Reference(shipped)
    bad, good = (
        (lambda: reference.observable("100K-256", "diffusion")),
        (lambda: reference.configurations("start/100K-256")),
    )
    if name == CONFIGURATIONS:
        bad, good = good, bad
    with pytest.raises(ReferenceDataError, match=rf"{name} is missing or differs from its manifest; reinstall"):
        bad()
    good()


def test_a_file_that_is_gone_or_that_the_manifest_does_not_know_is_refused(shipped):
    (shipped / OBSERVABLES).unlink()
    with pytest.raises(ReferenceDataError, match=rf"{OBSERVABLES} is missing"):
        Reference(shipped).observable("100K-256", "diffusion")
    manifest = json.loads((shipped / MANIFEST).read_text())
    del manifest["files"][CONFIGURATIONS]
    (shipped / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ReferenceDataError, match="differs from its manifest"):
        Reference(shipped).configurations("start/100K-256")


def test_what_the_reference_does_not_cover_is_named_with_what_it_does(shipped):
    reference = Reference(shipped)
    with pytest.raises(ReferenceDataError, match=r"no '100K-256/rdf' among \d+ groups .*\(did you mean .*diffusion"):
        reference.observable("100K-256", "rdf")
    with pytest.raises(ReferenceDataError, match=r"no 'start/90K-256' among .*start/100K-256"):
        reference.configurations("start/90K-256")
    with pytest.raises(ReferenceDataError, match=r"no 'start' among .*did you mean 'start/100K-256"):
        reference.configurations("start")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"files": {"observables.nc": {}}}', '{"files": 3}'])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(ReferenceDataError, match=f"{MANIFEST} is no manifest .*reinstall"):
        Reference(tmp_path)


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(ReferenceDataError, match=r"cannot read .*manifest\.json: .*No such file"):
        Reference(tmp_path)


def test_reference_data_of_an_installed_package_come_first(tmp_path, monkeypatch):
    package = tmp_path / "site" / "pytest_mlff"
    package.mkdir(parents=True)
    monkeypatch.setattr(pytest_mlff, "__file__", str(package / "__init__.py"))
    with pytest.raises(ReferenceDataError, match="build them with `pytest-mlff reference build argon`"):
        data.default_directory()
    for folder in (package.parent / "reference_data" / "argon", package / "_reference_data" / "argon"):
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text('{"files": {}}')
        assert data.default_directory() == folder
        assert Reference().directory == folder
