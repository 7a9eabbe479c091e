"""The store of results: whole or not at all, verified, locked."""

import errno
import os
import threading

import numpy as np
import pytest
from filelock import Timeout
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.errors import CacheError
from pytest_mlff.simulation import cache, locks
from pytest_mlff.simulation.cache import Cache, CacheWarning, content_key, write_atomically

KEY = content_key({"what": "test"})
JSONABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSONABLE, min_size=2))
def test_the_order_of_the_parts_does_not_matter(parts):
    assert content_key(parts) == content_key(dict(reversed(parts.items())))


@given(st.dictionaries(st.text(), JSONABLE, min_size=1), st.data())
def test_every_part_matters(parts, data):
    name = data.draw(st.sampled_from(sorted(parts)))
    assert content_key(parts) != content_key({**parts, name: ["another", parts[name]]})
    assert content_key(parts) != content_key({k: v for k, v in parts.items() if k != name})


def test_numpy_numbers_are_no_part_of_a_key():
    with pytest.raises(TypeError):
        content_key({"seed": np.float32(1)})


def test_arrays_come_back_as_they_were(tmp_path):
    store = Cache(tmp_path)
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bytes": np.frombuffer(b"\n\x00\n", dtype=np.uint8),
        "text": np.array("Γ = Dq²"),
    }
    assert store.load(KEY) is None
    store.save(KEY, arrays)
    found = store.load(KEY)
    assert found is not None
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_memo_computes_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.array(3.0)}

    for _ in range(2):
        assert float(Cache(tmp_path).memo({"a": 1}, compute)["x"]) == 3.0
    assert float(Cache(tmp_path).memo({"a": 2}, compute)["x"]) == 3.0
    assert len(calls) == 2


def test_memo_keeps_nothing_of_a_failure_and_opens_its_lock(tmp_path):
    store = Cache(tmp_path)
    with pytest.raises(ZeroDivisionError):
        store.memo({"a": 1}, lambda: {"x": np.array(1 / 0)})
    assert float(store.memo({"a": 1}, lambda: {"x": np.array(2.0)})["x"]) == 2.0


def test_memo_makes_a_second_caller_wait(tmp_path):
    entered, go, calls = threading.Event(), threading.Event(), []

    def compute():
        calls.append(1)
        entered.set()
        assert go.wait(10)
        return {"x": np.array(1)}

    def ask():
        Cache(tmp_path).memo({"a": 1}, compute)

    first, second = threading.Thread(target=ask), threading.Thread(target=ask)
    first.start()
    assert entered.wait(10)
    second.start()
    with pytest.raises(Timeout):
        Cache(tmp_path).lock(content_key({"a": 1})).__enter__()
    go.set()
    first.join(10)
    second.join(10)
    assert len(calls) == 1


def damage_header(blob):
    return b"X" + blob[1:]


def damage_payload(blob):
    return blob[:-40] + bytes([blob[-40] ^ 1]) + blob[-39:]


def truncate(blob):
    return blob[: len(blob) // 2]


@pytest.mark.parametrize("damage", [damage_header, damage_payload, truncate, lambda blob: b""])
def test_damaged_files_are_set_aside_with_a_warning(tmp_path, damage):
    store = Cache(tmp_path)
    store.save(KEY, {"x": np.arange(100)})
    path = store.path(KEY)
    spoilt = damage(path.read_bytes())
    path.write_bytes(spoilt)
    with pytest.warns(CacheWarning, match=f"{path.name} fails its checksum"):
        assert store.load(KEY) is None
    assert path.with_suffix(".damaged").read_bytes() == spoilt
    assert store.load(KEY) is None  # said once
    store.save(KEY, {"x": np.arange(100)})
    assert store.load(KEY) is not None


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(*args, **kwargs):
    raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod", "fdopen"])
@pytest.mark.parametrize(("failure", "what"), [(no_space, "No space left"), (read_only, "Read-only")])
def test_what_cannot_be_written_whole_is_not_written(tmp_path, monkeypatch, function, failure, what):
    store = Cache(tmp_path)
    monkeypatch.setattr(cache.os, function, failure)
    with pytest.raises(CacheError, match=f"cache directory .*{KEY[:2]}: {what}.*name another .pytest: --mlff-cache"):
        store.save(KEY, {"x": np.arange(10)})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_interrupt_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"content")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(cache.os, "replace", no_space)
    with pytest.raises(CacheError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_may_be_read_by_others(tmp_path):
    write_atomically(tmp_path / "deep" / "file", b"content")
    assert (tmp_path / "deep" / "file").stat().st_mode & 0o777 == 0o644


def test_a_root_that_is_no_directory_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CacheError, match=r"cannot write to the cache directory .*file"):
            Cache(root)


def test_an_empty_root_that_cannot_be_written_to_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.tempfile, "TemporaryFile", read_only)
    with pytest.raises(CacheError, match="Read-only"):
        Cache(tmp_path)


def test_a_warm_cache_that_cannot_be_written_to_serves(tmp_path, monkeypatch):
    """No lock is taken to read; what is not there is refused before it is computed."""
    assert float(Cache(tmp_path).memo({"a": 1}, lambda: {"x": np.array(3.0)})["x"]) == 3.0
    monkeypatch.setattr(locks.tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(cache, "held", read_only)
    store = Cache(tmp_path)
    assert not store.writable
    assert float(store.memo({"a": 1}, lambda: pytest.fail("it is there"))["x"]) == 3.0
    with pytest.raises(CacheError, match="Read-only"):
        store.memo({"a": 2}, lambda: pytest.fail("it could not be kept"))


def test_locks_and_damage_in_a_directory_that_became_read_only(tmp_path, monkeypatch):
    store = Cache(tmp_path)
    store.save(KEY, {"x": np.arange(3)})
    with store.path(KEY).open("ab") as stream:
        stream.write(b"!")
    monkeypatch.setattr(cache.os, "replace", read_only)
    with pytest.raises(CacheError, match="Read-only"):
        store.load(KEY)
    monkeypatch.setattr(cache, "held", read_only)
    with pytest.raises(CacheError, match="Read-only"), store.lock(KEY):
        pass


def test_what_cannot_be_read_is_named(tmp_path):
    store = Cache(tmp_path)
    store.path(KEY).mkdir(parents=True)
    with pytest.raises(CacheError, match=f"cannot read .*{KEY}.npz"):
        store.load(KEY)
