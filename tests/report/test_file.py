"""The file of ``--mlff-json`` during a run."""

from __future__ import annotations

import json
import os

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.report.file import ALLOWANCE_S, SHARE, RecordsFile, check_target


@pytest.mark.parametrize("length", [245, 250, 255])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, length):
    path = tmp_path / ("x" * (length - 5) + ".json")
    RecordsFile(check_target(path)).write({"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("length", [256, 300, 5000])
def test_a_longer_one_is_one_line(tmp_path, length):
    with pytest.raises(SpecError, match=r"--mlff-json=.*: File name too long$"):
        check_target(tmp_path / ("x" * (length - 5) + ".json"))
    assert os.listdir(tmp_path) == []


def test_a_name_that_is_none(tmp_path):
    with pytest.raises(SpecError, match="null"):
        check_target(tmp_path / "a\0b")


def test_an_old_file_is_gone_while_models_load(tmp_path):
    """What they do, ``os._exit`` for one, must not leave records of an earlier run as those of this one."""
    path = tmp_path / "run.json"
    path.write_text("old")
    file = RecordsFile(path)
    with file.old_one_aside():
        assert not path.exists()
        file.write({"a": 1})
    assert os.listdir(tmp_path) == ["run.json"]
    assert path.read_text() != "old"


@pytest.mark.parametrize("error", [SpecError("no such module"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_a_run_that_is_refused_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(SpecError if isinstance(error, OSError) else type(error)), RecordsFile(path).old_one_aside():
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_rewriting_stays_cheap(tmp_path):
    """Rows at once while there are few; with thousands only a small part of the time goes into it."""
    now = 0.0

    def clock() -> float:
        return now

    def document() -> dict[str, int]:
        nonlocal now, written
        now += cost
        written += 1
        return {"row": row}

    file, written, cost = RecordsFile(tmp_path / "run.json", clock=clock), 0, 0.01
    for row in range(54):
        file.offer(document)
        assert json.loads((tmp_path / "run.json").read_text()) == {"row": row}
    cost = 0.1
    for row in range(20_000):  # noqa: B007
        now += 0.01
        file.offer(document)
    assert 0.5 < cost * (written - 54) / (ALLOWANCE_S + SHARE * now) < 1.1


def test_a_disk_that_is_full_for_a_while_costs_no_run(tmp_path, monkeypatch):
    file = RecordsFile(tmp_path / "run.json")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        file.offer(lambda: {"row": 1})
        with pytest.raises(OSError, match="No space"):
            file.write({"row": 1})
    file.offer(lambda: {"row": 2})
    assert json.loads((tmp_path / "run.json").read_text()) == {"row": 2}
