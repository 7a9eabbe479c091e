"""Global state: read, changed for a while, put back; known from the moment at which a framework is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import timeit
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.simulation.surroundings import Surroundings, current, restored, surroundings_of

DTYPE, THREADS = "torch's default dtype", "torch's number of threads"


def change_everything(torch):
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(3)
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = True


def test_all_that_a_model_may_set_is_put_back(tmp_path):
    torch = pytest.importorskip("torch")
    before = current()
    with restored() as watch:
        change_everything(torch)
        np.seterr(all="raise")
        os.chdir(tmp_path)
        there = current()
        changed = there.changed_from(watch.clean)
    assert len(changed) >= 10
    assert changed[DTYPE] == "float64"
    assert changed["torch's default device"] == "meta"
    assert changed["the working directory"] == str(tmp_path)
    assert current() == before
    with there.around():
        assert current() == there
        with before.around():
            assert current() == before
        assert current() == there
    assert current() == before


@pytest.mark.parametrize("place", ["cuda.matmul", "mkldnn.matmul", "cudnn.conv"])
def test_the_newer_words_for_the_precision_of_float32_are_put_back_too(place):
    torch = pytest.importorskip("torch")
    family, part = place.split(".")
    here = getattr(getattr(torch.backends, family), part)
    if not hasattr(here, "fp32_precision"):
        pytest.skip("torch 2.9 has them")
    before = current()
    other = "ieee" if before.values[f"torch's float32 precision of {place}"] == "tf32" else "tf32"
    with restored():
        here.fp32_precision = other
        there = current()
    assert current() == before
    assert (f"torch's float32 precision of {place}", other) in there.parts(before)


def test_an_error_puts_it_back_too():
    before = current()
    with suppress(KeyError), restored():
        np.seterr(all="raise")
        raise KeyError
    assert current() == before
    other = Surroundings({"NumPy's error handling": {**np.geterr(), "divide": "raise"}})
    with suppress(KeyError), other.around():
        assert np.geterr()["divide"] == "raise"
        raise KeyError
    assert current() == before


def test_what_is_the_frameworks_own_has_no_part_in_a_fingerprint():
    torch = pytest.importorskip("torch")
    assert current().parts(current()) == []
    with restored() as watch:
        torch.set_num_threads(torch.get_num_threads() + 1)
        assert [words for words, _ in current().parts(watch.clean)] == [THREADS]
        assert current().parts(current()) == []  # what the machine decides counts only where the model changed it
        torch.set_default_dtype(torch.float64)
        assert current().parts(current()) == [(DTYPE, "float64")]  # a precision counts whoever set it
        np.seterr(all="ignore")
        assert (DTYPE, "float64") in current().parts(watch.clean)
        assert len(current().parts(watch.clean)) == 2


def test_a_framework_is_known_as_its_import_left_it():
    """In a process that has not imported torch: the number of threads was never seen before."""
    pytest.importorskip("torch")
    script = """
    import sys
    import numpy
    from pytest_mlff.simulation.surroundings import current, restored
    with restored() as outer:
        with restored() as inner:
            import torch
            first = torch.get_num_threads()
            torch.set_num_threads(first + 3)
            torch.set_default_dtype(torch.float64)
        assert torch.get_num_threads() == first and torch.get_default_dtype() == torch.float32
        torch.set_num_threads(first + 4)
    assert torch.get_num_threads() == first
    assert outer.clean == inner.clean == current()
    assert not [finder for finder in sys.meta_path if "surroundings" in type(finder).__module__]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


def test_torch_is_not_imported():
    script = (
        "import sys; from pytest_mlff.simulation.surroundings import current; "
        "current().apply(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_a_framework_that_refuses_to_be_read_is_left_alone(monkeypatch):
    def refuse():
        raise RuntimeError("you mixed two interfaces")

    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))  # in the middle of its import
    assert DTYPE not in current().values
    fake = SimpleNamespace(get_default_dtype=refuse, get_num_threads=lambda: 4, set_num_threads=None)
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert DTYPE not in current().values
    with Surroundings({DTYPE: "float64", THREADS: 2}).around():  # it runs all the same
        assert current().values[THREADS] == 4


def test_the_64_bit_mode_of_jax(monkeypatch):
    config = SimpleNamespace(jax_enable_x64=False, update=lambda name, value: setattr(config, name, value))
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(config=config))
    with restored():
        config.jax_enable_x64 = True
        there = current()
    assert config.jax_enable_x64 is False
    assert there.parts(current()) == [("JAX's 64-bit mode", "True")]


def test_a_folder_that_is_gone_is_no_reason_to_stop(tmp_path):
    gone = tmp_path / "gone"
    with Surroundings({"the working directory": str(gone)}).around():
        assert current().values["the working directory"] != str(gone)


def test_inside_itself_it_costs_next_to_nothing():
    here = current()

    def enter():
        with here.around():
            pass

    with here.around():
        assert min(timeit.repeat(enter, number=1000, repeat=5)) / 1000 < 50e-6


def test_a_model_without_any_runs_as_things_are():
    assert surroundings_of(SimpleNamespace()) == Surroundings()
    with Surroundings().around():
        pass
