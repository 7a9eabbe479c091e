"""Slabs: sites and cells exactly, the melt where it belongs, and the same seed the same slab."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.analysis.interface import coherent_neighbours
from pytest_mlff.errors import SpecError
from pytest_mlff.potentials import ARGON_SIGMA, lennard_jones
from pytest_mlff.simulation.slabs import (
    BRACKET,
    COEXISTENCE_LADDER,
    PAPER_LADDER,
    Preparation,
    SlabGeometry,
    prepare_slab,
    slab_sites,
)
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import as_cell

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


SMALL = SlabGeometry(
    name="small", lateral_cells=4, solid_cells=3, liquid_cells=3, solid_density=0.93, liquid_density=0.81
)
SHIPPED = [*BRACKET.values(), *PAPER_LADDER.rungs, *COEXISTENCE_LADDER.rungs]


def test_equal_densities_give_one_crystal():
    even = replace(SMALL, liquid_density=SMALL.solid_density)
    position, solid = slab_sites(even, ARGON)
    assert position == pytest.approx(fcc_positions((4, 4, 6), even.spacings[0]))
    assert solid.sum() == len(position) / 2 == even.n_atoms * even.solid_fraction
    assert solid[position[:, 2] < 3 * even.spacings[0] - 0.1].all()


def test_both_parts_have_their_density():
    position, solid = slab_sites(SMALL, ARGON)
    box = np.diagonal(SMALL.state(ARGON, 70.0).cell)
    depth = 3 * SMALL.spacings[0]
    area = box[0] * box[1]
    assert solid.sum() * ARGON_SIGMA**3 / (area * depth) == pytest.approx(0.93)
    assert (~solid).sum() * ARGON_SIGMA**3 / (area * (box[2] - depth)) == pytest.approx(0.81)
    assert np.all((position >= 0) & (position < box))
    assert position[~solid, 2].min() == pytest.approx(depth)


def test_no_two_sites_come_close():
    position, _ = slab_sites(SMALL, ARGON)
    vector = position[:, None] - position[None]
    vector -= np.diagonal(SMALL.state(ARGON, 70.0).cell) * np.round(vector / np.diagonal(SMALL.state(ARGON, 70.0).cell))
    distance = np.linalg.norm(vector, axis=-1)
    assert distance[distance > 0].min() == pytest.approx(SMALL.spacings[0] / np.sqrt(2))


@pytest.mark.parametrize("rung", SHIPPED, ids=lambda rung: f"{rung.geometry.name}-{rung.temperature:g}K")
def test_shipped_slabs_fit_the_potential_and_the_paper(rung):
    state = rung.geometry.state(ARGON, rung.temperature)
    assert np.diagonal(state.cell).min() >= 2 * ARGON.cutoff
    assert state.n_atoms == rung.geometry.n_atoms == len(slab_sites(rung.geometry, ARGON)[0])
    assert state.phase == "slab"
    assert f"{rung.temperature:g}K" in state.name


def test_shipped_states_have_names_of_their_own():
    names = [rung.geometry.state(ARGON, rung.temperature).name for rung in SHIPPED]
    assert len(set(names)) == len(names)


def test_the_paper_geometry_is_one_density_and_large():
    for rung in PAPER_LADDER.rungs:
        state = rung.geometry.state(ARGON, rung.temperature)
        assert state.n_atoms * ARGON_SIGMA**3 / state.volume == pytest.approx(0.844)
        assert state.n_atoms >= 2000
    assert [rung.temperature for rung in PAPER_LADDER.rungs] == [20.0, 61.36, 100.0]


def test_too_narrow_a_slab_is_refused():
    with pytest.raises(SpecError, match=r"16\.59 Å wide.*4 lateral cells"):
        replace(SMALL, lateral_cells=3).state(ARGON, 70.0)


def test_the_melt_is_where_it_belongs():
    """Well inside the solid part nearly all are solid, well inside the liquid part nearly none."""
    slab = prepare_slab(
        SMALL,
        ARGON,
        74.0,
        calculator=lennard_jones(),
        seed=1,
        preparation=Preparation(melt_steps=800, quench_steps=100),
    )
    box = np.diagonal(SMALL.state(ARGON, 74.0).cell)
    solid = coherent_neighbours(slab, np.diag(box)) >= 7
    fraction = (slab[:, 2] % box[2]) / box[2]
    assert solid[(fraction > 0.10) & (fraction < 0.38)].mean() > 0.9
    assert solid[(fraction > 0.65) & (fraction < 0.82)].mean() < 0.2
    assert np.isfinite(slab).all()


def test_held_atoms_stay_and_seeds_count():
    short = Preparation(melt_steps=60, quench_steps=0, relax_steps=0)
    sites, solid = slab_sites(SMALL, ARGON)
    first, again, other = (
        prepare_slab(SMALL, ARGON, 74.0, calculator=lennard_jones(), seed=s, preparation=short) for s in (3, 3, 4)
    )
    assert first[solid] == pytest.approx(sites[solid], abs=1e-5)
    assert np.linalg.norm(first - sites, axis=1)[~solid].min() > 0.01
    assert np.array_equal(first, again)
    assert np.abs(first - other)[~solid].max() > 0.5
