"""The training dataset: configurations with the reference's forces in one NetCDF file, with where they came from.

The file is ragged, because slabs have more atoms than bulk cells: a row is one atom of one configuration, and
``first_row`` says where each configuration begins. May import the rest of this room's data side (``composition``,
``sampling``), ``simulation``, ``analysis`` and below; never torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from pytest_mlff.analysis.interface import solid_atoms
from pytest_mlff.errors import ReferenceDataError, SpecError
from pytest_mlff.gnn.composition import SPLITS, Composition, Split
from pytest_mlff.gnn.sampling import (
    Trajectory,
    frame_temperatures,
    reference_forces,
    run_trajectory,
    trajectories,
)
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.settings import check_folder
from pytest_mlff.simulation.cache import Cache
from pytest_mlff.simulation.md import ENGINE_VERSION, engine_identity
from pytest_mlff.simulation.meter import Meter, Progress
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import System

if TYPE_CHECKING:
    import xarray as xr

Phase: TypeAlias = Literal["liquid", "solid", "slab"]
PHASES: tuple[Phase, ...] = get_args(Phase)

_SCHEMA = 1
# name → dims, type, unit of every variable of the file
_VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "position": (("row", "xyz"), "float32", "Å"),
    "force": (("row", "xyz"), "float32", "eV/Å"),
    "first_row": (("bound",), "int64", "1"),
    "box": (("configuration", "xyz"), "float64", "Å"),
    "split": (("configuration",), "int8", "1"),
    "phase": (("configuration",), "int8", "1"),
    "trajectory": (("configuration",), "int32", "1"),
    "temperature": (("configuration",), "float32", "K"),
    "source": (("configuration",), "int16", "1"),
}
_FLAGS = {"split": SPLITS, "phase": PHASES}


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration.

    Attributes
    ----------
    position, force : ndarray of float32, shape (atom, xyz)
        In Å, inside the cell, and eV/Å.
    box : ndarray, shape (xyz,)
        Edges of the orthorhombic cell in Å.
    phase : {"liquid", "solid", "slab"}
        What it is.
    """

    position: np.ndarray
    force: np.ndarray
    box: np.ndarray
    phase: Phase


def configurations(dataset: xr.Dataset, *, split: Split = "train", phase: Phase | None = None) -> list[Configuration]:
    """Take the configurations of one split out of a dataset.

    Parameters
    ----------
    dataset : xr.Dataset
        From :func:`read_dataset`.
    split : {"train", "validation", "test"}, optional
        Which ones.
    phase : {"liquid", "solid", "slab"}, optional
        Only those of this phase.

    Returns
    -------
    list of Configuration
        In the order of the file; views, not copies.
    """
    chosen = dataset["split"].values == SPLITS.index(split)
    if phase is not None:
        chosen &= dataset["phase"].values == PHASES.index(phase)
    position, force, box = (dataset[name].values for name in ("position", "force", "box"))
    bounds, phases = dataset["first_row"].values, dataset["phase"].values
    return [
        Configuration(
            position[bounds[index] : bounds[index + 1]],
            force[bounds[index] : bounds[index + 1]],
            box[index],
            PHASES[phases[index]],
        )
        for index in np.flatnonzero(chosen)
    ]


def dataset_hash(dataset: xr.Dataset) -> str:
    """Hash the content of a dataset.

    Parameters
    ----------
    dataset : xr.Dataset
        As :func:`build_dataset` makes it.

    Returns
    -------
    str
        sha256 over name, type, shape and bytes of every array; attributes do not count, so that a dataset that was
        built again can be compared.
    """
    digest = hashlib.sha256()
    for name in _VARIABLES:
        values = np.ascontiguousarray(dataset[name].values)
        digest.update(f"{name} {values.dtype.name} {values.shape}\n".encode())
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def summary(dataset: xr.Dataset) -> list[str]:
    """Tell what a dataset holds.

    Parameters
    ----------
    dataset : xr.Dataset
        From :func:`read_dataset` or :func:`build_dataset`.

    Returns
    -------
    list of str
        Lines: configurations by split and phase, reduced densities, temperatures, hash.
    """
    split, phase = dataset["split"].values, dataset["phase"].values
    lines = [" " * 10 + "".join(f"{name:>8}" for name in PHASES)]
    for index, name in enumerate(SPLITS):
        counts = np.bincount(phase[split == index], minlength=len(PHASES))
        lines.append(f"{name:<10}" + "".join(f"{count:8d}" for count in counts))
    n_atoms = np.diff(dataset["first_row"].values)
    density = n_atoms * ARGON_SIGMA**3 / dataset["box"].values.prod(axis=1)
    kelvin = dataset["temperature"].values
    return [
        *lines,
        f"reduced density {density.min():.3f} to {density.max():.3f}",
        f"temperature {kelvin.min():g} to {kelvin.max():g} K",
        f"sha256 {dataset.attrs['sha256']}",
    ]


def build_dataset(
    composition: Composition,
    output: Path,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run what a composition asks for, take its configurations, compute their forces, and write the file.

    Parameters
    ----------
    composition : Composition
        From :func:`pytest_mlff.gnn.composition.load_composition`.
    output : Path
        The NetCDF file.
    cache_dir : Path
        Where trajectories are kept: a killed build goes on after its last whole one.
    progress : Progress, optional
        Where steps are reported to.

    Returns
    -------
    xr.Dataset
        What was written.

    Raises
    ------
    SpecError
        If a trajectory left its phase, or the file cannot be written (this is tried before anything is run).
    """
    check_folder(output.parent, "dataset")
    if output.is_dir():
        raise SpecError(f"dataset: {output} is a folder; name a file")
    cache, meter, system = Cache(cache_dir), Meter(progress=progress), load_system("argon")
    planned = list(trajectories(composition))
    parts, steps = [], sum(trajectory.steps for trajectory in planned)
    with meter.task(f"dataset {composition.name}", steps, unit="steps"):
        for number, trajectory in enumerate(planned):
            parts.append(_part(number, trajectory, _frames(trajectory, cache, system, meter), system))
            meter.advance(trajectory.steps)
    dataset = _assembled(parts, composition, system)
    write_dataset(dataset, output)
    return dataset


def _frames(trajectory: Trajectory, cache: Cache, system: System, meter: Meter) -> np.ndarray:
    described = asdict(trajectory)
    for name in ("source", "split"):  # where the frames go does not change them
        del described[name]
    key = {
        "kind": "training trajectory",
        **engine_identity(),
        "system": system.identity,
        "trajectory": described,
    }
    return cache.memo(key, lambda: {"position": run_trajectory(trajectory, system)}, meter)["position"]


def _part(number: int, trajectory: Trajectory, frames: np.ndarray, system: System) -> dict[str, Any]:
    """Arrays of one trajectory, by variable; ``n_atoms`` instead of ``first_row``."""
    count, n_atoms = frames.shape[:2]
    forces = reference_forces(frames, trajectory.state.box, system)
    return {
        "position": frames.reshape(-1, 3),
        "force": forces.astype(np.float32).reshape(-1, 3),
        "n_atoms": np.full(count, n_atoms),
        "box": np.tile(trajectory.state.box, (count, 1)),
        "split": np.full(count, SPLITS.index(trajectory.split)),
        "phase": _phases(trajectory, frames),
        "trajectory": np.full(count, number),
        "temperature": frame_temperatures(trajectory),
        "source": np.full(count, trajectory.source),
    }


def _phases(trajectory: Trajectory, frames: np.ndarray) -> np.ndarray:
    """Classify frames: as prepared (and checked), in a ramp what most atoms are; indices into ``PHASES``."""
    if trajectory.kind == "slab":
        return np.full(len(frames), PHASES.index("slab"))
    solid = np.array([solid_atoms(frame, np.diag(trajectory.state.box)).mean() > 0.5 for frame in frames])
    wrong = int((solid != (trajectory.kind == "solid")).sum())
    if trajectory.kind != "ramp" and wrong:
        edge, kelvin = trajectory.state.box[0], trajectory.state.temperatures[0]
        raise SpecError(
            f"[[run]] {trajectory.source + 1} ({trajectory.kind}): at {kelvin:g} K in a cell of {edge:.3f} Å "
            f"{wrong} of {len(frames)} frames are {'liquid' if trajectory.kind == 'solid' else 'solid'} by the order "
            "parameter; take another state"
        )
    return np.where(solid, PHASES.index("solid"), PHASES.index("liquid"))


def _assembled(parts: list[dict[str, Any]], composition: Composition, system: System) -> xr.Dataset:
    import xarray as xr

    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    arrays["first_row"] = np.concatenate([[0], np.cumsum(arrays.pop("n_atoms"))])
    variables = {
        name: (dims, arrays[name].astype(kind), {"units": unit, **_flags(name)})
        for name, (dims, kind, unit) in _VARIABLES.items()
    }
    dataset = xr.Dataset(variables)
    return dataset.assign_attrs(
        schema=_SCHEMA,
        name=composition.name,
        composition=composition.text,
        seed=composition.seed,
        system=json.dumps(system.identity),
        command=shlex.join(["pytest-mlff", "dataset", composition.spec, "--output", f"{composition.name}.nc"]),
        engine=ENGINE_VERSION,
        **{f"version_{name}": version(name) for name in ("pytest-mlff", "openmm", "numpy")},
        sha256=dataset_hash(dataset),
    )


def _flags(name: str) -> dict[str, Any]:
    if name not in _FLAGS:
        return {}
    meanings = _FLAGS[name]
    return {"flag_values": np.arange(len(meanings), dtype="int8"), "flag_meanings": " ".join(meanings)}


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset, whole or not at all.

    Parameters
    ----------
    dataset : xr.Dataset
        As :func:`build_dataset` makes it.
    path : Path
        The NetCDF file; its folder is made when missing.

    Raises
    ------
    SpecError
        If it cannot be written; nothing is left behind.
    """
    check_folder(path.parent, "dataset")
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        encoding = {name: {"zlib": True, "complevel": 1, "shuffle": True} for name in _VARIABLES}
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except OSError as error:
        raise SpecError(f"dataset: cannot write {path}: {error.strerror or error}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_dataset(path: str | Path) -> xr.Dataset:
    """Read a dataset and check it.

    Parameters
    ----------
    path : str or Path
        The NetCDF file.

    Returns
    -------
    xr.Dataset
        In memory.

    Raises
    ------
    ReferenceDataError
        If it is missing, is no such file, lacks a variable, or differs from its own hash.
    """
    import xarray as xr

    rebuild = "build it with `pytest-mlff dataset NAME --output FILE`"
    if not Path(path).is_file():
        raise ReferenceDataError(f"no dataset {path}; {rebuild}")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            dataset = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise ReferenceDataError(f"{path} is not a dataset ({error}); {rebuild}") from error
    problem = next(_problems(dataset), None)
    if problem is not None:
        raise ReferenceDataError(f"{path} is not a whole training dataset: {problem}; {rebuild}")
    return dataset


def _problems(dataset: xr.Dataset) -> Iterator[str]:
    """Name what keeps a data set from being used."""
    if dataset.attrs.get("schema") != _SCHEMA:
        yield f"schema is {dataset.attrs.get('schema')!r}, expected {_SCHEMA}"
    for name, (dims, kind, unit) in _VARIABLES.items():
        if name not in dataset.variables:
            yield f"it has no {name!r}"
        found = dataset[name]
        if found.dims != dims or found.dtype != kind or found.attrs.get("units") != unit:
            yield f"{name} has dims {found.dims}, type {found.dtype}, unit {found.attrs.get('units')!r}; " + (
                f"expected {dims}, {kind}, {unit!r}"
            )
    stored, found_hash = dataset.attrs.get("sha256"), dataset_hash(dataset)
    if stored != found_hash:
        yield f"its content has sha256 {found_hash}, its attributes say {stored}"
