"""The training dataset: what is in the file, that it can be built again, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from pytest_mlff.errors import ReferenceDataError, SpecError
from pytest_mlff.gnn import dataset as room
from pytest_mlff.gnn.composition import SPLITS, load_composition
from pytest_mlff.gnn.dataset import (
    PHASES,
    build_dataset,
    configurations,
    dataset_hash,
    read_dataset,
    summary,
    write_dataset,
)
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.reference.data import Reference
from pytest_mlff.simulation.meter import NoProgress
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.structure import Structure

ARGON = load_system("argon")

COMPOSITION = """
seed = 99

[[run]]
kind = "liquid"
atoms = 256
states = [{ temperature = 100, density = 0.76 }, { temperature = 95, density = 0.777 }]
trajectories = { train = 1, validation = 1, test = 1 }
frames = 3
spacing_steps = 60
equilibration_steps = 200

[[run]]
kind = "solid"
atoms = 256
states = [{ temperature = 20, lattice_parameter = 5.3157 }]
trajectories = { train = 2, test = 1 }
frames = 2
spacing_steps = 50
equilibration_steps = 200

[[run]]
kind = "ramp"
atoms = 256
states = [{ start_temperature = 60, end_temperature = 300, density = 0.86 }]
trajectories = { train = 1 }
frames = 8
spacing_steps = 150
equilibration_steps = 0

[[run]]
kind = "slab"
states = [{ temperature = 60, geometry = "below" }]
trajectories = { train = 1 }
frames = 1
spacing_steps = 50
equilibration_steps = 0
"""


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    path = tmp_path_factory.mktemp("composition") / "small.toml"
    path.write_text(COMPOSITION, encoding="utf-8")
    return load_composition(path)


@pytest.fixture(scope="module")
def folder(composition, tmp_path_factory):
    """Where the dataset and its cache lie."""
    place = tmp_path_factory.mktemp("dataset")
    build_dataset(composition, place / "small.nc", cache_dir=place / "cache")
    return place


@pytest.fixture(scope="module")
def dataset(folder):
    return read_dataset(folder / "small.nc")


def everything(dataset):
    return [one for split in SPLITS for one in configurations(dataset, split=split)]


def test_the_file_has_what_the_composition_asks_for(dataset):
    counts = {
        (split, phase): len(configurations(dataset, split=split, phase=phase)) for split in SPLITS for phase in PHASES
    }
    heated = counts["train", "liquid"] - 6  # frames of the ramp that have melted
    assert 0 < heated < 8
    assert counts == {
        ("train", "liquid"): 6 + heated,
        ("train", "solid"): 4 + 8 - heated,
        ("train", "slab"): 1,
        ("validation", "liquid"): 6,
        ("validation", "solid"): 0,
        ("validation", "slab"): 0,
        ("test", "liquid"): 6,
        ("test", "solid"): 2,
        ("test", "slab"): 0,
    }
    assert {len(one.position) for one in everything(dataset)} == {256, 448}


def test_a_ramp_is_solid_until_it_melts(dataset):
    heated = dataset["source"].values == 2
    assert dataset["temperature"].values[heated].tolist() == [90, 120, 150, 180, 210, 240, 270, 300]
    phase = [PHASES[index] for index in dataset["phase"].values[heated]]
    assert phase == sorted(phase, reverse=True)  # solids first


def test_forces_are_the_references_at_the_stored_positions(dataset):
    potential = lennard_jones()
    for one in everything(dataset)[::4]:
        atoms = make_atoms(
            ARGON, Structure(numbers=np.full(len(one.position), 18), positions=one.position, cell=np.diag(one.box))
        )
        atoms.calc = potential
        forces = atoms.get_forces()
        assert np.abs(one.force - forces).max() < 1e-6 * np.abs(forces).max()  # the rounding of float32
        assert one.position.min() >= 0.0
        assert (one.position < one.box).all()


def test_no_trajectory_is_shared_between_splits(dataset):
    pairs = set(zip(dataset["trajectory"].values.tolist(), dataset["split"].values.tolist(), strict=True))
    assert len(pairs) == len({trajectory for trajectory, _ in pairs}) == 11
    found = everything(dataset)
    assert len({one.position.tobytes() for one in found}) == len(found)


def test_variables_have_units_and_flags_have_meanings(dataset):
    assert all(dataset[name].attrs["units"] for name in dataset.variables)
    assert dataset["phase"].attrs["flag_meanings"] == "liquid solid slab"
    assert dataset["split"].attrs["flag_meanings"] == "train validation test"
    assert dataset["split"].attrs["flag_values"].tolist() == [0, 1, 2]


def test_the_file_says_where_it_comes_from(dataset):
    attrs = dataset.attrs
    assert (attrs["name"], attrs["seed"], attrs["composition"]) == ("small", 99, COMPOSITION)
    assert attrs["command"].startswith("pytest-mlff dataset ")
    assert attrs["sha256"] == dataset_hash(dataset)
    assert json.loads(attrs["system"])["name"] == "argon"
    assert {"version_pytest-mlff", "version_openmm", "engine"} <= set(attrs)


def test_the_summary_counts(dataset):
    lines = summary(dataset)
    assert lines[0].split() == list(PHASES)
    assert lines[2].split() == ["validation", "6", "0", "0"]
    assert lines[-3:-1] == ["reduced density 0.760 to 1.047", "temperature 20 to 300 K"]
    assert lines[-1] == f"sha256 {dataset_hash(dataset)}"


class Interrupted(NoProgress):
    """Progress that stops the build, as a killed process would."""

    def __init__(self, after):
        self.left = after

    def advance(self, steps):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupted_build_goes_on_and_ends_with_the_same_content(composition, dataset, tmp_path, monkeypatch):
    where = {"output": tmp_path / "again.nc", "cache_dir": tmp_path / "cache"}
    with pytest.raises(KeyboardInterrupt):
        build_dataset(composition, **where, progress=Interrupted(4))
    assert not (tmp_path / "again.nc").exists()
    calls = []
    run = room.run_trajectory
    monkeypatch.setattr(room, "run_trajectory", lambda *given: calls.append(1) or run(*given))
    again = build_dataset(composition, **where)
    assert len(calls) == 11 - 4
    assert again.attrs["sha256"] == dataset.attrs["sha256"]


@pytest.mark.parametrize("name", ["position", "force", "box", "split", "temperature"])
def test_any_changed_number_changes_the_hash(dataset, name):
    changed = dataset.copy(deep=True)
    changed[name].values.flat[-1] += 1
    assert dataset_hash(changed) != dataset_hash(dataset)


def test_a_changed_number_is_refused(dataset, tmp_path):
    changed = dataset.copy(deep=True)
    changed["force"].values[7, 1] += 1e-6
    write_dataset(changed, tmp_path / "changed.nc")
    with pytest.raises(ReferenceDataError, match="its content has sha256"):
        read_dataset(tmp_path / "changed.nc")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(folder, tmp_path, share):
    content = (folder / "small.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ReferenceDataError, match=r"cut\.nc is not a dataset"):
        read_dataset(tmp_path / "cut.nc")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_file_is_refused(folder, tmp_path, place):
    content = bytearray((folder / "small.nc").read_bytes())
    start = int(place * len(content))
    content[start : start + 64] = bytes(64)
    (tmp_path / "damaged.nc").write_bytes(content)
    with pytest.raises(ReferenceDataError, match=r"damaged\.nc is not a"):
        read_dataset(tmp_path / "damaged.nc")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ReferenceDataError, match=r"no dataset .*none\.nc; build it with `pytest-mlff dataset"):
        read_dataset(tmp_path / "none.nc")
    (tmp_path / "notes.nc").write_text("notes")
    with pytest.raises(ReferenceDataError, match="is not a dataset"):
        read_dataset(tmp_path / "notes.nc")
    xr.Dataset({"x": (("y",), [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ReferenceDataError, match="not a whole training dataset: schema is None, expected 1"):
        read_dataset(tmp_path / "other.nc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("box"), "it has no 'box'"),
        (lambda ds: ds.assign(force=ds["force"].astype("float64")), "force has dims .* type float64"),
        (lambda ds: ds.assign(force=ds["force"].assign_attrs(units="eV/nm")), "unit 'eV/nm'"),
    ],
)
def test_a_file_of_another_shape_is_refused(dataset, tmp_path, change, message):
    change(dataset).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(ReferenceDataError, match=message):
        read_dataset(tmp_path / "x.nc")


def test_a_crystal_that_melts_is_refused(tmp_path):
    text = COMPOSITION.split("[[run]]")[2].replace("temperature = 20", "temperature = 200").replace("5.3157", "5.6")
    (tmp_path / "hot.toml").write_text(f"seed = 1\n[[run]]{text}")
    message = r"\[\[run\]\] 1 \(solid\): at 200 K in a cell of 22\.400 Å \d of 2 frames are liquid by the order"
    with pytest.raises(SpecError, match=message):
        build_dataset(load_composition(tmp_path / "hot.toml"), tmp_path / "x.nc", cache_dir=tmp_path)
    assert not (tmp_path / "x.nc").exists()


def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(composition, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(room, "run_trajectory", lambda *given: pytest.fail("ran"))
    with pytest.raises(SpecError, match="dataset: cannot write to"):
        build_dataset(composition, tmp_path / "file" / "x.nc", cache_dir=tmp_path)
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(SpecError, match="is a folder"):
        build_dataset(composition, tmp_path / "folder.nc", cache_dir=tmp_path)


def pair_distances(position, box):
    """The 4000 shortest distances, sorted: equal for configurations that differ by a shift or by names of atoms."""
    first, second = np.triu_indices(len(position), 1)
    shift = position[first] - position[second]
    shift -= box * np.rint(shift / box)
    return np.sort(np.sqrt((shift**2).sum(axis=1)))[:4000]


@pytest.mark.parametrize("phase", ["liquid", "solid"])
def test_no_training_configuration_is_a_parity_configuration(dataset, phase):
    held_out = Reference().configurations(f"parity/{phase}-256")
    position, box = held_out.positions, np.diagonal(held_out.cells, axis1=1, axis2=2)
    parity = np.array([pair_distances(*one) for one in zip(position, box, strict=True)])

    def nearest(found):
        return np.sqrt(((parity - found) ** 2).mean(axis=1).min())

    rng = np.random.default_rng(4)
    moved = (position[5] + 3.3 + 1e-4 * rng.standard_normal((256, 3))).astype(np.float32)[rng.permutation(256)]
    assert nearest(pair_distances(moved.astype(float), box[5])) < 3e-4
    for one in everything(dataset):
        if len(one.position) == 256:
            # independent configurations of one state are 4e-3 Å (solid) and 1e-2 Å (liquid) apart in this measure
            assert nearest(pair_distances(one.position.astype(float), one.box)) > 2e-3
