"""The loader of oracles itself."""

import json

import pytest


def test_an_installed_oracle_is_handed_out(oracle):
    assert oracle("json") is json


def test_a_missing_oracle_skips_with_the_reason(oracle, monkeypatch):
    monkeypatch.delenv("MLFF_REQUIRE_ORACLES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no_such_oracle"):
        oracle("no_such_oracle")


def test_a_missing_oracle_fails_where_oracles_are_required(oracle, monkeypatch):
    monkeypatch.setenv("MLFF_REQUIRE_ORACLES", "1")
    with pytest.raises(pytest.fail.Exception, match=r"no_such_oracle.*MLFF_REQUIRE_ORACLES"):
        oracle("no_such_oracle")
