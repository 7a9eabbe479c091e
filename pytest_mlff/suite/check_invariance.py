"""Symmetries, conservation laws, and what lies beyond the equilibrium data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.apparatus.declaration import Row

pytestmark = pytest.mark.invariance


def test_symmetry(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """What may be done to a structure without changing its forces; and asking twice."""
    mlff_judge(mlff_row)


def test_conservation(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Net force, torque, and forces and stress as derivatives of an energy that a run keeps."""
    mlff_judge(mlff_row)


def test_extremes(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Two atoms from inside the core to beyond the cutoff, and the liquid at 300 K."""
    mlff_judge(mlff_row)
