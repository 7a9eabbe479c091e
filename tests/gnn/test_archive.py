"""Checkpoints that declare more than they hold: refused from what they say, with no memory taken for it."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.archive import MOST_OBJECTS, MOST_PICKLED, check_archive
from pytest_mlff.gnn.recognition import FORMAT, is_checkpoint

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pytest_mlff.gnn.network import NetworkConfig, initialised

MIB = 2**20


@pytest.fixture
def good(tmp_path):
    form = NetworkConfig(cutoff=5.5, hidden=8, layers=1, radial_functions=4)
    path = tmp_path / "good.pt"
    save_checkpoint(Checkpoint(network=form, weights=initialised(form, seed=0).state_dict(), force_scale=0.04), path)
    return path


def rewritten(path, *, pickled=None, members=(), compression=zipfile.ZIP_STORED):
    """Write the archive again with another ``data.pkl``, more members, or compressed."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, pickled if pickled is not None and name.endswith("/data.pkl") else data)
        for name, data in members:
            archive.writestr(name, data)
    return path


def refusal(path, read=load_checkpoint):
    """The refusal of a file, which may take no memory to speak of."""
    tracemalloc.start()
    try:
        with pytest.raises(SpecError) as caught:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def changed(path, **parts):
    torch.save({**torch.load(path, weights_only=True), **parts}, path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("layers", 10**7, "layers = 10000000, and 23 weights in all"),
        ("layers", 2, "message_layers.1"),
        ("layers", 1.0, "layers = 1.0"),
        ("layers", True, "layers = True"),
        ("hidden", 10**6, "embedding.weight is (1, 8), and (1, 1000000) in its form"),
        ("hidden", 10**12, "embedding.weight is (1, 8)"),
        ("radial_functions", 10**9, "encoder.0.weight is (8, 7), and (8, 1000000003) in its form"),
        ("species", tuple(range(10**5)), "embedding.weight is (1, 8), and (100000, 8) in its form"),
        ("cutoff", 1e6, "cutoff = 1000000.0 Å, where 50 is the longest"),
        ("cutoff", float("nan"), "cutoff = nan Å"),
    ],
)
def test_a_form_that_the_weights_do_not_have_is_refused_before_it_is_made(good, name, value, said):
    form = torch.load(good, weights_only=True)["network"]
    changed(good, network={**form, name: value})
    assert said in refusal(good)


@pytest.mark.parametrize("part", ["weights", "resume"])
def test_a_tensor_that_shows_one_number_a_billion_times_is_refused(good, part):
    content = torch.load(good, weights_only=True)[part]
    changed(good, **{part: {**content, "encoder.2.bias": [torch.zeros(1).expand(10**9)]}})
    assert "a tensor of shape (1000000000,) is stored in 4 bytes" in refusal(good)


def test_a_storage_that_is_larger_than_its_member_is_refused(good):
    with zipfile.ZipFile(good) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        pickled = archive.read(name)
    place = pickled.index(b"cpu")
    number = pickled.index(b"K\x08", place)
    pickled = pickled[:number] + b"J" + struct.pack("<i", 10**9) + pickled[number + 2 :]
    refusal(rewritten(good, pickled=pickled))


def test_compressed_members_are_refused_unread(good):
    bomb = rewritten(good, members=[("archive/data/999", bytes(600 * MIB))], compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < MIB
    assert "its members are compressed" in refusal(bomb)


def test_telling_what_a_file_is_takes_no_memory(tmp_path):
    bomb = tmp_path / "bomb.pt"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("archive/data.pkl", "w") as stream:
        stream.write(FORMAT.encode())
        for _ in range(300):
            stream.write(bytes(MIB))
    tracemalloc.start()
    try:
        assert is_checkpoint(bomb)
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


def test_members_that_share_their_bytes_are_refused(good):
    """The list of members is written twice over, so that ten of them stand for the same bytes."""
    content = bytearray(rewritten(good).read_bytes())
    end = content.rindex(b"PK\x05\x06")
    count, length, start = struct.unpack("<HII", content[end + 10 : end + 20])
    entries, entry = content[start : start + length], content.index(b"PK\x01\x02")
    first = entries[: 46 + sum(struct.unpack("<HHH", content[entry + 28 : entry + 34]))]
    twins = bytearray()
    for letter in b"bcdefghijk":
        twins += first[:46] + bytes([letter]) + first[47:]
    content[start : start + length] = entries + twins
    struct.pack_into("<HHI", content, end + len(twins) + 8, count + 10, count + 10, length + len(twins))
    good.write_bytes(content)
    assert "is no checkpoint: it declares " in refusal(good)


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (b"\x80\x02" + b"\x8f" * (MOST_OBJECTS + 1) + b".", f"more than {MOST_OBJECTS} tensors and containers"),
        (b"\x80\x02" + b"(" * (MOST_OBJECTS + 1) + b".", f"more than {MOST_OBJECTS} tensors and containers"),
        (b"\x80\x02" + b"N" * (MOST_PICKLED + 1) + b".", "bytes beside its tensors"),
        (b"\x80\x02c__builtin__\nbytearray\nJ\x00\x00\x00\x7f\x85R.", "nothing of it was executed"),
        (pickle.dumps(bytearray, protocol=4), "nothing of it was executed"),
        (b"\x80\x02ctorch\nTensor\nJ\x00\x00\x00\x7f\x85R.", "nothing of it was executed"),
        (b"\x80\x05\x96\x00\x00\x00\x00\x01\x00\x00\x00.", "no checkpoint"),
    ],
    ids=["sets", "marks", "long", "bytearray", "stack global", "tensor", "bytearray8"],
)
def test_a_pickle_that_fills_the_memory_is_refused_unpickled(good, pickled, said):
    assert said in refusal(rewritten(good, pickled=pickled))


def test_what_stands_before_the_archive_is_not_read_instead_of_it(good):
    """torch takes a file for a pickle that does not begin as an archive does."""
    good.write_bytes(pickle.dumps({}, protocol=2) + good.read_bytes())
    assert "no checkpoint" in refusal(good)


def test_devices_and_pipes_are_refused_unread(tmp_path):
    pipe = tmp_path / "pipe.pt"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero"):
        assert "is no checkpoint: it is another kind of file, a device or a pipe" in refusal(path, check_archive)
        assert not is_checkpoint(path)


def test_a_small_memory_suffices_to_refuse_a_large_form(good):
    """As a process sees it: torch's own memory is not that of ``tracemalloc``."""
    form = torch.load(good, weights_only=True)["network"]
    changed(good, network={**form, "hidden": 30_000})
    script = f"""
import resource
from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.checkpoint import load_checkpoint
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_checkpoint({str(good)!r})
except SpecError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300 * 1024  # KiB; one layer of that form takes 3.4 GiB
