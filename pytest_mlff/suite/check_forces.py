"""Forces and energies on held-out configurations, liquid and solid."""

from __future__ import annotations

from collections.abc import Callable

from pytest_mlff.apparatus.declaration import Row


def test_parity(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """1 − R² of the forces against the reference potential, per phase and size."""
    mlff_judge(mlff_row)


def test_energy(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """1 − R² of the energy, per phase, and how far the phases are apart."""
    mlff_judge(mlff_row)
