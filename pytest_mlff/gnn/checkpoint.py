"""The file of a trained network: what it computes, its weights, and how it was trained.

Tensors and plain builtins only, in a zip archive as torch writes it, read with ``weights_only=True``: a file that
carries anything else is refused before any of it is executed. May import ``network`` and below.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.network import ForceNetwork, NetworkConfig
from pytest_mlff.gnn.recognition import FORMAT
from pytest_mlff.simulation.cache import write_atomically

VERSION = 1
"""Raised when older files can no longer be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A network, trained or in training.

    Attributes
    ----------
    network : NetworkConfig
        Its form.
    weights : mapping of str to Tensor
        State of a :class:`ForceNetwork`.
    force_scale : float
        What the network's output is multiplied with, in eV/Å.
    training : mapping
        Plain builtins: configuration, dataset and its hash, seed, versions, learning curve.
    resume : mapping
        What training goes on from, tensors and builtins; empty when it is finished.
    """

    network: NetworkConfig
    weights: Mapping[str, Any]
    force_scale: float
    training: Mapping[str, Any] = field(default_factory=dict)
    resume: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to write.
    path : Path
        Where.

    Raises
    ------
    CacheError
        If it cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "network": asdict(checkpoint.network),
        "weights": dict(checkpoint.weights),
        "force_scale": float(checkpoint.force_scale),
        "training": dict(checkpoint.training),
        "resume": dict(checkpoint.resume),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Checkpoint
        On the CPU.

    Raises
    ------
    SpecError
        One line: no such file, another kind of file, damaged, cut short, of another version, or with objects in it
        that are neither tensors nor plain data.
    """
    _check_archive(path)
    try:
        content = torch.load(Path(path), map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise SpecError(
            f"{path} carries objects that are neither tensors nor plain data; nothing of it was executed; "
            "write the checkpoint again with `pytest-mlff train`"
        ) from None
    except Exception as error:  # torch raises RuntimeError, ValueError, ... for an archive that it did not write
        raise SpecError(f"{path} is a zip archive, but not torch's ({_short(error)})") from error
    return _checkpoint(content, path)


def _check_archive(path: str | Path) -> None:
    """Refuse what is not a whole zip archive: torch itself passes over the checksums of the weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except FileNotFoundError:
        raise SpecError(f"there is no file {path}") from None
    except Exception as error:  # zipfile raises BadZipFile, OSError, UnicodeDecodeError, NotImplementedError, ...
        raise SpecError(
            f"{path} is no checkpoint: it is damaged, cut short or another kind of file ({_short(error)})"
        ) from error
    if damaged is not None:
        raise SpecError(
            f"{path} is damaged: the checksum of {damaged} in it is wrong; copy it again, or train it again"
        )


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _checkpoint(content: Any, path: str | Path) -> Checkpoint:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SpecError(f"{path} is a torch file, but not a network of pytest-mlff (`pytest-mlff train` writes these)")
    if content.get("version") != VERSION:
        raise SpecError(
            f"{path} has checkpoint version {content.get('version')!r}, this pytest-mlff reads {VERSION}; "
            "train it again, or use the pytest-mlff that wrote it"
        )
    try:
        form = {item.name: content["network"][item.name] for item in fields(NetworkConfig)}
        form["species"] = tuple(form["species"])
        checkpoint = Checkpoint(
            network=NetworkConfig(**form),
            **{key: content[key] for key in ("weights", "force_scale", "training", "resume")},
        )
        build_network(checkpoint)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpecError(f"{path} lacks a part of a network ({_short(error)}); train it again") from error
    return checkpoint


def build_network(checkpoint: Checkpoint) -> ForceNetwork:
    """Make the network of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        From :func:`load_checkpoint`.

    Returns
    -------
    ForceNetwork
        With its weights, in the default dtype, for inference.

    Raises
    ------
    RuntimeError
        If the weights do not fit the form.
    """
    with torch.random.fork_rng(devices=[]):  # it draws weights, though they are replaced at once
        network = ForceNetwork(checkpoint.network)
    network.load_state_dict(dict(checkpoint.weights))
    return network.eval()
