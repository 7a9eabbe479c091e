"""The package's own networks: the two that come with it, by name, and checkpoints of one's own, by path.

Two ecosystems of ``models.registry``: ``builtin:model-b`` and ``gnn:path``. A plain path to a checkpoint is
recognised. torch is imported when one is loaded.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.recognition import is_checkpoint
from pytest_mlff.settings.shipped import default_directory


def load_checkpoint(target: str, *, device: str = "auto") -> Any:
    """Load a network of one's own.

    Parameters
    ----------
    target : str
        Path of what ``pytest-mlff train`` wrote.
    device : str
        ``auto``, ``cpu`` or ``cuda[:n]``.

    Returns
    -------
    GnnCalculator
        Its ASE calculator.

    Raises
    ------
    SpecError
        If torch is missing or the checkpoint cannot be read.
    """
    need_torch()
    from pytest_mlff.gnn.calculator import GnnCalculator

    return GnnCalculator(target, device=device)


load_checkpoint.recognises = is_checkpoint  # type: ignore[attr-defined]


def load_builtin(target: str, *, device: str = "auto") -> Any:
    """Load a network that comes with the package.

    Parameters
    ----------
    target : str
        Its name.
    device : str
        ``auto``, ``cpu`` or ``cuda[:n]``.

    Returns
    -------
    GnnCalculator
        Its ASE calculator.

    Raises
    ------
    SpecError
        If there is no such model, or torch is missing.
    """
    names = builtin_names()
    if target not in names:
        raise SpecError(f"there is no builtin model {target!r}; there are {', '.join(names) or 'none'}")
    return load_checkpoint(str(builtin_path(target)), device=device)


def need_torch() -> None:
    """Refuse to go on where torch is not installed.

    Raises
    ------
    SpecError
        Naming the extra that brings it.
    """
    if find_spec("torch") is None:
        raise SpecError("the network needs torch, which is not installed; pip install 'pytest-mlff[gnn]'")


def builtin_names() -> list[str]:
    """Names of the networks that come with the package.

    Returns
    -------
    list of str
        Sorted.
    """
    return sorted(path.stem for path in builtin_path("any").parent.glob("*.pt"))


def builtin_path(name: str) -> Path:
    """Say where the file of a network that comes with the package is.

    Parameters
    ----------
    name : str
        One of :func:`builtin_names`.

    Returns
    -------
    Path
        Its checkpoint.
    """
    return default_directory() / "models" / f"{name}.pt"
