"""Build ``reference_data/`` by one command: long native runs, their observables, and start configurations.

``pytest-mlff reference build SYSTEM`` runs what is missing from its cache, in as many processes as it is given (they
share the work through the cache's locks), then measures and writes. Killed, it goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.reference.data import CONFIGURATIONS, OBSERVABLES, PRESSURE, Reference
from pytest_mlff.reference.parts import make_workshop, measured_part, part_names
from pytest_mlff.reference.runs import PLANS, SEED, reference_trajectory
from pytest_mlff.settings.shipped import MANIFEST
from pytest_mlff.simulation.cache import write_atomically
from pytest_mlff.simulation.meter import Progress
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import State, System

if TYPE_CHECKING:
    import xarray as xr

    Groups = dict[str, xr.Dataset]


def build(
    system_file: str,
    output: Path,
    *,
    cache_dir: Path,
    only: str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run, measure and write the reference data.

    Parameters
    ----------
    system_file : str
        Name of a bundled system, or its TOML file.
    output : Path
        Folder to write into.
    cache_dir : Path
        Where trajectories are kept between calls.
    only : str, optional
        A state point, ``parity``, ``crystal``, ``probe``, ``melting`` or ``pressure``: rebuild that part, keep the
        others; a file that holds nothing of it stays as it is, byte for byte.
    jobs : int, optional
        Processes that run trajectories.
    progress : Progress, optional
        Where steps are reported to.

    Raises
    ------
    ReferenceDataError
        If ``only`` names no part.
    """
    system = load_system(system_file)
    workshop = make_workshop(cache_dir, system, progress=progress)
    wanted = part_names(system) if only is None else [only]
    _run_in_parallel(system_file, cache_dir, wanted, jobs)
    groups = _existing(output) if only else {}
    built: set[str] = set()
    for part in wanted:
        for key, dataset in measured_part(workshop, part):
            name = _file(key, dataset)
            groups.setdefault(name, {})[key] = dataset
            built.add(name)
    _write(output, groups, system, only, built)


def _run_in_parallel(system_file: str, cache_dir: Path, wanted: list[str], jobs: int) -> None:
    """Fill the cache with ``jobs - 1`` further processes; this one joins in when it measures."""
    command = [sys.executable, "-m", "pytest_mlff.reference.build", system_file, str(cache_dir)]
    helpers = [subprocess.Popen([*command, *reversed(wanted)]) for _ in range(jobs - 1)]
    try:
        if helpers:
            run_trajectories(load_system(system_file), cache_dir, wanted)
    except BaseException:
        for helper in helpers:
            helper.terminate()
        raise
    finally:
        for helper in helpers:
            helper.wait()


def run_trajectories(system: System, cache_dir: Path, names: list[str]) -> None:
    """Run the trajectories of state points, and nothing else.

    Parameters
    ----------
    system : System
        The material.
    cache_dir : Path
        Where they are kept.
    names : list of str
        State points; other names are passed over.
    """
    workshop = make_workshop(cache_dir, system)
    known = {state.name: state for state in system.states}
    for name in names:
        state = known.get(name)
        if state is not None:
            reference_trajectory(workshop, state, PLANS[state.phase, state.n_atoms])


def _file(key: str, dataset: xr.Dataset) -> str:
    """Say which file holds a data set."""
    if "fraction" in dataset:
        return CONFIGURATIONS
    return PRESSURE if key.endswith("/pressure") else OBSERVABLES


def _existing(output: Path) -> dict[str, Groups]:
    reference, found = Reference(output), dict[str, "Groups"]()
    for groups in (reference.observables, reference.all_configurations):
        for key, dataset in groups.items():
            found.setdefault(_file(key, dataset), {})[key] = dataset
    return found


def _write(
    output: Path, groups: dict[str, Groups], system: System, only: str | None = None, built: Collection[str] = ()
) -> None:
    """Write the files and the manifest, which tells a part that was built anew from the others."""
    command = f"pytest-mlff reference build {system.name}"
    origin, files = _origin(command), {}
    if only is not None:
        before = json.loads((output / MANIFEST).read_text())
        rebuilt = {**before.get("rebuilt", {}), only: _origin(f"{command} --only {only}")}
        origin = {**{name: before[name] for name in origin}, "rebuilt": rebuilt}
        files = {name: entry for name, entry in before["files"].items() if name not in built}
    for name in sorted(groups.keys() - files.keys()):
        content = _netcdf(groups[name])
        write_atomically(output / name, content)
        files[name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "groups": sorted(groups[name]),
        }
    manifest = {
        "schema": 1,
        **origin,
        "seed": SEED,
        "system": system.identity,
        "states": {state.name: _described(state) for state in system.states},
        "plans": {f"{phase}-{atoms}": asdict(plan) for (phase, atoms), plan in PLANS.items()},
        "files": files,
    }
    write_atomically(output / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _described(state: State) -> dict[str, Any]:
    """Say of a state what a reader wants to know: its species by their numbers of atoms."""
    found = asdict(state)
    numbers = found.pop("numbers")
    return {**found, "atoms": {str(each): numbers.count(each) for each in sorted(set(numbers))}}


def _origin(command: str) -> dict[str, Any]:
    return {
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("pytest-mlff", "openmm", "numpy", "scipy", "ase", "xarray")},
        "python": platform.python_version(),
    }


def _netcdf(groups: Mapping[str, xr.Dataset]) -> bytes:
    """One NetCDF file with a group per data set, compressed."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "groups.nc"
        for index, (group, dataset) in enumerate(sorted(groups.items())):
            encoding = {name: {"zlib": True, "complevel": 9} for name in dataset.variables if dataset[name].ndim}
            mode: Any = "a" if index else "w"
            dataset.to_netcdf(path, mode=mode, group=group, engine="h5netcdf", encoding=encoding)
        return path.read_bytes()


if __name__ == "__main__":
    run_trajectories(load_system(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
