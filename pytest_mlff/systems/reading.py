"""Systems from TOML files, parsed at the door; ``docs/systems.md`` explains every key.

May import ``settings`` and ``errors``; ASE where a structure is to be made or read.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import described, one_line, raise_interrupt
from pytest_mlff.settings.names import suggest
from pytest_mlff.settings.parsers import one_of, positive, whole
from pytest_mlff.settings.paths import at_home
from pytest_mlff.settings.toml import Table, read_toml
from pytest_mlff.systems.description import Description, StateDescription, complete
from pytest_mlff.systems.system import PHASES, Cell, Repeats, System, Thermostat, UnitCell, as_cell

FOLDER = Path(__file__).parent
FEMTOSECOND = 1e-3
"""In ps."""

_KEYS = {
    "system": ("name", "structure", "masses", "timestep_fs", "frame_stride", "cutoff", "closest_approach"),
    "thermostat": ("collision_rate", "chain_length"),
    "crystal": ("symbols", "cell", "fractions"),
    "reference": ("calculator",),
    "state": ("name", "phase", "temperature", "pressure", "density", "cell", "repeats"),
}
"""Of each table."""


def system_names() -> list[str]:
    """Name the systems that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_system(name_or_path: str | Path) -> System:
    """Load a bundled system by name, or one that a TOML file describes in full.

    Parameters
    ----------
    name_or_path : str or Path
        Such as ``argon``; a path ends in ``.toml``.

    Returns
    -------
    System
        The material.

    Raises
    ------
    SpecError
        As :func:`read_system`; and naming what the file leaves out.
    """
    return _bundled(str(name_or_path)) if str(name_or_path) in system_names() else complete(read_system(name_or_path))


@cache
def _bundled(name: str) -> System:
    return complete(read_system(name))


def read_system(name_or_path: str | Path) -> Description:
    """Read what a file says of a system; ``~`` and ``$VARIABLE`` in its path are expanded.

    Parameters
    ----------
    name_or_path : str or Path
        As in :func:`load_system`.

    Returns
    -------
    Description
        With None where the file is silent.

    Raises
    ------
    SpecError
        For a name that is not bundled (with the nearest), a file that cannot be read, and any key that is unknown,
        missing or out of range, with its place.
    """
    text, known = str(name_or_path), system_names()
    path = FOLDER / f"{text}.toml" if text in known else _expanded(text)
    if path.suffix != ".toml":
        raise SpecError(
            f"no system {one_line(text, 160)!r}{suggest(text, known)}; there are {', '.join(known)}, "
            "or give the path of a .toml file"
        )
    content, _ = read_toml(path, "system")
    top = Table(f"{path}", content, _KEYS)
    system, thermostat, crystal, reference = (
        Table(f"{path}, [{name}]", top.take(name, _table, {}), _KEYS[name])
        for name in ("system", "thermostat", "crystal", "reference")
    )
    usual, timestep = Thermostat(), system.take("timestep_fs", positive, None)
    cell = _unit_cell(path.parent, system, crystal)
    return Description(
        path=path,
        name=system.take("name", _word),
        crystal=cell,
        masses=_masses(system, cell),
        states=_states(path, top),
        reference=reference.take("calculator", _word, None),
        timestep=None if timestep is None else timestep * FEMTOSECOND,
        frame_stride=system.take("frame_stride", whole(1), None),
        thermostat=Thermostat(
            collision_rate=thermostat.take("collision_rate", positive, usual.collision_rate),
            chain_length=thermostat.take("chain_length", whole(1), usual.chain_length),
        ),
        cutoff=system.take("cutoff", positive, None),
        closest_approach=system.take("closest_approach", positive, None),
    )


def _states(path: Path, top: Table) -> tuple[StateDescription, ...]:
    tables = top.take("state", _tables)
    states = [_state(Table(f"{path}, [[state]] {n}", table, _KEYS["state"])) for n, table in enumerate(tables, 1)]
    names = [state.name for state in states]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{path}: two states are called {name!r}; give each a name")
    return tuple(states)


def _state(table: Table) -> StateDescription:
    phase, temperature = table.take("phase", one_of(PHASES)), table.take("temperature", positive)
    if "density" in table and "cell" in table:
        raise SpecError(f"{table.where}: density and cell both say how large it is; leave one out")
    return StateDescription(
        name=table.take("name", _word, f"{phase}-{temperature:g}K"),
        phase=phase,
        temperature=temperature,
        pressure=table.take("pressure", _number, None),
        density=table.take("density", positive, None),
        cell=table.take("cell", _cell, None),
        repeats=table.take("repeats", _repeats, None),
    )


def _unit_cell(folder: Path, system: Table, crystal: Table) -> UnitCell:
    """Take the cell that is written out, made by ASE, or read from a file."""
    if "structure" not in system:
        if "symbols" not in crystal:
            raise SpecError(f"{system.where}: 'structure' is missing, and there is no [crystal]")
        return _written(crystal)
    if "symbols" in crystal:
        raise SpecError(f"{system.where}: 'structure' and [crystal] both say what it is; leave one out")
    text = system.take("structure", _word)
    try:
        atoms = _bulk(text) if text.startswith("bulk:") else _file(folder, text)
    except BaseException as error:
        raise_interrupt(error)
        raise SpecError(f"{system.where}: structure = {one_line(text, 160)!r}: {described(error)}") from error
    if atoms.cell.rank < 3:
        raise SpecError(f"{system.where}: structure = {one_line(text, 160)!r} has no cell of three vectors")
    fractions = atoms.get_scaled_positions(wrap=False)
    return UnitCell(
        numbers=tuple(int(number) for number in atoms.numbers),
        fractions=tuple((float(x), float(y), float(z)) for x, y, z in fractions),
        cell=as_cell(atoms.cell.array),
    )


def _bulk(text: str) -> Any:
    """Make ``bulk:Cu:fcc:3.61``; a second length is that of the third axis."""
    from ase.build import bulk

    name, lattice, *lengths = text.removeprefix("bulk:").split(":")
    if not 1 <= len(lengths) <= 2:
        raise ValueError("expected bulk:SPECIES:LATTICE:LENGTH, such as bulk:Cu:fcc:3.61 or bulk:Mg:hcp:3.21:5.21")
    return bulk(name, lattice, **dict(zip(("a", "c"), map(float, lengths), strict=False)))


def _file(folder: Path, text: str) -> Any:
    from ase.io import read

    return read(folder / _expanded(text))


def _expanded(text: str) -> Path:
    return Path(at_home(os.path.expandvars(text)))


def _written(crystal: Table) -> UnitCell:
    numbers, cell = crystal.take("symbols", _symbols), crystal.take("cell", _cell)
    fractions = crystal.take("fractions", _vectors)
    if len(fractions) != len(numbers):
        raise SpecError(f"{crystal.where}: {len(fractions)} fractions for {len(numbers)} atoms")
    return UnitCell(numbers=numbers, fractions=fractions, cell=cell)


def _masses(system: Table, crystal: UnitCell) -> tuple[tuple[int, float], ...]:
    """Masses of the species of the crystal: the given ones, or ASE's."""
    from ase.data import atomic_masses

    given = system.take("masses", _mass_table, {})
    species = sorted(set(crystal.numbers))
    for number in given:
        if number not in species:
            raise SpecError(f"{system.where}: masses: the structure has no {_symbol(number)}")
    return tuple((number, given.get(number, float(atomic_masses[number]))) for number in species)


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])


def _symbols(value: Any) -> tuple[int, ...]:
    from ase.symbols import string2symbols, symbols2numbers

    try:
        return tuple(int(number) for number in symbols2numbers(string2symbols(_word(value))))
    except (KeyError, ValueError, TypeError):
        raise ValueError("expected chemical symbols, such as 'Ar4' or 'NaCl'") from None


def _mass_table(value: Any) -> dict[int, float]:
    from ase.data import atomic_numbers

    if not isinstance(value, dict):
        raise ValueError("expected a table such as { Ar = 39.948 }")
    unknown = [symbol for symbol in value if symbol not in atomic_numbers]
    if unknown:
        raise ValueError(f"no element {unknown[0]!r}{suggest(unknown[0], atomic_numbers)}")
    return {int(atomic_numbers[symbol]): positive(mass) for symbol, mass in value.items()}


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected a table")
    return value


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise ValueError("expected one table or more, each below its own [[state]]")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("expected a text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(float(value)):
        raise ValueError("expected a number")
    return float(value)


def _vectors(value: Any) -> tuple[tuple[float, float, float], ...]:
    if not isinstance(value, list) or not value or not all(isinstance(row, list) and len(row) == 3 for row in value):
        raise ValueError("expected rows of three numbers")
    return tuple((_number(x), _number(y), _number(z)) for x, y, z in value)


def _cell(value: Any) -> Cell:
    expected = "expected three edges, or three vectors that span a volume, in Å"
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(expected)
    if not any(isinstance(row, list) for row in value):
        return as_cell([positive(edge) for edge in value])
    cell = as_cell(_vectors(value))
    if not abs(np.linalg.det(np.array(cell))) > 1e-6:
        raise ValueError(expected)
    return cell


def _repeats(value: Any) -> Repeats:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("expected three whole numbers: the cells along each of its vectors")
    x, y, z = (whole(1)(number) for number in value)
    return x, y, z
