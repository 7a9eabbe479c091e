"""The paper's tables beside the reference data."""

from pathlib import Path

import pytest
import xarray as xr

from pytest_mlff.reference.data import Reference
from pytest_mlff.study.paper import COUNTERPARTS, PUBLISHED, comparison
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


class Stored:
    """A reference in which every number is the paper's own, but for the unit."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def observable(self, state, name):
        (item,) = [item for item in COUNTERPARTS if (item.state, item.observable) == (state, name)]
        printed = PUBLISHED[item.row].molecular_dynamics.removesuffix(" ± 1.34")
        value = float(printed) / item.factor * self.scale
        return xr.Dataset({item.variable: value, f"{item.variable}_stderr": 0.01 * value}, attrs={"replicas": 8})


@pytest.mark.parametrize(("scale", "shown"), [(1.0, "+0.0%"), (0.8, "+25.0%"), (1.25, "-20.0%")])
def test_the_paper_is_compared_with_ours(scale, shown):
    lines = [line.split(" | ") for line in list(comparison(Stored(scale)))[2:]]
    assert len(lines) == len(COUNTERPARTS)
    assert {line[4] for line in lines} == {shown}


def test_diffusivities_are_printed_in_square_microns():
    line = next(line for line in comparison(Stored()) if "100K-4000" in line and "D /" in line)
    assert "| 3673 ± 37 |" in line


def test_every_state_is_one_of_the_reference():
    assert {item.state for item in COUNTERPARTS} <= {*(state.name for state in ARGON.states), "paper"}


def test_the_page_has_the_table():
    page = Path(__file__).parents[2].joinpath("docs", "reference.md").read_text("utf-8")
    assert page.partition("<!-- reference-table -->\n")[2].startswith("\n".join(comparison(Reference())) + "\n")
