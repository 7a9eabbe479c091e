"""What the reference data consist of: each part measured from the long runs or computed.

A part is a stream of ``(key, data set)``: packed configurations (they hold ``fraction``) or observables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.analysis.hessian import crystal_symmetry, symmetry_estimate
from pytest_mlff.analysis.phonons import phonon_spectrum
from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.reference.crystal import respond, static_crystal
from pytest_mlff.reference.data import unpack
from pytest_mlff.reference.melting import melting_part
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import LIQUID, SOLID, measure
from pytest_mlff.reference.packing import number, packed
from pytest_mlff.reference.pressure import pressure_part
from pytest_mlff.reference.runs import PLANS, Plan, reference_trajectory
from pytest_mlff.simulation.cache import Cache
from pytest_mlff.simulation.derivatives import STEP, dense_hessian
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.md import Workshop
from pytest_mlff.simulation.meter import Meter, Progress
from pytest_mlff.simulation.probe import PROBE_ATOMS, make_probe
from pytest_mlff.systems.protocols import STARTS
from pytest_mlff.systems.structure import Structure
from pytest_mlff.systems.system import State, System, as_cell

if TYPE_CHECKING:
    import xarray as xr

    Stream = Iterator[tuple[str, xr.Dataset]]

PARITY_COUNTS = {256: 1000, 4000: 100}
CRYSTAL_CELLS = (6, 8)
"""Cubic cells along an edge of the crystals whose spectra are kept: 864 and 2048 atoms."""
PROBE_STATE, PROBE_CELLS = "100K-256", (3, 3, 3)
"""State whose temperature and density the liquid probe has, and the unit cells that it is melted from."""
PARITY_ONLY = "20K-solid-4000"
"""State that gives parity configurations and nothing else."""


def make_workshop(cache_dir: Path, system: System, *, progress: Progress | None = None) -> Workshop:
    """Services for runs of the reference.

    Parameters
    ----------
    cache_dir : Path
        Where trajectories are kept.
    system : System
        The material.
    progress : Progress, optional
        Where steps are reported to.

    Returns
    -------
    Workshop
        Without a budget.
    """
    return Workshop(ReferenceModel(system), system, Cache(cache_dir), Meter(progress=progress))


def part_names(system: System) -> list[str]:
    """Name the parts, those that need the longest runs first.

    Parameters
    ----------
    system : System
        The material.

    Returns
    -------
    list of str
        State points, ``parity``, ``crystal``, ``probe``, ``melting`` and ``pressure``.
    """
    return [*(state.name for state in system.states if state.name != PARITY_ONLY), *_PARTS]


def measured_part(workshop: Workshop, name: str) -> Stream:
    """Measure one part, running what is not in the cache.

    Parameters
    ----------
    workshop : Workshop
        From :func:`make_workshop`.
    name : str
        One of :func:`part_names`.

    Returns
    -------
    iterator of (str, xr.Dataset)
        Keys and data sets.

    Raises
    ------
    ReferenceDataError
        If there is no such part.
    """
    known = part_names(workshop.system)
    if name not in known:
        raise ReferenceDataError(f"no part {name!r} of the reference; there are {', '.join(known)}")
    if name in _PARTS:
        return _PARTS[name](workshop)
    return _state_part(workshop, workshop.system.state(name))


def _state_part(workshop: Workshop, state: State) -> Stream:
    trajectory = reference_trajectory(workshop, state, PLANS[state.phase, state.n_atoms])
    for name in LIQUID if state.phase == "liquid" else SOLID:
        yield f"{state.name}/{name}", _without_replicas(measure(name, trajectory))
    yield f"start/{state.name}", packed(_spread(trajectory, STARTS), state.numbers, state.cell)


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


def _parity_part(workshop: Workshop) -> Stream:
    """Held-out configurations: liquids of all three temperatures in turn, the crystal at 20 K."""
    for atoms, count in PARITY_COUNTS.items():
        for phase in ("liquid", "solid"):
            states = [one for one in workshop.system.states if (one.phase, one.n_atoms) == (phase, atoms)]
            sets = []
            for state in states:
                trajectory = reference_trajectory(workshop, state, PLANS[phase, atoms])
                share = _spread(trajectory, -(-count // len(states)), offset=trajectory.sizes["frame"] // 128)
                sets.append((share, state))
            yield f"parity/{phase}-{atoms}", _interleaved(sets, count)


def _interleaved(sets: list[tuple[np.ndarray, State]], count: int) -> xr.Dataset:
    """Take configurations of several cells in turn, each with its own."""
    order = [(index % len(sets), index // len(sets)) for index in range(count)]
    positions = np.stack([sets[which][0][row] for which, row in order])
    return packed(positions, sets[0][1].numbers, [sets[which][1].cell for which, _ in order])


def _crystal_part(workshop: Workshop) -> Stream:
    for n in CRYSTAL_CELLS:
        crystal = static_crystal(workshop.system, n)
        rows = respond(ModelForces(workshop.model, workshop.system, crystal.numbers, crystal.cell), crystal)
        atoms = rows.sizes["atom"]
        yield f"crystal-{atoms}/phonons", phonon_spectrum(rows, masses=workshop.system.masses_of(crystal.numbers))
        yield f"crystal-{atoms}/symmetry", number("S", crystal_symmetry(rows))


def _probe_part(workshop: Workshop) -> Stream:
    system = workshop.system
    whole = system.state(PROBE_STATE)
    edge = (PROBE_ATOMS * whole.volume / whole.n_atoms) ** (1 / 3)
    state = State(
        name="probe",
        phase="liquid",
        temperature=whole.temperature,
        numbers=whole.numbers[:PROBE_ATOMS],
        cell=as_cell([edge, edge, edge]),
        repeats=PROBE_CELLS,
    )
    trajectory = reference_trajectory(workshop, state, Plan(replicas=1, equilibration_steps=1860, frames=1))
    raw = trajectory["position"].values[0, -1].astype(float)
    # packing may move each of a pair by 0.23 mÅ
    margin = 4 * STEP + 1e-3
    probe = make_probe(raw, state.cell, cutoff=system.cutoff, margin=margin)
    stored = packed(probe[None], state.numbers, state.cell)
    yield "probe/liquid", stored
    cell = stored["cell"].values
    structure = Structure(
        numbers=np.array(state.numbers), positions=unpack(stored["fraction"].values[0], cell), cell=cell
    )
    yield "probe-liquid/symmetry", probe_symmetry(workshop, structure)


def probe_symmetry(workshop: Workshop, probe: Structure) -> xr.Dataset:
    """Symmetry of the Hessian of the liquid probe, by the workshop's model: ``S`` with its error."""
    forces = ModelForces(workshop.model, workshop.system, probe.numbers, probe.cell)
    hessian = dense_hessian(forces, probe.positions, step=STEP)
    return number("S", symmetry_estimate(hessian, step=STEP, force_noise=0.0))


_PARTS: dict[str, Callable[[Workshop], Stream]] = {
    "parity": _parity_part,
    "crystal": _crystal_part,
    "probe": _probe_part,
    "melting": melting_part,
    "pressure": pressure_part,
}
