"""Build ``reference_data/`` by one command: long native runs, their observables, and start configurations.

``pytest-mlff reference build`` runs what is missing from its cache, in as many processes as it is given (they
share the work through the cache's locks), then measures and writes. Killed, it goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.reference.data import CONFIGURATIONS, OBSERVABLES, Reference
from pytest_mlff.reference.parts import make_workshop, measured_part, part_names
from pytest_mlff.reference.runs import PLANS, SEED, reference_trajectory
from pytest_mlff.settings.shipped import MANIFEST
from pytest_mlff.simulation.cache import write_atomically
from pytest_mlff.simulation.md import Progress
from pytest_mlff.simulation.systems import ARGON, System, state_points

if TYPE_CHECKING:
    import xarray as xr

    Groups = dict[str, xr.Dataset]


def build(
    output: Path,
    *,
    cache_dir: Path,
    system: System = ARGON,
    only: str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run, measure and write the reference data.

    Parameters
    ----------
    output : Path
        Folder to write into.
    cache_dir : Path
        Where trajectories are kept between calls.
    system : System, optional
        The material.
    only : str, optional
        A state point, ``parity``, ``crystal``, ``probe`` or ``melting``: rebuild that part, keep the others.
    jobs : int, optional
        Processes that run trajectories.
    progress : Progress, optional
        Where steps are reported to.

    Raises
    ------
    ReferenceDataError
        If ``only`` names no part.
    """
    workshop = make_workshop(cache_dir, system=system, progress=progress)
    wanted = part_names(system) if only is None else [only]
    _run_in_parallel(cache_dir, wanted, jobs)
    observables, configurations = _existing(output) if only else ({}, {})
    for part in wanted:
        for key, dataset in measured_part(workshop, part):
            (configurations if "fraction" in dataset else observables)[key] = dataset
    _write(output, observables, configurations, system, only)


def _run_in_parallel(cache_dir: Path, wanted: list[str], jobs: int) -> None:
    """Fill the cache with ``jobs - 1`` further processes; this one joins in when it measures."""
    command = [sys.executable, "-m", "pytest_mlff.reference.build", str(cache_dir)]
    helpers = [subprocess.Popen([*command, *reversed(wanted)]) for _ in range(jobs - 1)]
    try:
        if helpers:
            run_trajectories(cache_dir, wanted)
    except BaseException:
        for helper in helpers:
            helper.terminate()
        raise
    finally:
        for helper in helpers:
            helper.wait()


def run_trajectories(cache_dir: Path, names: list[str]) -> None:
    """Run the trajectories of state points, and nothing else.

    Parameters
    ----------
    cache_dir : Path
        Where they are kept.
    names : list of str
        State points; other names are passed over.
    """
    workshop = make_workshop(cache_dir)
    for name in names:
        state = state_points().get(name)
        if state is not None:
            reference_trajectory(workshop, state, PLANS[state.phase, state.n_atoms])


def _existing(output: Path) -> tuple[Groups, Groups]:
    reference = Reference(output)
    return dict(reference.observables), dict(reference.all_configurations)


def _write(output: Path, observables: Groups, configurations: Groups, system: System, only: str | None = None) -> None:
    """Write the files and the manifest, which tells a part that was built anew from the others."""
    command = f"pytest-mlff reference build --system {system.name}"
    origin = _origin(command)
    if only is not None:
        before = json.loads((output / MANIFEST).read_text())
        rebuilt = {**before.get("rebuilt", {}), only: _origin(f"{command} --only {only}")}
        origin = {**{name: before[name] for name in origin}, "rebuilt": rebuilt}
    files = {}
    for name, groups in ((OBSERVABLES, observables), (CONFIGURATIONS, configurations)):
        content = _netcdf(groups)
        write_atomically(output / name, content)
        files[name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "groups": sorted(groups),
        }
    manifest = {
        "schema": 1,
        **origin,
        "seed": SEED,
        "system": asdict(system),
        "states": {name: asdict(state) for name, state in state_points(system).items()},
        "plans": {f"{phase}-{atoms}": asdict(plan) for (phase, atoms), plan in PLANS.items()},
        "files": files,
    }
    write_atomically(output / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


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
    run_trajectories(Path(sys.argv[1]), sys.argv[2:])
