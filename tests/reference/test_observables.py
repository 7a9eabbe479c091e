"""One door to every observable, for both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from pytest_mlff import synthetic
from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import LIQUID, MEASURES, VARIABLES, estimate, measure
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


@pytest.fixture(scope="module")
def walkers():
    """256 Brownian walkers, as long as the first look."""
    return synthetic.brownian_walkers(
        n_replicas=4,
        n_frames=116,
        n_atoms=256,
        cell=23.65 * np.eye(3),
        diffusivity=0.36,
        frame_interval=ARGON.frame_interval,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("name", LIQUID)
def test_every_observable_can_be_measured_on_the_first_look(walkers, name):
    found = measure(name, walkers)
    assert found.attrs["replicas"] == 4
    for variable in (*found.data_vars, *found.coords):
        assert "units" in found[variable].attrs, variable
    if name in VARIABLES:
        variable = VARIABLES[name]
        assert f"{variable}_stderr" in found


@pytest.mark.parametrize("name", ["diffusion", "long_diffusion"])
def test_diffusion_is_that_of_the_walkers(walkers, name):
    found = estimate(measure(name, walkers), "D")
    assert found.dof == 3
    assert abs(found.value - 0.36 * (1 - 1 / 256)) < 5 * found.stderr


def test_structure_is_that_of_every_fourth_frame(walkers):
    g = measure("rdf", walkers)
    spoilt = walkers.copy(deep=True)
    spoilt["position"][:, 1::4] = 0.0
    xr.testing.assert_identical(measure("rdf", spoilt), g)
    spoilt["position"][:, 4] = 0.0
    assert not measure("rdf", spoilt).identical(g)


def test_g_of_r_ends_at_half_the_box_or_four_sigma(walkers):
    assert float(measure("rdf", walkers)["r"].max()) < 11.825
    wide = walkers.assign(cell=walkers["cell"] * 2)
    assert float(measure("rdf", wide)["r"].max()) == pytest.approx(13.6, abs=0.1)


def test_an_estimate_is_taken_with_its_error_and_its_place():
    found = xr.Dataset(
        {
            "D": ((), 0.3),
            "D_stderr": ((), 0.1),
            "gamma": (("q",), [1.0, 2.0]),
            "gamma_stderr": (("q",), [0.1, 0.2]),
            "bare": ((), 1.0),
        },
        attrs={"replicas": 8},
    )
    one, two = estimate(found, "D"), estimate(found, "gamma", 1)
    assert (one.value, one.stderr, one.dof) == (0.3, 0.1, 7.0)
    assert (two.value, two.stderr, two.dof) == (2.0, 0.2, 7.0)
    for missing in ("bare", "nothing"):
        with pytest.raises(ReferenceDataError, match=f"no '{missing}' with an error bar among D, D_stderr"):
            estimate(found, missing)


def test_measures_and_their_numbers_belong_together():
    assert set(VARIABLES) <= set(MEASURES)


def test_the_reference_is_a_model_like_any_other():
    model = ReferenceModel(ARGON)
    assert model.provides == {"energy", "forces", "stress"}
    assert model.repeatable
    assert model.spec == ARGON.reference
    other = ReferenceModel(replace(ARGON, reference="pytest_mlff.potentials:lennard_jones(epsilon=0.02)"))
    assert other.fingerprint != model.fingerprint
    assert (model.calculator.epsilon, other.calculator.epsilon) == (0.0103, 0.02)
