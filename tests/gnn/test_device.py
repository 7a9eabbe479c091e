"""Where a network runs: what a user may name, and what is there."""

import pytest

from pytest_mlff.errors import SpecError

torch = pytest.importorskip("torch")

from pytest_mlff.gnn.device import torch_device  # noqa: E402


@pytest.fixture
def two_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")],
)
def test_what_is_there_is_taken(two_devices, wanted, found):
    assert torch_device(wanted) == found


@pytest.mark.parametrize("wanted", ["cuda:", "cuda1", "cuda:01", "cuda:-1", "cudafoo", "tpu", "cpu:0", ""])
def test_what_is_no_device_is_refused(two_devices, wanted):
    with pytest.raises(SpecError, match=r"it is auto, cpu or cuda\[:n\]"):
        torch_device(wanted)


def test_what_is_not_there_is_refused(two_devices):
    with pytest.raises(SpecError, match=r"'cuda:2': torch sees 2 CUDA device"):
        torch_device("cuda:2")


def test_without_a_device_there_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert torch_device("auto") == "cpu"
    with pytest.raises(SpecError, match="torch sees 0 CUDA device"):
        torch_device("cuda")
