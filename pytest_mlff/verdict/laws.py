"""Rows of the tolerance table for symmetries and conservation laws, as plain data.

A part of the one table, read by :mod:`pytest_mlff.verdict.tolerances` and nobody else; all of them are upper
limits. Imports nothing: the plugin reads it at collection.
"""

from __future__ import annotations

from typing import NamedTuple


class Law(NamedTuple):
    """One row.

    Attributes
    ----------
    key, observable, limit, unit, reason, source
        As in :class:`pytest_mlff.verdict.tolerances.Tolerance`.
    in_smoke : bool
        Whether it is judged in ``smoke`` as well.
    needs : frozenset of str
        What the model must provide beside forces.
    """

    key: str
    observable: str
    limit: float
    unit: str
    reason: str
    source: str
    in_smoke: bool = False
    needs: frozenset[str] = frozenset()


_CHOICE = "choice of this project"
_MEASURED = "measured with this package on the reference"
_ENERGY = frozenset({"energy"})


def _exact(key: str, change: str, *, in_smoke: bool = True) -> Law:
    return Law(
        key,
        f"change of the forces {change}, in resolutions of a force",
        8.0,
        "res.",
        "rounding alone gives about one, and up to three where coordinates are larger; the rest is margin",
        "rounding of float32 coordinates and inside the model, measured on the model itself",
        in_smoke,
    )


def _learned(key: str, breach: str) -> Law:
    return Law(
        key,
        f"{breach}, in force errors",
        2.0,
        "errors",
        "independent force errors give 1, and √2 for a rotation; less is what parity has judged",
        _CHOICE,
    )


LAWS = (
    _exact("translation", "when all atoms are moved"),
    _exact("permutation", "when atoms are renumbered"),
    _exact("wrapping", "when atoms are moved by edges of the cell"),
    _exact("determinism", "when they are asked for again"),
    _exact("supercell", "when the cell is repeated", in_smoke=False),
    _exact("small_cell", "in a cell below twice the cutoff", in_smoke=False),
    _learned("rotation", "change of the forces when a structure is turned with its cell"),
    _learned("momentum", "net force"),
    _learned("torque", "torque on an isolated cluster"),
    Law(
        "energy_forces",
        "mismatch of force and −dE/dx, as a fraction of the rms force",
        0.01,
        "",
        "a third of the force error that parity allows; the reference is below 1e-3, for pairs that cross its cutoff",
        f"{_CHOICE}; {_MEASURED}",
        needs=_ENERGY,
    ),
    Law(
        "stress",
        "mismatch of the stress and the strain derivative of the energy",
        6e-6,
        "eV/Å³",
        "10 bar: at the compressibility of liquid argon 0.2 % of the density",
        _CHOICE,
        needs=_ENERGY | {"stress"},
    ),
    Law(
        "nve_drift",
        "drift of the energy per atom without a thermostat",
        4e-6,
        "eV/ps",
        "2 K in the 134 ps of a long run at a heat capacity of 3k: about 4 % of D",
        f"{_CHOICE}; spread of the reference 6e-7, {_MEASURED}",
        needs=_ENERGY,
    ),
    Law(
        "cutoff_continuity",
        "largest jump of force or energy between two atoms, in jumps of the reference",
        2.0,
        "jumps",
        "the reference's own jump at its cutoff, 0.118 meV/Å, is part of what is learned; twice of it is not",
        _CHOICE,
    ),
    Law(
        "dimer",
        "force of the wrong sign between two atoms alone",
        1.3e-3,
        "eV/Å",
        "the force error that parity allows in the liquid: √0.001 of 41 meV/Å",
        _CHOICE,
    ),
    Law(
        "hot",
        "part of a run at 300 K not survived",
        0.0,
        "",
        "a core that holds at 300 K has pairs to spare at 100 K",
        _CHOICE,
    ),
)
"""In the order of the table."""
