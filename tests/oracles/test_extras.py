"""The network's tests skip where torch or DGL is missing; where oracles are required, these two are required too."""

import sys

import pytest

NO_WHEEL = pytest.mark.skipif(sys.version_info >= (3, 12), reason="dgl 1.1.3 has no wheel for this Python")


@pytest.mark.parametrize("name", ["torch", pytest.param("dgl", marks=NO_WHEEL)])
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_the_network_and_its_second_backend_can_be_tested(oracle, monkeypatch, name):
    monkeypatch.setenv("DGLBACKEND", "pytorch")
    assert oracle(name).__version__
