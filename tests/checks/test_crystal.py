"""The crystal's checks: displaced atoms, measured once, serve the symmetry and the spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pytest_mlff.apparatus.crystal import (
    crystal_masses,
    crystal_response,
    crystal_work,
    from_arrays,
    relaxation,
    to_arrays,
)
from pytest_mlff.gate.catalogue import run_check
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


def test_a_data_set_survives_being_taken_apart():
    before = xr.Dataset(
        {
            "rows": (("step", "xyz"), np.arange(6.0).reshape(2, 3), {"units": "eV/Å²"}),
            "noise": ((), 1e-7, {"units": "eV/Å"}),
            "cells": (("xyz",), np.array([2, 2, 2])),
        },
        coords={"step": (("step",), np.array([0.01, 0.02]), {"units": "Å"}), "note": ((), np.array("Γ–X"))},
        attrs={"force_calls": 12, "who": "me"},
    )
    after = from_arrays({name: np.array(values) for name, values in to_arrays(before).items()})
    xr.testing.assert_identical(after, before)
    assert set(after.coords) == {"step", "note"}


def test_the_response_is_measured_once_and_serves_both_checks(context, altered):
    model = altered()
    where = context(model)
    response = crystal_response(where)
    calls = model.calculator.calls
    assert calls <= 20
    again = crystal_response(context(model))
    xr.testing.assert_identical(again, response)
    assert again.attrs == response.attrs
    records = run_check("phonons", where)
    assert model.calculator.calls == calls
    assert records["pdos"].status == "PASS"
    assert records["negative_modes"].candidate == 0.0


def test_the_reference_is_symmetric_in_both_phases(context):
    records = run_check("solid_hessian", context(ReferenceModel(ARGON)))
    assert records["symmetry-solid"].status == records["symmetry-liquid"].status == "PASS"
    assert records["symmetry-liquid"].candidate >= 0.999
    assert "difference step 0.01 Å" in records["symmetry-liquid"].reason


def test_a_wrong_well_shifts_the_spectrum(context, altered):
    record = run_check("phonons", context(altered(epsilon=0.0113)))["pdos"]
    assert record.status == "FAIL"
    assert record.candidate == pytest.approx(np.sqrt(0.0113 / 0.0103) - 1, rel=0.05)  # ν ~ √ε


def test_argon_has_one_atom_to_displace_and_none_to_relax(context):
    where = context(ReferenceModel(ARGON))
    response, work = crystal_response(where), crystal_work(where)
    assert response.sizes["displaced"] == 1
    assert work.calls == response.attrs["force_calls"] == 10
    assert work.atoms == response.sizes["atom"]
    np.testing.assert_array_equal(crystal_masses(where, response), np.full(work.atoms, 39.948))
    assert relaxation(response) == ""
    assert relaxation(response.assign_attrs(relaxation="not at rest")) == "; not at rest"
