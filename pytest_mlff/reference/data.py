"""Read ``reference_data/``: manifest, observables, start and parity configurations.

Each file is checked against the manifest's sha256 when it is first opened, so that a damaged or hand-edited
reference cannot judge anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_mlff.cells import fractions
from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.settings.names import suggest
from pytest_mlff.settings.shipped import MANIFEST, default_directory
from pytest_mlff.systems.structure import Structure

if TYPE_CHECKING:
    import xarray as xr

OBSERVABLES = "observables.nc"
CONFIGURATIONS = "configurations.nc"
PRESSURE = "pressure.nc"
ADDED = (PRESSURE,)
"""Files that later versions added to the first two, in the order in which they came."""


@dataclass(frozen=True, slots=True, eq=False)
class Configurations:
    """Configurations of the same atoms.

    Attributes
    ----------
    positions : ndarray, shape (configuration, atom, xyz)
        Wrapped into the cell, in Å, float64.
    numbers : ndarray of int, shape (atom,)
        Atomic numbers.
    cells : ndarray, shape (configuration, 3, 3)
        Cell vectors as rows, in Å.
    """

    positions: np.ndarray
    numbers: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, which: int) -> Structure:
        return Structure(numbers=self.numbers, positions=self.positions[which], cell=self.cells[which])

    def __iter__(self) -> Iterator[Structure]:
        return (self[which] for which in range(len(self)))

    def taken(self, which: slice | np.ndarray) -> Configurations:
        """Take some of them."""
        return Configurations(self.positions[which], self.numbers, self.cells[which])


class Reference:
    """The reference data of one system.

    Parameters
    ----------
    directory : Path, optional
        Folder with the manifest; by default that of this installation.

    Raises
    ------
    ReferenceDataError
        If there is no readable manifest.
    """

    kind: Literal["calculator", "files"] = "calculator"
    """What was asked to make them."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = default_directory() if directory is None else directory
        try:
            self.manifest: dict[str, Any] = json.loads((self.directory / MANIFEST).read_text("utf-8"))
            self._checksums = {name: str(item["sha256"]) for name, item in self.manifest["files"].items()}
        except OSError as error:
            raise ReferenceDataError(f"cannot read {self.directory / MANIFEST}: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReferenceDataError(
                f"{self.directory / MANIFEST} is no manifest ({type(error).__name__}: {error}); "
                "reinstall the package or rebuild the reference data"
            ) from error

    @property
    def version(self) -> str:
        """Short hash over the checksums of all files."""
        return _version(self._checksums)

    @property
    def contains(self) -> frozenset[str]:
        """Versions of which every file is here, unchanged: what was measured with them holds with this one."""
        first = [name for name in self._checksums if name not in ADDED]
        added = [name for name in ADDED if name in self._checksums]
        found = set()
        for n in range(len(added) + 1):
            names = first + added[:n]
            for checksums in product(*map(self._equal, names)):
                found.add(_version(dict(zip(names, checksums, strict=True))))
        return frozenset(found)

    def _equal(self, name: str) -> list[str]:
        """Checksums of a file: its own, and those under which it held the same numbers in another layout."""
        return [self._checksums[name], *self.manifest["files"][name].get("equal", ())]

    def observable(self, state: str, name: str) -> xr.Dataset:
        """One observable of one state point.

        Parameters
        ----------
        state : str
            State point, for example ``"100K-256"``.
        name : str
            Observable, for example ``"rdf"``.

        Returns
        -------
        xr.Dataset
            As the analysis function returned it, with standard errors.

        Raises
        ------
        ReferenceDataError
            If the reference does not cover it.
        """
        return self.observables[f"{state}/{name}"]

    def configurations(self, name: str) -> Configurations:
        """Unpack a set of configurations.

        Parameters
        ----------
        name : str
            ``"start/<state>"``, ``"parity/<phase>-<atoms>"``, ``"slab/<geometry>"`` or ``"probe/liquid"``.

        Returns
        -------
        Configurations
            All of the set.

        Raises
        ------
        ReferenceDataError
            If the reference has no such set.
        """
        found = self.all_configurations[name]
        cell, packed = found["cell"].values, found["fraction"].values
        cells = np.broadcast_to(cell, (len(packed), 3, 3))
        return Configurations(unpack(packed, cell), found["numbers"].values, cells)

    @cached_property
    def observables(self) -> Mapping[str, xr.Dataset]:
        """Every observable by ``"<state>/<name>"``, read when it is asked for."""
        return self._open(*(name for name in (OBSERVABLES, *ADDED) if name in (OBSERVABLES, *self._checksums)))

    @cached_property
    def all_configurations(self) -> Mapping[str, xr.Dataset]:
        """Every set of packed configurations by name, read when it is asked for."""
        return self._open(CONFIGURATIONS)

    def _open(self, *names: str) -> Mapping[str, xr.Dataset]:
        places: dict[str, Path] = {}
        for name in names:
            path = self.directory / name
            expected = self._checksums.get(name)
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise ReferenceDataError(
                    f"{path} is missing or differs from its manifest; "
                    "reinstall the package or rebuild the reference data"
                )
            places |= dict.fromkeys(self.manifest["files"][name].get("groups", ()), path)
        return _Groups(places, names[0])


def _version(checksums: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()[:8]


class _Groups(Mapping[str, "xr.Dataset"]):
    """The data sets of some files; opening all of them at once would take a second that most runs do not need."""

    def __init__(self, places: Mapping[str, Path], what: str) -> None:
        self._places, self._what = places, what
        self._read: dict[str, xr.Dataset] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> xr.Dataset:
        import xarray as xr

        if name not in self._places:
            raise ReferenceDataError(
                f"the reference data have no {name!r} among {len(self)} groups of {self._what}"
                f"{suggest(name, self._places, cutoff=0.4)}"
            )
        if name not in self._read:
            with xr.open_dataset(self._places[name], group=name, engine="h5netcdf") as dataset:
                self._read[name] = dataset.load()
        return self._read[name]


_STEPS = 2**16
"""Resolution of packed coordinates: a vector of 24 Å in steps of 0.4 mÅ."""


def pack(position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Wrap positions into the cell and keep them as 16-bit fractions of its vectors.

    Parameters
    ----------
    position : ndarray, shape (..., xyz)
        In Å.
    cell : ndarray, shape (3, 3)
        Cell vectors as rows, in Å.

    Returns
    -------
    ndarray of uint16
        Same shape.
    """
    steps = np.round(fractions(np.asarray(position, dtype=float), cell) * _STEPS).astype(np.int64) % _STEPS
    return np.asarray(steps, dtype=np.uint16)


def unpack(fraction: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Positions from packed fractions.

    Parameters
    ----------
    fraction : ndarray of uint16, shape (..., xyz)
        From :func:`pack`.
    cell : ndarray, shape (3, 3) or (configuration, 3, 3)
        Cell vectors as rows, in Å.

    Returns
    -------
    ndarray
        Positions in Å, float64; the same for everybody, since forces are computed from them.
    """
    return np.asarray(fraction, dtype=float) @ (np.asarray(cell, dtype=float) / _STEPS)
