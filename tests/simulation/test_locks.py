"""Locks: waits that speak and end, file systems without locks, a cache of several users."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from filelock import Timeout

from pytest_mlff.errors import BudgetExhausted
from pytest_mlff.simulation import locks
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.cache import Cache, content_key
from pytest_mlff.simulation.locks import Wait, held, holder
from pytest_mlff.simulation.meter import Meter, NoProgress

fcntl = pytest.importorskip("fcntl")


def one() -> dict[str, np.ndarray]:
    return {"x": np.array(1.0)}


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_locks_nothing_and_works(tmp_path, monkeypatch, code):
    def flock(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    store = Cache(tmp_path)
    assert (store.locks, store.writable) == (False, True)
    assert float(store.memo({"a": 1}, one)["x"]) == 1.0
    with store.lock(content_key({"a": 2})):  # as if another process computed it
        assert float(store.memo({"a": 2}, one)["x"]) == 1.0
    assert not list(tmp_path.rglob("*.lock"))


def test_a_file_system_with_locks_has_them(tmp_path):
    assert Cache(tmp_path).locks


def test_who_holds_a_lock_says_so_beside_it(tmp_path):
    path = tmp_path / "a.lock"
    with held(path, 0o644):
        said = holder(path)
        assert said.startswith(f"process {os.getpid()} on ")
        assert ", which computes it since 20" in said
        with pytest.raises(Timeout), held(path, 0o644):
            pass
        assert holder(path) == said
    assert holder(path).startswith("another process")
    assert [file.name for file in tmp_path.iterdir()] == ["a.lock"]


class Heard(NoProgress):
    def __init__(self):
        self.lines, self.whom = [], []

    def say(self, line):
        self.lines.append(line)

    def wait(self, whom):
        self.whom.append(whom)


def test_a_long_wait_is_shown_after_five_seconds_and_said_once_after_ten(monkeypatch):
    now, heard = [0.0], Heard()
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 1.0))
    wait = Wait(Meter(progress=heard), clock=lambda: now[0])
    wait.over()  # nobody waited
    for _ in range(20):
        wait.pause("process 7 on far, which computes it since noon,")
    wait.over()
    assert len(heard.whom) == 15 + 1
    assert heard.whom[0] == "process 7 on far, which computes it since noon"
    assert heard.whom[-1] == ""
    assert heard.lines == ["mlff: waiting for process 7 on far, which computes it since noon"]


HOLD = """
import sys, time
from pathlib import Path
from pytest_mlff.simulation.cache import Cache
with Cache(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_budget_ends_a_wait_and_says_whom_it_waited_for(tmp_path):
    key = content_key({"a": 1})
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), key], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        expected = rf"budget of 0.5 s was spent before process {other.pid} on .*, which computes it since .*, was done"
        with pytest.raises(BudgetExhausted, match=expected):
            Cache(tmp_path).memo({"a": 1}, one, Meter(Budget(0.5)))
    finally:
        other.kill()
        other.communicate()
    assert float(Cache(tmp_path).memo({"a": 1}, one)["x"]) == 1.0  # a dead process holds nothing


def test_what_came_during_the_wait_is_taken(tmp_path):
    store, computed = Cache(tmp_path), []
    key = content_key({"a": 1})
    entered, go = threading.Event(), threading.Event()

    def hold():
        with store.lock(key):
            entered.set()
            assert go.wait(20)
            store.save(key, {"x": np.array(5.0)})

    other = threading.Thread(target=hold)
    other.start()
    assert entered.wait(20)
    threading.Timer(0.3, go.set).start()
    found = Cache(tmp_path).memo({"a": 1}, lambda: computed.append(1) or one())
    other.join(20)
    assert float(found["x"]) == 5.0
    assert not computed


@pytest.mark.parametrize(
    ("root", "folder", "lock"), [(0o2775, 0o2775, 0o664), (0o777, 0o777, 0o666), (0o755, 0o755, 0o644)]
)
def test_a_folder_that_several_may_write_to_is_shared_whatever_the_umask(tmp_path, root, folder, lock):
    tmp_path.chmod(root)
    before = os.umask(0o022)
    try:
        Cache(tmp_path).memo({"a": 1}, one)
    finally:
        os.umask(before)
    key = content_key({"a": 1})
    path = Cache(tmp_path).path(key)
    assert path.parent.stat().st_mode & 0o7777 == folder
    assert path.with_suffix(".lock").stat().st_mode & 0o777 == lock
