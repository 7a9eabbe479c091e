"""What a check is given: model, protocol, reference and services, once per model."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

import pytest_mlff
from pytest_mlff.errors import CacheError, SpecError
from pytest_mlff.reference.data import Configurations, Reference
from pytest_mlff.schema import Model
from pytest_mlff.simulation.cache import Cache, write_atomically
from pytest_mlff.simulation.md import SEGMENT_FRAMES, Run, Workshop, simulate
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.statics import StaticForces
from pytest_mlff.systems.atoms import extended_xyz
from pytest_mlff.systems.protocols import Protocol
from pytest_mlff.systems.system import System
from pytest_mlff.verdict.tolerances import Tolerance

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class CheckContext:
    """Model, protocol, reference and services of one run of the suite.

    Attributes
    ----------
    model : Model
        The candidate.
    system : System
        The material.
    protocol : Protocol
        Lengths, the user's changes included.
    reference : Reference
        What to compare with.
    tolerances : mapping of str to Tolerance
        The table, the user's changes included.
    cache : Cache
        Where expensive results are kept.
    meter : Meter
        What every force call passes: budget, progress.
    seed : int
        Decides every random choice.
    config : mapping
        The user's configuration tables.
    keep : Path or None
        Folder of what the user reads after the run; by default that of the cache.
    """

    model: Model
    system: System
    protocol: Protocol
    reference: Reference
    tolerances: Mapping[str, Tolerance]
    cache: Cache
    meter: Meter
    seed: int
    config: Mapping[str, Mapping[str, Any]]
    keep: Path | None = None

    @cached_property
    def workshop(self) -> Workshop:
        """The services of :func:`pytest_mlff.simulation.md.simulate`."""
        return Workshop(self.model, self.system, self.cache, self.meter, self.keep)

    def forces(self, numbers: ArrayLike, cell: ArrayLike) -> StaticForces:
        """Make the candidate's forces on atoms (atomic numbers) in a cell (vectors as rows, in Å)."""
        return StaticForces(self.model, self.system, numbers, cell, self.meter)

    def starts(self, name: str, count: int) -> Configurations:
        """Start configurations, a different one per replica, drawn by the seed.

        Parameters
        ----------
        name : str
            Set in the reference, such as ``"start/100K-256"``.
        count : int
            How many.

        Returns
        -------
        Configurations
            So many.

        Raises
        ------
        SpecError
            If the set holds fewer: two replicas from one start are not independent.
        """
        found = self.reference.configurations(name)
        if count > len(found):
            raise SpecError(f"{count} replicas asked for; the reference has {len(found)} configurations of {name!r}")
        order = np.random.default_rng([self.seed, *name.encode()]).permutation(len(found))
        return found.taken(order[:count])

    def trajectory(self, state: str, *, replicas: int, frames: int) -> xr.Dataset:
        """Trajectory of the candidate at a state point of the reference.

        Parameters
        ----------
        state : str
            Name of the state point.
        replicas, frames : int
            How many and how long.

        Returns
        -------
        xr.Dataset
            From the cache as far as it is there.
        """
        starts = self.starts(f"start/{state}", replicas).positions
        run = Run(
            state=self.system.state(state),
            seed=self.seed,
            equilibration_steps=self.protocol.equilibration_steps,
            segment_frames=segment_of(frames),
        )
        return simulate(self.workshop, run, starts, n_frames=frames)

    def keep_images(self, folder: str, images: Sequence[Any], *, name: str = "") -> str:
        """Save structures where the user finds them.

        Parameters
        ----------
        folder : str
            Below that of the cache, or below ``keep``.
        images : sequence of ase.Atoms
            One frame each.
        name : str
            Beginning of the file's name; by default a hash of the structures.

        Returns
        -------
        str
            Such as ``"; structure: <path>"``; empty where it could not be written.
        """
        content = extended_xyz(images)
        name = name or hashlib.sha256(content).hexdigest()[:12]
        path = (self.keep or self.cache.root) / folder / f"{name}-{self.model.fingerprint[:12]}-{self.seed}.xyz"
        try:
            write_atomically(path, content)
        except CacheError:  # a full disk must not hide what became of the model
            return ""
        return f"; structure: {path}"

    def memo(
        self, what: str, parts: Mapping[str, Any], compute: Any, *, holds: Collection[str] = ()
    ) -> dict[str, np.ndarray]:
        """Keep an expensive result of this model, reference and package version.

        Parameters
        ----------
        what : str
            Kind of result.
        parts : mapping
            What else it depends on, JSON-able.
        compute : callable
            Makes the arrays.
        holds : collection of str, optional
            Names that the result must have.

        Returns
        -------
        dict of str to ndarray
            The result, read or computed.
        """
        key = {
            "kind": what,
            "model": self.model.fingerprint,
            "system": self.system.identity,
            "reference": self.reference.version,
            "version": pytest_mlff.__version__,
            **parts,
        }
        return self.cache.memo(key, compute, self.meter, holds=holds)


def segment_of(frames: int) -> int:
    """Frames per segment of a run of the suite: a short run would pay for frames that nobody asked for."""
    return min(SEGMENT_FRAMES, frames)
