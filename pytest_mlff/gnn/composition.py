"""What a training dataset consists of: a small TOML file, parsed at the door into plain, frozen data.

A composition is a list of runs; a run is one kind of preparation at one or more states. The compositions of this
project lie in ``compositions/``; ``docs/dataset.md`` explains the format. May import ``simulation``, ``settings`` and
``errors``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pytest_mlff.errors import SpecError
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.settings.names import suggest
from pytest_mlff.settings.parsers import one_of, positive, whole
from pytest_mlff.settings.toml import Table, read_toml
from pytest_mlff.simulation.slabs import BRACKET, COEXISTENCE_LADDER, SlabGeometry
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import System

Kind: TypeAlias = Literal["liquid", "solid", "ramp", "slab"]
Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

FOLDER = Path(__file__).parent / "compositions"
GEOMETRIES: Mapping[str, SlabGeometry] = {
    rung.geometry.name: rung.geometry for rung in (*BRACKET.values(), COEXISTENCE_LADDER.rungs[0])
}
"""Slabs that a composition can name: those of the melting bracket and of the coexistence ladder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a trajectory runs, at constant volume.

    Attributes
    ----------
    temperatures : tuple of float
        Of the thermostat in K before the first frame and at the last one; they differ in a ramp.
    box : tuple of float
        Edges of the orthorhombic cell in Å.
    n_atoms : int
        Number of atoms.
    slab : SlabGeometry or None
        Solid and liquid part of a slab; None where the cell is filled by cubic cells of the lattice.
    """

    temperatures: tuple[float, float]
    box: tuple[float, float, float]
    n_atoms: int
    slab: SlabGeometry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One ``[[run]]``: trajectories of one kind.

    Attributes
    ----------
    kind : {"liquid", "solid", "ramp", "slab"}
        How they start: from a melted lattice, a lattice, a lattice that is then heated, a half-molten lattice.
    states : tuple of State
        Each gets the same trajectories.
    trajectories : mapping of str to int
        Per state, by split.
    frames : int
        Configurations kept of each trajectory.
    spacing_steps : int
        Steps from one of them to the next.
    equilibration_steps : int
        Steps at the first temperature before the spacing of the first frame.
    """

    kind: Kind
    states: tuple[State, ...]
    trajectories: Mapping[Split, int]
    frames: int
    spacing_steps: int
    equilibration_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What a dataset consists of.

    Attributes
    ----------
    name : str
        Stem of the file.
    spec : str
        What it was asked for by: a name or a path.
    seed : int
        From which every trajectory derives its own.
    runs : tuple of Run
        In the order of the file.
    text : str
        The file itself, kept as provenance.
    """

    name: str
    spec: str
    seed: int
    runs: tuple[Run, ...]
    text: str


def composition_names() -> list[str]:
    """Name the compositions of this project.

    Returns
    -------
    list of str
        What :func:`load_composition` takes beside a path.
    """
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_composition(name_or_path: str | Path) -> Composition:
    """Read a composition.

    Parameters
    ----------
    name_or_path : str or Path
        One of :func:`composition_names`, or a TOML file.

    Returns
    -------
    Composition
        Checked.

    Raises
    ------
    SpecError
        For a name that there is not (it lists those there are), a file that cannot be read, and anything in it that
        is missing, unknown or out of range (with the place).
    """
    known = composition_names()
    path = FOLDER / f"{name_or_path}.toml" if str(name_or_path) in known else Path(name_or_path)
    if path.suffix != ".toml":
        raise SpecError(
            f"no composition {str(name_or_path)!r}{suggest(str(name_or_path), known)}; "
            f"there are {', '.join(known)}, or give the path of a .toml file"
        )
    table, text = read_toml(path, "composition")
    top, system = Table(f"{path}", table, ("seed", "run")), load_system("argon")
    return Composition(
        name=path.stem,
        spec=str(name_or_path),
        seed=top.take("seed", whole(0)),
        runs=tuple(
            _run(f"{path}, [[run]] {number}", run, system) for number, run in enumerate(top.take("run", _tables), 1)
        ),
        text=text,
    )


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise ValueError("expected one table or more")
    return value


def _strains(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of relative changes of length, such as [-0.01, 0.01]")
    if any(isinstance(item, bool) or not isinstance(item, int | float) or abs(item) >= 0.5 for item in value):
        raise ValueError("expected numbers between -0.5 and 0.5")
    return tuple(float(item) for item in value)


def _trajectories(value: Any) -> Mapping[Split, int]:
    if not isinstance(value, dict) or set(value) - set(SPLITS):
        raise ValueError(f"expected a table of counts for {', '.join(SPLITS)}")
    counts: dict[Split, int] = {split: whole(0)(value.get(split, 0)) for split in SPLITS}
    if not any(counts.values()):
        raise ValueError("expected one trajectory at least")
    return counts


def _cells(value: Any) -> int:
    cells: int = round((whole(4)(value) / 4) ** (1 / 3))
    if 4 * cells**3 != value:
        raise ValueError("expected the atoms of a cube of face-centred cells: 4 n³, such as 256 or 500")
    return cells


_STATE_KEYS: Mapping[str, tuple[str, ...]] = {
    "liquid": ("temperature", "density"),
    "solid": ("temperature", "lattice_parameter"),
    "ramp": ("start_temperature", "end_temperature", "density"),
    "slab": ("temperature", "geometry"),
}
_RUN_KEYS = ("kind", "states", "trajectories", "frames", "spacing_steps", "equilibration_steps")
_OWN_KEYS: Mapping[str, tuple[str, ...]] = {
    "liquid": ("atoms",),
    "solid": ("atoms", "strains"),
    "ramp": ("atoms",),
    "slab": (),
}


def _run(where: str, content: dict[str, Any], system: System) -> Run:
    every = (*_RUN_KEYS, "atoms", "strains")
    kind = Table(where, content, every).take("kind", one_of(tuple(_STATE_KEYS)))
    where = f"{where} ({kind})"
    table = Table(where, content, (*_RUN_KEYS, *_OWN_KEYS[kind]))
    cells = 0 if kind == "slab" else table.take("atoms", _cells)
    strains = table.take("strains", _strains, default=(0.0,))
    states: list[State] = []
    for number, state in enumerate(table.take("states", _tables), 1):
        place = Table(f"{where}, state {number}", state, _STATE_KEYS[kind])
        states.extend(_states(place, kind, cells, strains, system))
    return Run(
        kind=kind,
        states=tuple(states),
        trajectories=table.take("trajectories", _trajectories),
        frames=table.take("frames", whole(1)),
        spacing_steps=table.take("spacing_steps", whole(1)),
        equilibration_steps=table.take("equilibration_steps", whole(0)),
    )


def _states(place: Table, kind: Kind, cells: int, strains: tuple[float, ...], system: System) -> Iterator[State]:
    first, last = ("start_temperature", "end_temperature") if kind == "ramp" else ("temperature", "temperature")
    temperatures = (place.take(first, positive), place.take(last, positive))
    if kind == "slab":
        slab = GEOMETRIES[place.take("geometry", one_of(tuple(GEOMETRIES)))]
        (x, _, _), (_, y, _), (_, _, z) = slab.state(system, temperatures[0]).cell
        yield State(temperatures=temperatures, box=(x, y, z), n_atoms=slab.n_atoms, slab=slab)
        return
    if kind == "solid":
        edge = cells * place.take("lattice_parameter", positive)
    else:
        edge = cells * ARGON_SIGMA * (4.0 / place.take("density", positive)) ** (1 / 3)
    for strain in strains:
        length = edge * (1.0 + strain)
        if length < 2 * system.cutoff:
            raise SpecError(
                f"{place.where}: the cell is {length:.2f} Å wide; the potential needs {2 * system.cutoff:g} Å: "
                "take more atoms"
            )
        yield State(temperatures=temperatures, box=(length, length, length), n_atoms=4 * cells**3)
