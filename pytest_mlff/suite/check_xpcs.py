"""Relaxation of the liquid as X-ray photon correlation would see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.apparatus.declaration import Row

pytestmark = [pytest.mark.liquid, pytest.mark.dynamics]


def test_relaxation(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Rates of the intermediate scattering functions, shell by shell."""
    mlff_judge(mlff_row)


def test_contrast(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Correlation time from the speckle contrast against exposure."""
    mlff_judge(mlff_row)
