"""What is not finite is refused, counted and placed; what is finite is let through as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.errors import NonFiniteError
from pytest_mlff.finite import refuse_non_finite


@given(st.data(), st.integers(1, 6), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_one_bad_number_anywhere_is_refused_with_its_place(data, atoms, value):
    numbers = np.zeros((atoms, 3))
    refuse_non_finite("forces are", numbers, "atoms")
    bad = data.draw(st.sets(st.integers(0, atoms - 1), min_size=1))
    numbers[sorted(bad), data.draw(st.integers(0, 2))] = value
    expected = f"forces are not finite in {len(bad)} of {atoms} atoms, first in atom {min(bad)}$"
    with pytest.raises(NonFiniteError, match=expected):
        refuse_non_finite("forces are", numbers, "atoms")


def test_a_single_number_is_shown():
    refuse_non_finite("the energy is", -1.5)
    with pytest.raises(NonFiniteError, match="the energy is not finite: inf"):
        refuse_non_finite("the energy is", np.inf)


def test_nothing_is_not_refused():
    refuse_non_finite("forces are", np.empty((0, 3)))
