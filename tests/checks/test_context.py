"""What a check gets: starts drawn by the seed, lengths, kept results, and the user's changes."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.errors import CacheError, ReferenceDataError, SpecError
from pytest_mlff.gate import assembly as module
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.md import SEGMENT_FRAMES
from pytest_mlff.systems.protocols import STARTS
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


def test_starts_are_different_ones_drawn_by_the_seed(context, altered):
    one, same, other = (context(altered(), seed=seed) for seed in (1, 1, 2))
    found = one.starts("start/100K-256", 8)
    starts = found.positions
    assert starts.shape == (8, 256, 3)
    assert len({start.tobytes() for start in starts}) == 8
    np.testing.assert_array_equal(starts, same.starts("start/100K-256", 8).positions)
    assert not np.array_equal(starts, other.starts("start/100K-256", 8).positions)
    np.testing.assert_array_equal(starts[:3], one.starts("start/100K-256", 3).positions)  # more replicas, same first
    assert found.cells.shape == (8, 3, 3)
    assert set(found.numbers.tolist()) == {18}


def test_no_two_replicas_share_a_start(context, altered):
    here = context(altered())
    starts = here.starts("start/100K-256", STARTS).positions
    assert len(np.unique(starts, axis=0)) == STARTS
    with pytest.raises(SpecError, match=r"65 replicas asked for; the reference has 64 configurations of 'start/100K"):
        here.starts("start/100K-256", STARTS + 1)


def test_memo_keeps_results_by_model_and_parts(context, altered):
    one, other = context(altered()), context(altered(name="other"))
    computed = []

    def ask(where, parts):
        def compute():
            computed.append(parts)
            return {"x": np.array(1.0)}

        return where.memo("what", parts, compute)

    for where, parts in ((one, {"a": 1}), (one, {"a": 1}), (one, {"a": 2}), (other, {"a": 1})):
        assert float(ask(where, parts)["x"]) == 1.0
    assert len(computed) == 3
    again = context(altered())
    ask(again, {"a": 1})
    assert len(computed) == 3


def lengths(context, monkeypatch, state, frames):
    """Segment length and steps of equilibration of the run behind a trajectory."""
    seen = []
    monkeypatch.setattr(
        "pytest_mlff.apparatus.context.simulate", lambda workshop, run, starts, n_frames: seen.append((run, n_frames))
    )
    context.trajectory(state, replicas=2, frames=frames)
    ((run, n_frames),) = seen
    assert n_frames == frames
    return run.segment_frames, run.equilibration_steps


def test_no_segment_is_longer_than_the_run(context, altered, monkeypatch):
    ci = context(altered(), protocol="ci")
    assert lengths(ci, monkeypatch, "100K-256", 116) == (SEGMENT_FRAMES, 186)
    assert lengths(ci, monkeypatch, "20K-solid-256", ci.protocol.solid_frames)[0] == ci.protocol.solid_frames
    assert [lengths(ci, monkeypatch, "100K-256", frames)[0] for frames in (58, 116)] == [58, 58]


def test_a_limit_on_speed_is_one_for_all_sizes(context, altered):
    found = context(altered(), config={"speed": {"limits": {"ms_per_call": 12.0}}}).tolerances
    for size in (256, 2048, 4000):
        assert (found[f"ms_per_call-{size}"].kind, found[f"ms_per_call-{size}"].limit) == ("upper", 12.0)
    assert found["ms_per_step-256"].kind == "info"
    for both in ({"ms_per_call": 12.0, "ms_per_call-256": 3.0}, {"ms_per_call-256": 3.0, "ms_per_call": 12.0}):
        found = context(altered(), config={"speed": {"limits": both}}).tolerances
        assert [found[f"ms_per_call-{size}"].limit for size in (256, 2048)] == [3.0, 12.0]


def test_what_cannot_be_used_is_refused(context, altered, tmp_path):
    with pytest.raises(SpecError, match="no tolerance row 'difusion'"):
        context(altered(), config={"liquid": {"limits": {"difusion": 0.1}}})
    (tmp_path / "file").touch()
    with pytest.raises(CacheError):
        context(altered(), cache_dir=tmp_path / "file")
    with pytest.raises(ReferenceDataError):
        module.build_context(module_settings(tmp_path), altered(), reference=tmp_path)


def module_settings(tmp_path):
    from pytest_mlff.settings import Settings

    return Settings(cache_dir=tmp_path / "cache")


def test_forces_that_do_not_repeat_are_not_kept_for_the_next_run(context, altered, tmp_path, monkeypatch):
    wild = context(altered(repeatable=False))
    assert tmp_path not in wild.cache.root.parents
    assert context(altered(repeatable=False)).cache.root == wild.cache.root  # within a run they are
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "abc123")
    module._folder_of_this_run.cache_clear()
    try:
        assert module._cache_root(tmp_path, altered(repeatable=False)).name == "pytest-mlff-abc123"
    finally:
        module._folder_of_this_run.cache_clear()
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID")
    assert context(altered(repeatable=False)).cache.root != wild.cache.root  # a new run knows nothing
    assert context(ReferenceModel(ARGON)).cache.root == tmp_path / "cache"


@pytest.mark.parametrize("repeatable", [True, False])
def test_what_the_user_reads_later_lies_in_the_users_cache(context, altered, tmp_path, repeatable):
    assert context(altered(repeatable=repeatable)).workshop.keep == tmp_path / "cache"


def test_the_folder_that_workers_share_is_the_one_that_is_removed(altered, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "abc123")
    module._folder_of_this_run.cache_clear()
    try:
        shared = module.build_context(module_settings(tmp_path), altered(repeatable=False)).cache.root
    finally:
        module._folder_of_this_run.cache_clear()
    (shared / "kept").touch()
    module.remove_shared_folder("another")
    assert shared.is_dir()
    module.remove_shared_folder("abc123")
    assert not shared.exists()
    module.remove_shared_folder("abc123")  # and where there is none, nothing happens
