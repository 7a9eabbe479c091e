"""The file of a trained network: what it computes, its weights, and how it was trained.

Tensors and plain builtins only, in a zip archive as torch writes it, read with ``weights_only=True``: a file that
carries anything else, or declares more than it holds, is refused before any of it is executed or takes memory
(``archive``). May import ``network`` and below.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.archive import check_archive, short
from pytest_mlff.gnn.network import ForceNetwork, NetworkConfig
from pytest_mlff.gnn.recognition import FORMAT
from pytest_mlff.settings.names import shown
from pytest_mlff.simulation.cache import write_atomically

VERSION = 1
"""Raised when older files can no longer be read."""
LONGEST_CUTOFF = 50.0
"""Of a network, in Å: the file does not bound it, and the number of neighbours grows with its third power."""


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
    check_archive(path)
    try:
        content = torch.load(Path(path), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises RuntimeError, ValueError, ... for an archive that it did not write
        raise SpecError(f"{path} is a zip archive, but not torch's ({short(error)})") from error
    return _checkpoint(content, path)


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
        _check_tensors(content, Path(path).stat().st_size)
        _check_form(form, content["weights"])
        checkpoint = Checkpoint(
            network=NetworkConfig(**form),
            **{key: content[key] for key in ("weights", "force_scale", "training", "resume")},
        )
        build_network(checkpoint)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpecError(f"{path} lacks a part of a network ({short(error)}); train it again") from error
    return checkpoint


def _check_tensors(content: Any, size: int) -> None:
    """Refuse tensors that show more numbers than the file of `size` bytes stores: a copy would need them all."""
    waiting, stored = [content], dict[int, int]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor):
            storage = item.untyped_storage()
            stored[storage.data_ptr()] = storage.nbytes()
            if item.numel() * item.element_size() > storage.nbytes():
                raise ValueError(f"a tensor of shape {tuple(item.shape)} is stored in {storage.nbytes()} bytes")
        elif isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list | tuple | set):
            waiting += item
    if sum(stored.values()) > size:
        raise ValueError(f"tensors of {sum(stored.values())} bytes in a file of {size}")


def _check_form(form: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Refuse a form that the stored weights do not have, before a network is made that is larger than they are.

    The few that are looked at bound it; ``load_state_dict`` compares them all.
    """
    for name in ("hidden", "layers", "radial_functions"):
        if type(form[name]) is not int:
            raise TypeError(f"{name} = {shown(form[name])}")
    if not 0 < form["cutoff"] <= LONGEST_CUTOFF:
        raise ValueError(f"cutoff = {shown(form['cutoff'])} Å, where {LONGEST_CUTOFF:g} is the longest")
    if form["layers"] > len(weights):
        raise ValueError(f"layers = {form['layers']}, and {len(weights)} weights in all")
    h, species, radial = form["hidden"], len(form["species"]), form["radial_functions"]
    wanted = {"embedding.weight": (species, h), "encoder.0.weight": (h, 3 + radial), "encoder.2.weight": (h, h)}
    wanted |= {f"message_layers.{layer}.edge_affine.weight": (h, h) for layer in range(form["layers"])}
    for name, shape in wanted.items():
        if tuple(weights[name].shape) != shape:
            raise ValueError(f"size mismatch: {name} is {tuple(weights[name].shape)}, and {shape} in its form")


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
