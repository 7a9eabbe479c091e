"""Coexistence of solid and liquid."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlff.apparatus.declaration import Row

pytestmark = pytest.mark.melting


def test_melting(mlff_row: Row, mlff_judge: Callable[[Row], None]) -> None:
    """A crystal grows below its melting point and melts above it; in long protocols, where that is."""
    mlff_judge(mlff_row)
