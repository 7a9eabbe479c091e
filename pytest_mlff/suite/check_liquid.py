"""The liquid: does a run survive, what does it look like, how do its atoms move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.apparatus.declaration import Row

pytestmark = pytest.mark.liquid


def test_stability(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """A short run keeps its temperature and its atoms apart; the net force is shown."""
    mlff_judge(mlff_row)


def test_structure(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Radial distribution function and structure factor."""
    mlff_judge(mlff_row)


def test_transport(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Self-diffusivity."""
    mlff_judge(mlff_row)


def test_pressure(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Density at the reference's pressure, from runs at constant volume."""
    mlff_judge(mlff_row)
