"""The shipped numbers come out again: from other seeds within error, and exactly where nothing is random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.reference import verify as module
from pytest_mlff.reference.verify import verify
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


@pytest.mark.parametrize(("part", "numbers"), [("crystal", 4), ("probe", 1)])
def test_spectra_and_probe_come_out_again(tmp_path, part, numbers):
    found = verify(ARGON, cache_dir=tmp_path, only=part)
    assert len(found) == numbers
    assert [item.name for item in found if not item.agrees] == []


def test_the_probe_is_the_shipped_one_and_no_liquid_is_run_for_it(tmp_path, monkeypatch):
    """Two machines may take the chaos of a liquid elsewhere; what is shipped is judged."""
    monkeypatch.setattr(module, "measured_part", None)
    monkeypatch.setattr(module, "simulate", None)
    (same,) = verify(ARGON, cache_dir=tmp_path, only="probe")
    assert same.agrees
    whole = module.Reference.configurations

    def moved(reference, key):
        found = whole(reference, key)
        shift = 0.05 * np.random.default_rng(0).standard_normal(found.positions.shape)
        return replace(found, positions=found.positions + shift)

    monkeypatch.setattr(module.Reference, "configurations", moved)
    (other,) = verify(ARGON, cache_dir=tmp_path, only="probe")
    assert not other.agrees


@pytest.mark.slow
def test_a_shorter_run_with_another_seed_gives_the_same_numbers(tmp_path, monkeypatch):
    """8 × 12.5 ps against the shipped 64 × 100 ps at 95 K: no estimator's mean moves with the length."""
    monkeypatch.setattr(module, "CI", replace(module.CI, looks=module.CI.looks[:1]))
    found = verify(ARGON, cache_dir=tmp_path, only="95K-256")
    assert len(found) >= 20
    assert [item.name for item in found if not item.agrees] == []
    assert all(item.again.stderr > 2 * item.stored.stderr for item in found)
    squares = [item.deviation**2 for item in found]
    assert sum(squares) / len(squares) < 4.0


def test_what_cannot_be_verified_is_refused(tmp_path):
    with pytest.raises(ReferenceDataError, match="cannot verify 'parity'; there are crystal, probe, pressure, 95K-256"):
        verify(ARGON, cache_dir=tmp_path, only="parity")
