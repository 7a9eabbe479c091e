"""Care of a cache."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from pytest_mlff import cli
from pytest_mlff.errors import CacheError
from pytest_mlff.simulation.cache import Cache, CacheWarning, content_key
from pytest_mlff.simulation.upkeep import FRESH_S, clean, contents

ONE, TWO = content_key({"a": 1}), content_key({"a": 2})
DAY = 86400.0


@pytest.fixture
def store(tmp_path):
    made = Cache(tmp_path)
    for number in (1, 2):
        made.memo({"a": number}, lambda: {"x": np.arange(10)})
    return made


def kinds(shares):
    return {share.kind: share.count for share in shares}


def names(store):
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


def age(path, days, *, read=None):
    """Let a file be so old, and read before so many days (at once by default)."""
    written = time.time() - days * DAY
    os.utime(path, (written if read is None else time.time() - read * DAY, written))


def test_it_says_what_is_there(store):
    store.save_part(content_key({"a": 3}), {"x": np.arange(3)})
    assert kinds(contents(store.root)) == {"entries": 2, "interrupted runs": 1, "locks": 2}
    with pytest.raises(CacheError, match="there is no cache folder"):
        contents(store.root / "nowhere")


def test_stale_locks_damage_and_temporary_files_go_and_results_stay(store):
    folder = store.path(ONE).parent
    (folder / "x.damaged").touch()
    (folder / "fresh.part").touch()
    (folder / "old.part").touch()
    os.utime(folder / "old.part", (0, time.time() - 2 * FRESH_S))
    (folder / f"{ONE}.holder").write_text("a process that was killed")
    store.save_part(ONE, {"x": np.arange(3)})  # killed between the result and its removal
    store.save_part(content_key({"a": 3}), {"x": np.arange(3)})
    removed = kinds(clean(store.root))
    assert removed == {
        "interrupted runs": 1,
        "locks": removed["locks"],
        "names of who holds a lock": 1,
        "damaged entries": 1,
        "files that were being written": 1,
    }
    assert names(store) == sorted([f"{ONE}.npz", f"{TWO}.npz", "fresh.part", f"{content_key({'a': 3})}.partial"])


def test_a_lock_that_is_held_stays(store):
    with store.lock(ONE):
        clean(store.root)
        assert f"{ONE}.lock" in names(store)
        assert f"{ONE}.holder" in names(store)
        assert f"{TWO}.lock" not in names(store)
    clean(store.root)
    assert names(store) == sorted([f"{ONE}.npz", f"{TWO}.npz"])


def test_old_results_go_when_asked_and_reading_keeps_them_young(store):
    for key in (ONE, TWO):
        age(store.path(key), 40)
    assert store.load(TWO) is not None
    assert "entries" not in kinds(clean(store.root))
    assert kinds(clean(store.root, older_than=30 * DAY)) == {"entries": 1}
    assert names(store) == [f"{TWO}.npz"]


def test_unused_results_are_those_that_were_never_read(store):
    age(store.path(ONE), 40)
    age(store.path(TWO), 40, read=35)
    assert kinds(clean(store.root, unused=True)) == {"locks": 2, "entries": 1}
    assert names(store) == [f"{TWO}.npz"]


def test_the_command(store, capsys):
    age(store.path(ONE), 40)
    folder = ["--cache-dir", str(store.root)]
    assert cli.main(["cache", "info", *folder]) == 0
    assert "2 entries, 0.0 MB, the oldest 40.0 days" in capsys.readouterr().out
    assert cli.main(["cache", "clean", "--older-than", "30d", *folder]) == 0
    assert "1 entries" in capsys.readouterr().out
    assert cli.main(["cache", "clean", "--older-than", "12h", *folder]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert cli.main(["cache", "info", "--cache-dir", str(store.root / "no")]) == 2
    with pytest.raises(SystemExit):
        cli.main(["cache", "clean", "--older-than", "long ago", *folder])


def test_an_entry_with_a_valid_checksum_and_wrong_content_is_set_aside_by_name(store):
    with pytest.warns(CacheWarning, match=f"{ONE}.npz does not hold what belongs there: set aside as .*damaged"):
        found = store.memo({"a": 1}, lambda: {"forces": np.ones(2)}, holds=["forces"])
    assert found["forces"].sum() == 2.0
    assert store.path(ONE).with_suffix(".damaged").exists()
