"""How long and how large to run: the three protocols as frozen records, and a user's changes to them.

Lengths follow from the error bars that the tolerances need; ``docs/protocols.md`` has the measured null
spread of every row. Read at collection: imports only the standard library and ``errors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_mlff.errors import SpecError

LIQUID_STATES = tuple(f"{temperature}K-{n_atoms}" for n_atoms in (256, 4000) for temperature in (95, 100, 110))
"""Names of the liquid state points that the reference covers."""

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
    speed_sizes : tuple of int
        Atoms at which a force call is timed.
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
    speed_sizes: tuple[int, ...]


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
    speed_sizes=(256, 2048, 4000),
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


def protocol(name: str, config: Mapping[str, Mapping[str, Any]]) -> Protocol:
    """Find a protocol and apply a user's changes to it.

    Parameters
    ----------
    name : str
        Key of :data:`PROTOCOLS`.
    config : mapping
        Tables of the configuration file: ``liquid`` (``replicas``, ``looks`` in steps, ``state_points``),
        ``solid`` (``replicas``, ``steps``), ``melting`` (``replicas``, ``steps``), ``forces``
        (``configurations``).

    Returns
    -------
    Protocol
        The protocol to run. Changes of what it does not run at all are checked and stay out.

    Raises
    ------
    SpecError
        For a state point the reference does not cover, more replicas than it has starts for, or a length that is
        too short or no whole number of frames.
    """
    chosen = PROTOCOLS[name]
    liquid, solid = _liquid(config.get("liquid", {})), _solid(config.get("solid", {}))
    melting = _melting(chosen.melting or _BRACKET, config.get("melting", {}))
    changes: dict[str, Any] = {
        **(liquid if chosen.liquid_states else {}),
        **(solid if chosen.solid_replicas else {}),
        "melting": chosen.melting and melting,
    }
    if "configurations" in config.get("forces", {}):
        count = config["forces"]["configurations"]
        changes["parity"] = tuple((key, min(count, limit)) for key, limit in _FULL.parity if key in dict(chosen.parity))
    return replace(chosen, **changes)


def _liquid(table: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "replicas" in table:
        changes["replicas"] = _replicas("liquid", table["replicas"], STARTS)
    if "looks" in table:
        changes["looks"] = tuple(_look(steps) for steps in table["looks"])
    if "state_points" in table:
        changes["liquid_states"] = tuple(_known_state(state) for state in table["state_points"])
    return changes


def _solid(table: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "replicas" in table:
        changes["solid_replicas"] = _replicas("solid", table["replicas"], STARTS)
    if "steps" in table:
        changes["solid_frames"] = _frames("solid.steps", table["steps"])
    return changes


def _melting(chosen: Melting, table: Mapping[str, Any]) -> Melting:
    if "replicas" in table:
        chosen = replace(chosen, replicas=_replicas("melting", table["replicas"], chosen.slabs))
    if "steps" in table:
        frames, steps = _frames("melting.steps", table["steps"]), table["steps"]
        if frames < 2:
            raise SpecError(f"melting.steps = {steps} steps; expected at least 20: a drift needs two frames")
        chosen = replace(chosen, looks=(frames,))
    return chosen


def _replicas(table: str, count: int, starts: int) -> int:
    if count > starts:
        raise SpecError(
            f"{table}.replicas = {count}; expected at most {starts}: each replica starts from a configuration of the "
            "reference that no other has"
        )
    return count


def _frames(what: str, steps: int, stride: int = 10) -> int:
    if steps < stride or steps % stride:
        raise SpecError(f"{what} = {steps} steps; expected a positive multiple of {stride}, the steps per frame")
    return steps // stride


def _look(steps: int) -> int:
    frames = _frames("liquid.looks", steps)
    if frames < MIN_LOOK:
        raise SpecError(
            f"liquid.looks = {steps} steps; expected at least {10 * MIN_LOOK}: the longest lag of an estimator is 6 ps"
        )
    return frames


def _known_state(name: str) -> str:
    if name not in LIQUID_STATES:
        raise SpecError(f"liquid.state_points: no {name!r} in the reference; there are {', '.join(LIQUID_STATES)}")
    return name
