"""Forces on held-out configurations, liquid and solid."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.checks.catalogue import Row

# a warning of the model's framework is not its physics: users with "error" filters get a verdict too
pytestmark = [pytest.mark.mlff, pytest.mark.filterwarnings("default")]


def test_parity(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """1 − R² of the forces against the reference potential, per phase and size."""
    mlff_judge(mlff_row)
