"""What a calculator does on a few argon atoms, and the fingerprint that identifies a model.

The probe is three fixed configurations in periodic cells of 22 Å: four atoms; a rattled piece of the
crystal; a rattled piece at liquid density that straddles the cell's faces. The cells are wide because
calculators that count only nearest images refuse cells narrower than twice their cutoff; every distance is
above 3 Å, as in the liquid.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.errors import ModelError, SpecError
from pytest_mlff.foreign import described, one_line, place, raise_interrupt
from pytest_mlff.simulation.answers import ask_energy, ask_stress, real_numbers

PROBE_BOX = 22.0
"""Edge of the probe's cubic cells in Å."""

_RESOLUTION_BITS = 30
_ARGON = re.compile(
    r"\b(?:Ar|[Aa]rgon)\b|(?i:atomic[ _-]?num|\bspecies\b|\bchemical\b|atom[ _-]?types?\b|\bZ\s*=|"
    r"\belements?\b.*\b18\b|(?:known|unknown|supported|unsupported|trained)\b.*\belements?\b|\belements?\b.*(?:known|support|trained))"
)
"""How models say that they do not know an element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a calculator did on the probe configurations.

    Attributes
    ----------
    provides : frozenset of str
        Subset of ``{"energy", "forces", "stress"}``; always holds ``forces``.
    repeatable : bool
        Whether the forces came out bitwise equal the second time, in another order.
    forces : tuple of ndarray
        Per configuration, shape (atom, 3), float64, in eV/Å.
    dtype : str
        Type of the numbers the model computes with, as far as it shows.
    device : str
        Device it computes on, as far as it shows; ``cpu`` where nothing does.
    noise : float
        Largest difference between the forces of the first and of the second time, in eV/Å.
    notes : tuple of str
        What is odd but no reason to refuse the model.
    listed : frozenset of str
        Energy and stress, as far as the calculator lists them among its ``implemented_properties``.
    unusable : mapping of str to str
        Of energy and stress what it lists or returns and what cannot be used, and why.
    """

    provides: frozenset[str]
    repeatable: bool
    forces: tuple[NDArray[np.float64], ...]
    dtype: str
    device: str
    noise: float = 0.0
    notes: tuple[str, ...] = ()
    listed: frozenset[str] = frozenset()
    unusable: Mapping[str, str] = field(default_factory=dict)


def probe_positions() -> tuple[NDArray[np.float64], ...]:
    """Positions of the three probe configurations.

    Returns
    -------
    tuple of ndarray
        Shapes (4, 3), (32, 3), (32, 3), in Å, inside a cubic cell of edge ``PROBE_BOX``; multiples of 0.001
        Å, so that every machine has the same ones.
    """
    four = np.array([[8.0, 9.0, 10.0], [11.7, 9.2, 10.1], [9.9, 12.3, 9.7], [9.6, 10.3, 13.1]])
    crystal = 4.0 + _fcc_piece(5.27) + _rattle(0.1, phase=0.3)
    liquid = np.round(_fcc_piece(5.9) + _rattle(0.4, phase=1.1) - 3.0, 3) % PROBE_BOX
    return four, np.round(crystal, 3), np.round(liquid, 3)


def _fcc_piece(edge: float) -> NDArray[np.float64]:
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    cells = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return np.asarray(edge * (cells + basis).reshape(-1, 3), dtype=np.float64)


def _rattle(amplitude: float, *, phase: float) -> NDArray[np.float64]:
    """Return fixed displacements; a random stream may change between versions of NumPy."""
    index = np.arange(96, dtype=np.float64).reshape(32, 3)
    return np.asarray(np.round(amplitude * np.sin(phase + 2.3 * index + 0.37 * index**2), 3), dtype=np.float64)


def probe(calculator: Any) -> Probe:
    """Compute forces of the probe configurations, twice, and try what else the calculator advertises.

    Parameters
    ----------
    calculator : ase.calculators.calculator.BaseCalculator
        Any ASE calculator.

    Returns
    -------
    Probe
        What came out.

    Raises
    ------
    SpecError
        One line: no forces offered, the calculator raised, forces of the wrong shape or not finite.
    """
    advertised = _advertised(calculator)
    if advertised is not None and "forces" not in advertised:
        offers = ", ".join(sorted(advertised)) or "nothing"
        raise SpecError(f"{_class_name(calculator)} offers {offers}, but no forces; the gate needs forces")
    first, kinds = zip(*(_asked(calculator, positions) for positions in probe_positions()), strict=True)
    second = _in_another_order(calculator)
    listed = frozenset({"energy", "stress"}) & (advertised or frozenset())
    unusable: dict[str, str] = {}
    repeatable = all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    notes = [] if any(forces.any() for forces in first) else ["all forces of the probe atoms are zero"]
    provides = {"forces"}
    for need in ("energy", "stress") if advertised is None else sorted(listed):
        problem = _problem(calculator, need, listed=need in listed)
        if problem is None:
            provides.add(need)
        elif problem:
            unusable[need] = problem
            notes.append(f"{need} cannot be used: {problem}")
    return Probe(
        provides=frozenset(provides),
        repeatable=repeatable,
        forces=first,
        dtype=_torch_traits(calculator)[0] or kinds[0],
        device=_device(calculator),
        noise=max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True)),
        notes=tuple(notes),
        listed=listed,
        unusable=unusable,
    )


def _in_another_order(calculator: Any) -> list[NDArray[np.float64]]:
    """Compute the forces so that both large configurations come after one of another size than the first time.

    What is left over from the configuration before, as far as it had as many atoms, then shows. The last one
    may not come first: ASE keeps results, and would hand them out again.
    """
    four, crystal, liquid = probe_positions()
    after_liquid = probe_forces(calculator, crystal)
    return [probe_forces(calculator, four), after_liquid, probe_forces(calculator, liquid)]


def _advertised(calculator: Any) -> frozenset[str] | None:
    properties = getattr(calculator, "implemented_properties", None)
    try:
        return None if properties is None else frozenset(str(item) for item in properties)
    except TypeError:
        return None


def _atoms(calculator: Any, positions: NDArray[np.float64], edge: float = PROBE_BOX) -> Any:
    from ase import Atoms

    atoms = Atoms(f"Ar{len(positions)}", positions=positions, cell=[edge] * 3, pbc=True)
    atoms.calc = calculator
    return atoms


def probe_forces(calculator: Any, positions: NDArray[np.float64], *, edge: float = PROBE_BOX) -> NDArray[np.float64]:
    """Compute the forces on argon atoms in a cubic periodic cell, and refuse what is none.

    Parameters
    ----------
    calculator : object
        The ASE calculator.
    positions : ndarray, shape (atom, 3)
        In Å.
    edge : float
        Edge of the cell in Å.

    Returns
    -------
    ndarray, shape (atom, 3)
        In eV/Å.

    Raises
    ------
    SpecError
        One line: no forces offered, the calculator raised, forces of the wrong shape or not finite.
    """
    return _asked(calculator, positions, edge)[0]


def _asked(calculator: Any, positions: NDArray[np.float64], edge: float = PROBE_BOX) -> tuple[NDArray[np.float64], str]:
    """Return the forces and the type of number in which they came."""
    from ase.calculators.calculator import PropertyNotImplementedError

    name, n_atoms = _class_name(calculator), len(positions)
    try:
        answer = _atoms(calculator, positions, edge).get_forces()
        forces = real_numbers(answer, "forces", (n_atoms, 3)).copy()
    except PropertyNotImplementedError as error:
        raise SpecError(f"{name} offers no forces ({one_line(str(error))}); the gate needs forces") from error
    except ModelError as error:
        raise SpecError(f"{name}, asked for {n_atoms} argon atoms: {error}") from error
    except BaseException as error:
        raise_interrupt(error)
        where = place(error, calculator)
        way_out = "; the gate runs argon, so the model must support Ar" if _is_about_argon(error) else ""
        raise SpecError(
            f"{name} cannot compute the forces of {n_atoms} argon atoms in a periodic cell of "
            f"{edge:g} Å ({described(error)}{f' at {where}' if where else ''}){way_out}"
        ) from error
    bad = np.flatnonzero(~np.isfinite(forces).all(axis=1))
    if bad.size:
        raise SpecError(
            f"{name} returned forces that are not finite for {bad.size} of {n_atoms} argon atoms "
            f"(first: atom {bad[0]}, {[float(x) for x in forces[bad[0]]]}); every distance there is above 3 Å"
        )
    return forces, str(getattr(answer, "dtype", forces.dtype)).removeprefix("torch.")


def _is_about_argon(error: BaseException) -> bool:
    """Tell whether what failed is the element: a lookup of Ar or 18, or a text that speaks of it."""
    if isinstance(error, LookupError) and re.search(r"\b18\b", described(error)):
        return True
    return _ARGON.search(described(error)) is not None


def _problem(calculator: Any, need: str, *, listed: bool) -> str | None:
    """Compute energy or stress of the last probe configuration; say what is wrong with it, or None.

    Where it is not listed and cannot be computed either, it is not offered: an empty text.
    """
    ask: Callable[[Any], Any] = {"energy": ask_energy, "stress": ask_stress}[need]
    try:
        value = ask(_atoms(calculator, probe_positions()[-1]))
    except ModelError as error:
        return str(error)
    except BaseException as error:
        raise_interrupt(error)
        where = place(error, calculator)
        said = f"the model lists {need}, but raises {described(error)}{f' at {where}' if where else ''}"
        return said if listed else ""
    return None if np.isfinite(value).all() else f"the model's {need} is not finite"


def _class_name(calculator: Any) -> str:
    return type(calculator).__name__


def _device(calculator: Any) -> str:
    device = getattr(calculator, "device", None)
    if isinstance(device, str):
        return device
    if type(device).__module__.partition(".")[0] == "torch":
        return str(device)
    return _torch_traits(calculator)[1] or "cpu"


def _torch_traits(calculator: Any) -> tuple[str, str]:
    """Type and device of the first floating-point parameter of a torch module the calculator holds."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "", ""
    for value in list(getattr(calculator, "__dict__", {}).values()):
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, torch.nn.Module):
                for parameter in item.parameters():
                    if parameter.is_floating_point():
                        return str(parameter.dtype).removeprefix("torch."), str(parameter.device)
    return "", ""


def fingerprint(parts: Sequence[tuple[str, str]], found: Probe) -> str:
    """Hash of what a model is made of and of what it does.

    Parameters
    ----------
    parts : sequence of (str, str)
        Labelled source hashes, arguments and package versions.
    found : Probe
        The probe; its forces count only when they repeat.

    Returns
    -------
    str
        64 hexadecimal digits (sha256); the first 12 to 16 are enough to show.

    Notes
    -----
    The forces enter rounded to 2^-30 (1e-9) of their largest component: finer than any change of float32
    weights, and a million times coarser than the last bits of float64 in which two processes on one machine
    may differ, so that workers agree on the fingerprint. Two machines or devices may disagree in float32;
    then each computes for itself. Forces that do not repeat are left out, and nothing of such a model is
    cached.
    """
    digest = hashlib.sha256(b"pytest-mlff model 1\n")
    for label, value in parts:
        digest.update(f"{len(label)}:{label}={len(value)}:{value}\n".encode("utf-8", "surrogatepass"))
    for forces in found.forces if found.repeatable else ():
        digest.update(f"forces {forces.shape}\n".encode())
        digest.update(_rounded(forces).tobytes())
    return digest.hexdigest()


def _rounded(forces: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = float(np.abs(forces).max())
    if largest == 0.0:
        return np.zeros_like(forces)
    step = 2.0 ** (np.frexp(largest)[1] - _RESOLUTION_BITS)
    return np.asarray(np.round(forces / step) * step + 0.0, dtype="<f8")
