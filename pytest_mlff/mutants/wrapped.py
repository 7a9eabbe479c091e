"""Any calculator with one known defect: a spec in, the calculator that it names with something wrong out.

    pytest --mlff-model='pytest_mlff.mutants.wrapped:scaled_forces("my_calculator.py:calculator", 0.9)'

They hold for any species and any cell. Strengths are relative, to the forces of the structure at hand, so that one
number means the same in every material. Offered is what the wrapped calculator lists among its
``implemented_properties`` and what still belongs to the spoiled forces; a fast path of its own (``batch_forces``,
``openmm_force``) is not. May import ``models`` and ``simulation`` besides what the other mutants import.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from vesin import NeighborList

from pytest_mlff.errors import SpecError
from pytest_mlff.models.load import make_calculator
from pytest_mlff.mutants.base import FloatArray, envelope
from pytest_mlff.potentials import neighbor_pairs
from pytest_mlff.simulation.answers import ask_energy, ask_forces, ask_stress

REACH = 6.0
"""Distance in Å at which the waves of the noise end."""
WAVES = 4
"""Of each pair of species."""
WAVE_NUMBERS = (2.0, 6.0)
"""Between which they are drawn, in 1/Å: wavelengths of 1 to 3 Å."""
ALL = ("energy", "free_energy", "forces", "stress")


class Wrapped(Calculator):  # type: ignore[misc]  # ase is not typed
    """The calculator that a spec names, asked through a subclass that spoils its answers.

    ``wrapped_from`` tells the fingerprint what is inside.
    """

    def __init__(self, spec: str, device: str, *, keeps: Sequence[str] = ALL) -> None:
        super().__init__()
        self.wrapped_from = parsed, inner = make_calculator(spec, device=device)
        offered = getattr(inner, "implemented_properties", None)
        offered = ["forces"] if offered is None else list(offered)
        if "forces" not in offered:
            raise SpecError(f"{parsed.text} offers {', '.join(offered) or 'nothing'}, but no forces")
        self.implemented_properties = [name for name in offered if name in keeps]
        self.inner = inner
        if hasattr(inner, "device"):
            self.device = inner.device

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = tuple(all_changes),
    ) -> None:
        """Ask the wrapped calculator for what is wanted, and spoil it."""
        super().calculate(atoms, properties, system_changes)
        seen = self._seen(self.atoms)
        seen.set_constraint()
        seen.calc = self.inner
        self.results.update({name: self._spoilt(name, seen) for name in properties})

    def _seen(self, atoms: Any) -> Any:
        """Give the structure that the wrapped calculator is asked for: new atoms."""
        return atoms.copy()

    def _spoilt(self, name: str, seen: Any) -> Any:
        """Give what is handed out: the answer on ``seen``, times the factor of its kind."""
        factor = self._factor(name)
        if name == "forces":
            return factor * ask_forces(seen)
        if name == "stress":
            return factor * full_3x3_to_voigt_6_stress(ask_stress(seen))
        return factor * (self.inner.get_property(name, seen) if name == "free_energy" else ask_energy(seen))

    def _factor(self, name: str) -> float:
        return 1.0


class _ScaledForces(Wrapped):
    def __init__(self, spec: str, factor: float, device: str) -> None:
        super().__init__(spec, device)
        self.factor = factor

    def _factor(self, name: str) -> float:
        return self.factor


def scaled_forces(spec: str, factor: float, *, device: str = "auto") -> Wrapped:
    """All forces, energies and stresses too large by a factor.

    Parameters
    ----------
    spec : str
        Of the calculator.
    factor : float
        Of everything, so that forces and stress stay the derivatives of the energy.
    device : str, optional
        Handed on to the calculator.

    Returns
    -------
    Wrapped
        1 − R² = (factor − 1)²; frequencies are off by half of factor − 1.
    """
    return _ScaledForces(spec, factor, device)


class _Stretched(Wrapped):
    def __init__(self, spec: str, factor: float, device: str) -> None:
        super().__init__(spec, device)
        if not 0.0 < factor < math.inf:
            raise SpecError(f"stretched(..., {factor}): lengths cannot be scaled by that; give a positive number")
        self.factor = factor

    def _seen(self, atoms: Any) -> Any:
        seen = atoms.copy()
        seen.set_constraint()
        seen.set_cell(seen.cell.array / self.factor)
        seen.positions = seen.positions / self.factor
        return seen

    def _factor(self, name: str) -> float:
        return {"forces": self.factor**-1, "stress": self.factor**-3}.get(name, 1.0)


def stretched(spec: str, factor: float, *, device: str = "auto") -> Wrapped:
    """All lengths too large by a factor: bonds, lattice parameter, cutoff.

    Parameters
    ----------
    spec : str
        Of the calculator.
    factor : float
        Of lengths: the energy of a structure is that of the one shrunk by it, E(x/s).
    device : str, optional
        Handed on to the calculator.

    Returns
    -------
    Wrapped
        Forces F(x/s)/s and stress σ(x/s)/s³ are the derivatives of that energy.

    Raises
    ------
    SpecError
        For a factor that is not positive.
    """
    return _Stretched(spec, factor, device)


class _Disturbed(Wrapped):
    """Forces to which others are added that no energy belongs to: energy and stress are dropped."""

    def __init__(self, spec: str, size: float, device: str) -> None:
        super().__init__(spec, device, keeps=("forces",))
        self.size = size

    def _spoilt(self, name: str, seen: Any) -> Any:
        forces = ask_forces(seen)
        added = self._added(seen, forces)
        length = float(np.linalg.norm(added))
        # as large as is asked for in every structure; none where symmetry leaves nothing to scale
        return forces + self.size * float(np.linalg.norm(forces)) / length * added if length else forces

    def _added(self, atoms: Any, forces: FloatArray) -> FloatArray:
        """Give the shape (atom, 3) of what is added, in any unit."""
        raise NotImplementedError


class _Noise(_Disturbed):
    def __init__(self, spec: str, one_minus_r2: float, seed: int, device: str) -> None:
        if not 0.0 <= one_minus_r2 < math.inf:
            raise SpecError(f"noise(..., {one_minus_r2}): 1 − R² of an error is a number >= 0")
        super().__init__(spec, math.sqrt(one_minus_r2), device)
        self.seed = seed

    def _added(self, atoms: Any, forces: FloatArray) -> FloatArray:
        first, second, vector = neighbor_pairs(NeighborList(cutoff=REACH, full_list=False), atoms)
        numbers, r = atoms.numbers, np.linalg.norm(vector, axis=1)
        species = np.sort(np.stack([numbers[first], numbers[second]], axis=1), axis=1)
        size = envelope(r, REACH)[0] / r
        for pair in np.unique(species, axis=0):
            of_pair = (species == pair).all(axis=1)
            rng = np.random.default_rng([self.seed, *map(int, pair)])
            waves, phases = rng.uniform(*WAVE_NUMBERS, WAVES), rng.uniform(0.0, 2 * math.pi, WAVES)
            size[of_pair] *= np.cos(np.multiply.outer(r[of_pair], waves) + phases).sum(axis=1)
        added = np.zeros((len(numbers), 3))
        np.add.at(added, first, size[:, None] * vector)
        np.subtract.at(added, second, size[:, None] * vector)
        return added


def noise(spec: str, one_minus_r2: float, seed: int = 0, *, device: str = "auto") -> Wrapped:
    """Smooth frozen error, as a network has: unrelated waves along the distance of each pair of species.

    Parameters
    ----------
    spec : str
        Of the calculator.
    one_minus_r2 : float
        Its mean square over that of the forces, in every structure.
    seed : int, optional
        Not negative; another one is another error.
    device : str, optional
        Handed on to the calculator.

    Returns
    -------
    Wrapped
        A function of the positions: the same structure has the same error, whatever was asked before. It adds no net
        force and no torque. No energy belongs to it, so energy and stress are dropped.

    Raises
    ------
    SpecError
        For a negative 1 − R².
    """
    return _Noise(spec, one_minus_r2, seed, device)


class _Curl(_Disturbed):
    def _added(self, atoms: Any, forces: FloatArray) -> FloatArray:
        return np.cross([0.0, 0.0, 1.0], forces)


def curl(spec: str, fraction: float, *, device: str = "auto") -> Wrapped:
    """Turn the forces a little about the z axis: no potential has them.

    Parameters
    ----------
    spec : str
        Of the calculator.
    fraction : float
        Norm of what is added, along z × F, to that of the forces: 1 − R² is its square.
    device : str, optional
        Handed on to the calculator.

    Returns
    -------
    Wrapped
        No net force is added. Energy and stress are dropped: there are none.
    """
    return _Curl(spec, fraction, device)


class _NetForce(_Disturbed):
    def _added(self, atoms: Any, forces: FloatArray) -> FloatArray:
        return np.tile([1.0, 0.0, 0.0], (len(forces), 1))


def net_force(spec: str, fraction: float, *, device: str = "auto") -> Wrapped:
    """Add the same force along x on every atom.

    Parameters
    ----------
    spec : str
        Of the calculator.
    fraction : float
        Of the root mean square of an atom's force: 1 − R² is its square.
    device : str, optional
        Handed on to the calculator.

    Returns
    -------
    Wrapped
        Energy and stress are dropped: in a periodic cell none has such forces.
    """
    return _NetForce(spec, fraction, device)
