"""The crystal: its structure at 20 K, and whether its Hessian is symmetric."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.apparatus.declaration import Row

pytestmark = pytest.mark.solid


def test_structure(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Radial distribution function at 20 K."""
    mlff_judge(mlff_row)


def test_hessian(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Symmetry of the Hessian in the crystal and in a liquid probe."""
    mlff_judge(mlff_row)


def test_pressure(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Density at the reference's pressure, from runs at constant volume."""
    mlff_judge(mlff_row)
