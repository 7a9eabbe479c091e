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
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.analysis.hessian import crystal_symmetry, symmetry_estimate
from pytest_mlff.analysis.phonons import phonon_spectrum
from pytest_mlff.reference.data import CONFIGURATIONS, MANIFEST, OBSERVABLES, pack
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import LIQUID, SOLID, measure
from pytest_mlff.reference.runs import PLANS, SEED, Plan, reference_trajectory
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.cache import Cache, write_atomically
from pytest_mlff.simulation.derivatives import STEP, crystal_rows, dense_hessian
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.md import NoProgress, Progress, Workshop
from pytest_mlff.simulation.probe import make_probe
from pytest_mlff.simulation.systems import (
    ARGON,
    LIQUID_DENSITIES,
    StatePoint,
    System,
    fcc_positions,
    state_points,
)

if TYPE_CHECKING:
    import xarray as xr

    Groups = dict[str, xr.Dataset]

N_STARTS = 64
"""Start configurations of each state point."""
PARITY_COUNTS = {256: 1000, 4000: 100}
CRYSTAL_CELLS = (6, 8)
"""Cubic cells along an edge of the crystals whose spectra are kept: 864 and 2048 atoms."""
PROBE_ATOMS = 108


def make_workshop(cache_dir: Path, *, system: System = ARGON, progress: Progress | None = None) -> Workshop:
    """Services for runs of the reference.

    Parameters
    ----------
    cache_dir : Path
        Where trajectories are kept.
    system : System, optional
        The material.
    progress : Progress, optional
        Where steps are reported to.

    Returns
    -------
    Workshop
        Without a budget.
    """
    return Workshop(ReferenceModel(system), system, Cache(cache_dir), Budget(), progress or NoProgress())


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
    from pytest_mlff.reference.melting import melting_parts

    workshop = make_workshop(cache_dir, system=system, progress=progress)
    wanted = _wanted(only, system)
    _run_in_parallel(cache_dir, wanted, jobs)
    observables, configurations = _existing(output) if only else ({}, {})
    for part in wanted:
        if part == "melting":
            found = melting_parts(workshop)
        elif part in _PARTS:
            found = _PARTS[part](workshop)
        else:
            found = _state_part(workshop, state_points(system)[part])
        for key, dataset in found:
            (configurations if "fraction" in dataset else observables)[key] = dataset
    _write(output, observables, configurations, system)


def _wanted(only: str | None, system: System) -> list[str]:
    from pytest_mlff.errors import ReferenceDataError

    states = [name for name in state_points(system) if name != "20K-solid-4000"]
    parts = [*states, *_PARTS, "melting"]
    if only is not None and only not in parts:
        raise ReferenceDataError(f"no part {only!r} of the reference; there are {', '.join(parts)}")
    return parts if only is None else [only]


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


def _state_part(workshop: Workshop, state: StatePoint) -> Iterator[tuple[str, xr.Dataset]]:
    trajectory = reference_trajectory(workshop, state, PLANS[state.phase, state.n_atoms])
    for name in LIQUID if state.phase == "liquid" else SOLID:
        yield f"{state.name}/{name}", _without_replicas(measure(name, trajectory))
    yield f"start/{state.name}", _packed(_spread(trajectory, N_STARTS), state.box)


def _without_replicas(observable: xr.Dataset) -> xr.Dataset:
    """Drop the curves of single replicas, which nobody compares with."""
    return observable.drop_vars([name for name in observable.data_vars if "replica" in observable[name].dims])


def _spread(trajectory: xr.Dataset, count: int, *, offset: int = 0) -> np.ndarray:
    """Pick configurations as far apart in time as the runs allow, replica by replica in turn."""
    replicas, frames = trajectory.sizes["replica"], trajectory.sizes["frame"]
    per_replica = -(-count // replicas)
    when = frames - 1 - offset - np.arange(per_replica) * (frames // per_replica)
    picked = trajectory["position"].values[:, when]  # (replica, time, atom, xyz)
    return np.asarray(picked.swapaxes(0, 1).reshape(-1, *picked.shape[2:])[:count])


def _packed(position: np.ndarray, box: Any) -> xr.Dataset:
    import xarray as xr

    box = np.asarray(box, dtype=float)
    return xr.Dataset(
        {
            "fraction": (("configuration", "atom", "xyz"), pack(position, box), {"units": "edge/65536"}),
            "box": (("xyz",), box, {"units": "Å"}),
        }
    )


def _parity_part(workshop: Workshop) -> Iterator[tuple[str, xr.Dataset]]:
    """Held-out configurations: liquids of all three temperatures in turn, the crystal at 20 K."""
    points = state_points(workshop.system)
    for atoms, count in PARITY_COUNTS.items():
        liquids = [points[f"{temperature:g}K-{atoms}"] for temperature in LIQUID_DENSITIES]
        for phase, states in (("liquid", liquids), ("solid", [points[f"20K-solid-{atoms}"]])):
            sets = []
            for state in states:
                trajectory = reference_trajectory(workshop, state, PLANS[phase, atoms])
                share = _spread(trajectory, -(-count // len(states)), offset=trajectory.sizes["frame"] // 128)
                sets.append((share, state.box))
            yield f"parity/{phase}-{atoms}", _interleaved(sets, count)


def _interleaved(sets: list[tuple[np.ndarray, Any]], count: int) -> xr.Dataset:
    """Take configurations of several cells in turn, each with its own box."""
    import xarray as xr

    boxes = np.array([box for _, box in sets], dtype=float)
    order = [(index % len(sets), index // len(sets)) for index in range(count)]
    fractions = np.stack([pack(sets[which][0][row], boxes[which]) for which, row in order])
    return xr.Dataset(
        {
            "fraction": (("configuration", "atom", "xyz"), fractions, {"units": "edge/65536"}),
            "box": (("configuration", "xyz"), boxes[[which for which, _ in order]], {"units": "Å"}),
        }
    )


def _crystal_part(workshop: Workshop) -> Iterator[tuple[str, xr.Dataset]]:
    edge = workshop.system.lattice_parameter
    for n in CRYSTAL_CELLS:
        box = np.full(3, n * edge)
        forces = ModelForces(workshop.model, workshop.system, box)
        rows = crystal_rows(forces, fcc_positions((n, n, n), edge), box=box, repeats=(n, n, n))
        atoms = rows.sizes["atom"]
        yield f"crystal-{atoms}/phonons", phonon_spectrum(rows, mass=workshop.system.mass)
        yield f"crystal-{atoms}/symmetry", _number("S", crystal_symmetry(rows))


def _probe_part(workshop: Workshop) -> Iterator[tuple[str, xr.Dataset]]:
    system = workshop.system
    edge = (PROBE_ATOMS * system.sigma**3 / LIQUID_DENSITIES[100.0]) ** (1 / 3)
    box = (edge, edge, edge)
    state = StatePoint(name="probe", phase="liquid", temperature=100.0, n_atoms=PROBE_ATOMS, box=box)
    trajectory = reference_trajectory(workshop, state, Plan(replicas=1, equilibration_steps=1860, frames=1))
    raw = trajectory["position"].values[0, -1].astype(float)
    probe = _packed(make_probe(raw, np.array(box), cutoff=system.cutoff, margin=4 * STEP)[None], box)
    yield "probe/liquid", probe
    forces = ModelForces(workshop.model, system, box)
    positions = probe["fraction"].values[0] * (np.array(box) / 2**16)
    hessian = dense_hessian(forces, positions, step=STEP)
    yield "probe-liquid/symmetry", _number("S", symmetry_estimate(hessian, step=STEP, force_noise=0.0))


def _number(name: str, estimate: Any) -> xr.Dataset:
    import xarray as xr

    variables = {
        name: ((), estimate.value, {"units": "1"}),
        f"{name}_stderr": ((), estimate.stderr, {"units": "1"}),
    }
    return xr.Dataset(variables, attrs={"replicas": 10**6})


_PARTS = {"parity": _parity_part, "crystal": _crystal_part, "probe": _probe_part}


def _existing(output: Path) -> tuple[Groups, Groups]:
    from pytest_mlff.reference.data import Reference

    reference = Reference(output)
    return dict(reference.observables), dict(reference.all_configurations)


def _write(output: Path, observables: Groups, configurations: Groups, system: System) -> None:
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
        "command": f"pytest-mlff reference build --system {system.name}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": SEED,
        "system": asdict(system),
        "states": {name: asdict(state) for name, state in state_points(system).items()},
        "plans": {f"{phase}-{atoms}": asdict(plan) for (phase, atoms), plan in PLANS.items()},
        "versions": {
            name: version(name) for name in ("pytest-mlff", "openmm", "numpy", "scipy", "ase", "xarray")
        },
        "python": platform.python_version(),
        "files": files,
    }
    write_atomically(output / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _netcdf(groups: Mapping[str, xr.Dataset]) -> bytes:
    """One NetCDF file with a group per data set, compressed."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "groups.nc"
        for index, (group, dataset) in enumerate(sorted(groups.items())):
            encoding = {
                name: {"zlib": True, "complevel": 9} for name in dataset.variables if dataset[name].ndim
            }
            mode: Any = "a" if index else "w"
            dataset.to_netcdf(path, mode=mode, group=group, engine="h5netcdf", encoding=encoding)
        return path.read_bytes()


if __name__ == "__main__":
    run_trajectories(Path(sys.argv[1]), sys.argv[2:])
