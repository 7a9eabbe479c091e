"""How long and how large to run: the three protocols as frozen records.

Lengths follow from the error bars that the tolerances need; ``docs/protocols.md`` has the measured null
spread of every row. Read at collection: imports only the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

STATE_ATOMS = {f"{temperature}K-{n_atoms}": n_atoms for n_atoms in (256, 4000) for temperature in (95, 100, 110)}
"""Atoms of the liquid state points that the reference covers, by name."""
LIQUID_STATES = tuple(STATE_ATOMS)
"""Their names."""

MIN_LOOK = 58
"""Frames (6.3 ps) of the shortest liquid run that every estimator can use."""

STARTS = 64
"""Start configurations that the reference has of each state point, and slabs at each temperature of the bracket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Melting:
    """Lengths of the slab runs at each temperature.

    Attributes
    ----------
    replicas : int
        Slabs per temperature.
    slabs : int
        As many as the reference has, each of which serves one replica.
    looks : tuple of int
        Frames of each slab at each look.
    """

    replicas: int
    slabs: int
    looks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What a run of the suite does.

    Attributes
    ----------
    name : str
        ``smoke``, ``ci`` or ``full``.
    liquid_states : tuple of str
        State points of the liquid.
    replicas : int
        Independent liquid runs per state point.
    looks : tuple of int
        Frames of each liquid run at which it is judged.
    equilibration_steps : int
        Steps of the candidate before the first frame (2 ps).
    stability_steps : int
        Length of the stability run.
    parity : tuple of (str, int)
        Parity set and number of its configurations.
    invariance_cases : int
        Cases drawn for each symmetry.
    solid_replicas, solid_frames : int
        Runs of the solid at 20 K; 0 where there is none.
    hessian_cells : int
        Cubic cells along each edge of the crystal whose Hessian is taken.
    melting : Melting or None
        The bracket (``ci``) or the ladders (``full``).
    """

    name: str
    liquid_states: tuple[str, ...]
    replicas: int
    looks: tuple[int, ...]
    equilibration_steps: int
    stability_steps: int
    parity: tuple[tuple[str, int], ...]
    invariance_cases: int
    solid_replicas: int
    solid_frames: int
    hessian_cells: int
    melting: Melting | None


_SMOKE = Protocol(
    name="smoke",
    liquid_states=(),
    replicas=0,
    looks=(),
    equilibration_steps=186,
    stability_steps=250,
    parity=(("liquid-256", 20), ("solid-256", 20)),
    invariance_cases=6,
    solid_replicas=0,
    solid_frames=0,
    hessian_cells=6,
    melting=None,
)

_BRACKET = Melting(replicas=12, slabs=STARTS, looks=(15, 30, 45))
_CI = replace(
    _SMOKE,
    name="ci",
    liquid_states=("100K-256",),
    replicas=8,
    looks=(116, 232),
    parity=(("liquid-256", 100), ("liquid-4000", 5), ("solid-256", 100), ("solid-4000", 5)),
    invariance_cases=12,
    solid_replicas=4,
    solid_frames=29,
    hessian_cells=8,
    melting=_BRACKET,
)

_FULL = replace(
    _CI,
    name="full",
    liquid_states=LIQUID_STATES,
    looks=(625, 1250),
    parity=(("liquid-256", 1000), ("liquid-4000", 100), ("solid-256", 1000), ("solid-4000", 100)),
    invariance_cases=40,
    solid_replicas=8,
    solid_frames=464,
    melting=Melting(replicas=24, slabs=24, looks=(300,)),
)

PROTOCOLS: Mapping[str, Protocol] = {"smoke": _SMOKE, "ci": _CI, "full": _FULL}
