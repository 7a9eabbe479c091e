"""What laws are tried on: pieces of shipped configurations, their forces, and where failing ones are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pytest_mlff.analysis.geometry import minimum_image
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Model
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.statics import StaticForces
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.structure import Structure

LIQUID, SOLID, PROBE = "start/100K-256", "start/20K-solid-256", "probe/liquid"
"""Sets of configurations that cases are taken from."""
VACUUM = 40.0
"""Edge in Å of the cell of an isolated cluster: 13 atoms span 9 Å, so that 30 Å part it from its images."""
_DRAWS = 3


class Piece(NamedTuple):
    """Part of a shipped configuration: the atoms nearest to one of them, alone in the whole one's cell."""

    source: str
    configuration: int
    atoms: int
    centre: int


class Workbench:
    """Structures and forces of one run of the check.

    Parameters
    ----------
    context : CheckContext
        Of the run.

    Attributes
    ----------
    calls : int
        Force calls of the candidate so far.
    """

    def __init__(self, context: CheckContext) -> None:
        self.context = context
        self.calls = 0
        self._reference = ReferenceModel(context.system)
        self._forces: dict[Piece, np.ndarray] = {}

    @property
    def cases(self) -> int:
        """Cases to draw for a row."""
        return self.context.protocol.invariance_cases

    def limit(self, key: str) -> float:
        """Limit of a row: what is above it is looked into, shrunk and kept.

        Parameters
        ----------
        key : str
            The row.

        Returns
        -------
        float
            In the row's unit.
        """
        limit = self.context.tolerances[key].limit
        return np.inf if limit is None else limit

    def seed(self, key: str) -> str:
        """Seed of a row's cases.

        Parameters
        ----------
        key : str
            The row.

        Returns
        -------
        str
            For :func:`draw`.
        """
        return f"{self.context.seed} {key}"

    def structure(self, piece: Piece) -> Structure:
        """Cut a piece out of its configuration.

        Parameters
        ----------
        piece : Piece
            Which one.

        Returns
        -------
        Structure
            Its atoms, the centre first, in the cell of the configuration.
        """
        whole_one = self.context.starts(piece.source, piece.configuration + 1)[piece.configuration]
        places = whole_one.positions
        if piece.atoms >= len(places):
            return whole_one
        vector = minimum_image(places - places[piece.centre % len(places)], whole_one.cell)
        near = np.argsort(np.einsum("ij,ij->i", vector, vector), kind="stable")[: piece.atoms]
        return replace(whole_one, numbers=whole_one.numbers[near], positions=places[near])

    def isolated(self, piece: Piece) -> Structure:
        """Cut a piece out and put it, unbroken, into the middle of an empty cell.

        Parameters
        ----------
        piece : Piece
            Which one.

        Returns
        -------
        Structure
            Its atoms in a cubic cell of edge ``VACUUM``.
        """
        found = self.structure(piece)
        vector = minimum_image(found.positions - found.positions[0], found.cell)
        return replace(found, positions=vector - vector.mean(axis=0) + 0.5 * VACUUM, cell=VACUUM * np.eye(3))

    def evaluator(self, structure: Structure, calculator: Any = None) -> StaticForces:
        """Make the candidate's forces, or those of a copy of it; its calls are counted by the caller.

        Parameters
        ----------
        structure : Structure
            Atoms and cell; they may be moved.
        calculator : object, optional
            A copy of the candidate's.

        Returns
        -------
        StaticForces
            Callable on positions; refuses what is not finite.
        """
        model = self.context.model if calculator is None else _Copy(self.context.model, calculator)
        return StaticForces(model, self.context.system, structure.numbers, structure.cell, self.context.meter)

    def forces(self, structure: Structure, calculator: Any = None) -> np.ndarray:
        """Evaluate the candidate, or a copy of its calculator.

        Parameters
        ----------
        structure : Structure
            Atoms and cell.
        calculator : object, optional
            A copy of the candidate's.

        Returns
        -------
        ndarray, shape (atom, xyz)
            Forces in eV/Å.
        """
        self.calls += 1
        return self.evaluator(structure, calculator)(structure.positions)

    def forces_of(self, piece: Piece) -> np.ndarray:
        """Give the candidate's forces on a piece, evaluated once.

        Parameters
        ----------
        piece : Piece
            Which one.

        Returns
        -------
        ndarray, shape (atom, xyz)
            Forces in eV/Å.
        """
        piece = piece._replace(centre=0) if piece.atoms >= 256 else piece  # the whole configuration has no centre
        if piece not in self._forces:
            self._forces[piece] = self.forces(self.structure(piece))
        return self._forces[piece]

    def reference_forces(self, structure: Structure) -> np.ndarray:
        """Evaluate the reference.

        Parameters
        ----------
        structure : Structure
            Atoms and cell.

        Returns
        -------
        ndarray, shape (atom, xyz)
            Forces in eV/Å.
        """
        forces = ModelForces(self._reference, self.context.system, structure.numbers, structure.cell)
        return forces(structure.positions)

    @cached_property
    def thermal_force(self) -> float:
        """Root mean square of a force component of the reference in the liquid, in eV/Å."""
        forces = self.reference_forces(self.structure(Piece(LIQUID, 0, 256, 0)))
        return float(np.sqrt(np.mean(forces**2)))

    @cached_property
    def resolution(self) -> float:
        """Resolution of the candidate's forces, see :meth:`resolution_of`."""
        return self.resolution_of()

    def resolution_of(self, calculator: Any = None) -> float:
        """How far two evaluations of one force may be apart by rounding alone.

        Parameters
        ----------
        calculator : object, optional
            A copy of the candidate's.

        Returns
        -------
        float
            Largest norm over the atoms of the liquid of (f(x+δ) − 2 f(x) + f(x−δ))/√3, in eV/Å, the median of
            three draws; δ moves every coordinate by up to four units in the last place of float32. The slope
            of a smooth force cancels there and its curvature is nothing (1e-9 eV/Å in argon), so that what is
            left is rounding, of coordinates and inside the model, and noise if the forces do not repeat.
        """
        structure = self.structure(Piece(LIQUID, 0, 256, 0))
        start, rng = structure.positions, np.random.default_rng(0)
        tiny = 4.0 * float(np.spacing(np.float32(np.abs(start).max() + 1.0)))
        base = self.forces(structure, calculator)
        found = []
        for _ in range(_DRAWS):
            shift = rng.uniform(-tiny, tiny, start.shape)
            second = sum(self.forces(structure.at(start + s), calculator) for s in (shift, -shift))
            found.append(largest_norm(second - 2.0 * base) / np.sqrt(3.0))
        size = float(np.median(found))  # a pair that happens to cross a cutoff spoils one draw
        floor = float(np.finfo(float).eps) * self.thermal_force
        return max(size, floor)

    def keep(self, row: str, frames: Sequence[tuple[Structure, np.ndarray | None]]) -> str:
        """Save a failing structure where the user finds it.

        Parameters
        ----------
        row : str
            Id of the row, for the name.
        frames : sequence of (Structure, ndarray or None)
            The structure, its image if it has one, and the forces that the model gave.

        Returns
        -------
        str
            Such as ``"; structure: <path>"``; empty where it could not be written.
        """
        from ase.calculators.singlepoint import SinglePointCalculator

        images = []
        for structure, forces in frames:
            images.append(make_atoms(self.context.system, structure))
            if forces is not None:
                images[-1].calc = SinglePointCalculator(images[-1], forces=forces)
        return self.context.keep_images("failing", images, name=row)


@dataclass(frozen=True)
class _Copy:
    """The candidate with another calculator."""

    model: Model
    calculator: Any

    @property
    def name(self) -> str:
        return self.model.name

    spec = fingerprint = ""
    provides = frozenset({"forces"})
    repeatable = True


def largest_norm(vectors: np.ndarray) -> float:
    """Largest norm of vectors.

    Parameters
    ----------
    vectors : ndarray, shape (..., xyz)
        Any unit.

    Returns
    -------
    float
        In that unit.
    """
    return float(np.linalg.norm(vectors, axis=-1).max())
