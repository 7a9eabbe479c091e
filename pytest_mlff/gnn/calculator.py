"""The trained network as an ASE calculator: forces, and nothing else.

The network has no energy and no stress; a call for them raises what ASE raises for a property that a calculator
does not implement. ``batch_forces`` takes all replicas of a state point in one forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.checkpoint import Checkpoint, build_network, load_checkpoint
from pytest_mlff.gnn.device import torch_device
from pytest_mlff.gnn.graph import EdgeFinder
from pytest_mlff.gnn.inference import FoldedNetwork

SKIN = 1.0
"""Verlet skin in Å: a neighbour search every fifteen steps or so in liquid argon at 100 K."""


class GnnCalculator(Calculator):  # type: ignore[misc]
    """Forces of a trained network; it has no energy and no stress.

    Parameters
    ----------
    checkpoint : str, Path or Checkpoint
        What ``pytest-mlff train`` wrote.
    device : str
        ``auto`` (CUDA where torch sees one, else the CPU), ``cpu`` or ``cuda[:n]``.
    dtype : {"float32", "float64"}
        Of all arithmetic but that of positions and cells, which is float64.
    compiled : bool
        Run the messages through ``torch.compile``, which needs a C++ compiler on the CPU.

    Raises
    ------
    SpecError
        If the checkpoint cannot be read, the device is not there, or the dtype is another.
    """

    implemented_properties: ClassVar[list[str]] = ["forces"]

    def __init__(
        self,
        checkpoint: str | Path | Checkpoint,
        *,
        device: str = "auto",
        dtype: Literal["float32", "float64"] = "float32",
        compiled: bool = False,
    ) -> None:
        super().__init__()
        if dtype not in ("float32", "float64"):
            raise SpecError(f"dtype = {dtype!r}: it is float32 or float64")
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
        self.device, self.compiled = torch_device(device), compiled
        self.dtype: Literal["float32", "float64"] = dtype
        self.network = build_network(self.checkpoint).to(device=self.device, dtype=getattr(torch, dtype))
        self._evaluate = FoldedNetwork(self.network, compiled=compiled)
        self._edges = EdgeFinder(cutoff=self.checkpoint.network.cutoff, skin=SKIN, device=self.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> GnnCalculator:
        """Share nothing that changes: the copy has its own neighbour list."""
        return self.with_dtype(self.dtype)

    def with_dtype(self, dtype: Literal["float32", "float64"]) -> GnnCalculator:
        """Make the same calculator in another precision.

        Parameters
        ----------
        dtype : {"float32", "float64"}
            Of all arithmetic but that of positions and cells.

        Returns
        -------
        GnnCalculator
            With a neighbour list of its own.
        """
        return GnnCalculator(self.checkpoint, device=self.device, dtype=dtype, compiled=self.compiled)

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("forces",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute ``results["forces"]`` (N, 3) in eV/Å, as ASE calls it.

        Parameters
        ----------
        atoms : ase.Atoms
            Any cell, periodic or not.
        properties, system_changes : sequence of str
            As ASE passes them.

        Raises
        ------
        SpecError
            For an element that the network was not trained on.
        ObservableError
            If a position is not finite.
        """
        super().calculate(atoms, properties, system_changes)
        cell, pbc = self.atoms.cell.array, self.atoms.pbc
        self.results = {"forces": self._forces(self.atoms.positions[np.newaxis], self.atoms.numbers, cell, pbc)[0]}

    def batch_forces(self, positions: ArrayLike, numbers: ArrayLike, cell: ArrayLike) -> NDArray[np.float64]:
        """Compute several copies of one periodic orthorhombic cell in one forward pass.

        Parameters
        ----------
        positions : array_like, shape (replica, N, 3)
            In Å.
        numbers : array_like of int, shape (N,)
            Atomic numbers, the same in all copies.
        cell : array_like, shape (3, 3)
            Cell edges in Å.

        Returns
        -------
        ndarray, shape (replica, N, 3)
            In eV/Å.

        Raises
        ------
        SpecError
            For an element that the network was not trained on.
        ObservableError
            If a position is not finite.
        """
        return self._forces(np.asarray(positions, dtype=float), numbers, np.asarray(cell, dtype=float), (True,) * 3)

    def _forces(
        self, positions: NDArray[np.float64], numbers: ArrayLike, cell: ArrayLike, pbc: Sequence[bool]
    ) -> NDArray[np.float64]:
        species = self._species(np.asarray(numbers)).repeat(len(positions))
        edges = self._edges(positions, cell, pbc).to(self.device, getattr(torch, self.dtype))
        forces = self._evaluate(species, edges).to("cpu", torch.float64).numpy() * self.checkpoint.force_scale
        return np.asarray(forces.reshape(positions.shape))

    def _species(self, numbers: NDArray[np.int64]) -> Tensor:
        known = self.checkpoint.network.species
        strange = sorted(set(numbers.tolist()) - set(known))
        if strange:
            raise SpecError(f"the network knows the atomic numbers {known}, not {strange}")
        return torch.tensor([known.index(number) for number in numbers.tolist()], device=self.device)
