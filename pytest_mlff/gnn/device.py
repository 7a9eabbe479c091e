"""Where a network runs: the names that a user gives, and what torch sees. Imports nothing of this room."""

from __future__ import annotations

import re

import torch

from pytest_mlff.errors import SpecError


def torch_device(wanted: str) -> str:
    """Check that a device is there.

    Parameters
    ----------
    wanted : str
        ``auto``, ``cpu`` or ``cuda[:n]``.

    Returns
    -------
    str
        What torch calls it; for ``auto`` CUDA where torch sees one, else the CPU.

    Raises
    ------
    SpecError
        If it is none of these, or not there.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    found = re.fullmatch(r"cpu|cuda(?::(0|[1-9]\d*))?", wanted)
    if found is None:
        raise SpecError(f"device {wanted!r}: it is auto, cpu or cuda[:n]")
    count = torch.cuda.device_count()
    if wanted != "cpu" and int(found[1] or 0) >= count:
        raise SpecError(f"device {wanted!r}: torch sees {count} CUDA device(s); use cpu, or a torch with CUDA")
    return wanted
