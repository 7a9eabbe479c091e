"""Vibrations of the crystal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.checks.catalogue import Row

# a warning of the model's framework is not its physics: users with "error" filters get a verdict too
pytestmark = [pytest.mark.mlff, pytest.mark.solid, pytest.mark.filterwarnings("default")]


def test_density_of_states(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """Phonon density of states, and the number of modes of negative curvature."""
    mlff_judge(mlff_row)
