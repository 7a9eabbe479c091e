"""Mutants that are right once: what goes wrong depends on the calls before, on copies, or on the clock."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.calculators.calculator import all_changes

from pytest_mlff.mutants.base import Altered, PythonAltered
from pytest_mlff.mutants.scaled import scaled_epsilon
from pytest_mlff.potentials import LennardJones


class _NanAfter(PythonAltered):
    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls_left = calls

    def _spoil(self, results: dict[str, Any]) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            results["forces"][0] = np.nan


def nan_after(calls: int) -> PythonAltered:
    """From some call on, the first atom's force is not a number.

    Parameters
    ----------
    calls : int
        Calls that go well; the probe at the start takes some of them.

    Returns
    -------
    PythonAltered
        Never recovers.
    """
    return _NanAfter(calls)


class _Slow(PythonAltered):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = tuple(all_changes),
    ) -> None:
        """Compute everything as often as the factor says.

        Parameters
        ----------
        atoms : ase.Atoms, optional
            The configuration; without it the last one.
        properties, system_changes : sequence of str
            As ASE passes them.
        """
        for _ in range(self.factor):
            super().calculate(atoms, properties, system_changes)


def slow(factor: int) -> PythonAltered:
    """Right, and slow.

    Parameters
    ----------
    factor : int
        Of the time for a call, to the reference's own in Python.

    Returns
    -------
    PythonAltered
        Without a native force.
    """
    return _Slow(factor)


class _LeakingState(PythonAltered):
    def __init__(self, memory: float) -> None:
        super().__init__()
        self.memory = memory
        self.last = np.empty((0, 3))

    def _spoil(self, results: dict[str, Any]) -> None:
        now = results["forces"]
        if self.last.shape == now.shape:
            results["forces"] = (1.0 - self.memory) * now + self.memory * self.last
        self.last = now


def leaking_state(memory: float) -> PythonAltered:
    """State left over: forces hold a part of those of the call before, if it had as many atoms.

    Parameters
    ----------
    memory : float
        That part; 1 hands out each result one call late.

    Returns
    -------
    PythonAltered
        As of an iteration that starts from the last result and stops early.
    """
    return _LeakingState(memory)


class _ForgetfulCopy(Altered):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def __copy__(self) -> LennardJones:
        return scaled_epsilon(self.factor)

    def __deepcopy__(self, memo: dict[int, Any]) -> LennardJones:
        return scaled_epsilon(self.factor)


def forgetful_copy(factor: float) -> Altered:
    """Loss of the settings in a copy.

    Parameters
    ----------
    factor : float
        Of the well depth of a copy.

    Returns
    -------
    Altered
        Right itself, with the reference's native force.
    """
    return _ForgetfulCopy(factor)
