"""Vibrations of the crystal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.apparatus.declaration import Row

pytestmark = pytest.mark.solid


def test_density_of_states(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Phonon density of states, and the number of modes of negative curvature."""
    mlff_judge(mlff_row)
