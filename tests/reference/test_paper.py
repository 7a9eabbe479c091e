"""The paper's tables beside the reference data."""

import pytest
import xarray as xr

from pytest_mlff.reference.paper import PUBLISHED, comparison
from pytest_mlff.simulation.systems import state_points


class Stored:
    """A reference in which every number is the paper's own, but for the unit."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def observable(self, state, name):
        (item,) = [item for item in PUBLISHED if (item.state, item.observable) == (state, name)]
        value = item.molecular_dynamics / item.factor * self.scale
        return xr.Dataset({item.variable: value, f"{item.variable}_stderr": 0.01 * value}, attrs={"replicas": 8})


@pytest.mark.parametrize(("scale", "shown"), [(1.0, "+0.0%"), (0.8, "+25.0%"), (1.25, "-20.0%")])
def test_the_paper_is_compared_with_ours(scale, shown):
    lines = [line.split(" | ") for line in list(comparison(Stored(scale)))[2:]]
    assert len(lines) == len(PUBLISHED)
    assert {line[4] for line in lines} == {shown}


def test_diffusivities_are_printed_in_square_microns():
    line = next(line for line in comparison(Stored()) if "100K-4000" in line and "D /" in line)
    assert "| 3673 ± 37 |" in line


def test_every_state_is_one_of_the_reference():
    assert {item.state for item in PUBLISHED} <= {*state_points(), "paper"}
