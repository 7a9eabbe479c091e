"""Recipes: the form of a network and how it is trained, as a small TOML file.

Tables ``[network]`` and ``[training]`` hold the fields of ``NetworkConfig`` and ``TrainingConfig``; ``epochs`` may
stand in place of ``steps``. Those that come with the package lie in ``recipes/``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from ase.symbols import symbols2numbers

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.gnn.checkpoint import Checkpoint
from pytest_mlff.gnn.composition import Split
from pytest_mlff.gnn.dataset import Phase, configurations, read_dataset
from pytest_mlff.gnn.device import torch_device
from pytest_mlff.gnn.network import NetworkConfig
from pytest_mlff.gnn.training import AUGMENTATIONS, SCHEDULES, Progress, TrainingConfig, train
from pytest_mlff.settings.files import what_is
from pytest_mlff.settings.names import shown, suggest
from pytest_mlff.settings.parsers import not_negative, one_of, positive
from pytest_mlff.settings.toml import parsed, read_toml

_FOLDER = Path(__file__).with_name("recipes")
_TABLES = ("network", "training")
_MAY_VANISH = {"momentum_weight"}
_WORDS = {"schedule": SCHEDULES, "augmentation": AUGMENTATIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to train, and how.

    Attributes
    ----------
    name : str
        The file's stem.
    network : NetworkConfig
        Form of the network.
    training : TrainingConfig
        How it is trained.
    """

    name: str
    network: NetworkConfig
    training: TrainingConfig


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package.

    Returns
    -------
    list of str
        Sorted.
    """
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str | Path, *, configurations: int) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name_or_path : str or Path
        A name, or a TOML file of one's own.
    configurations : int
        Training configurations of the dataset: the steps of an epoch.

    Returns
    -------
    Recipe
        Checked.

    Raises
    ------
    SpecError
        One line that names the file, the key and what may stand there.
    """
    shipped = _FOLDER / f"{name_or_path}.toml"
    path = shipped if what_is(shipped) == "file" else Path(name_or_path)
    if what_is(path) == "nothing":
        name, known = str(name_or_path), recipe_names()
        raise SpecError(f"no recipe or file {name!r}{suggest(name, known)}; recipes: {', '.join(known)}")
    content, _ = read_toml(path, "recipe")
    for name, table in content.items():
        if name not in _TABLES:
            raise SpecError(
                f"{path}: unknown table [{one_line(name)}]{suggest(name, _TABLES)}; "
                "a recipe has [network] and [training]"
            )
        if not isinstance(table, dict):
            raise SpecError(f"{path}: {name} = {shown(table)} must be a table: [{name}]")
    training = dict(content.get("training", {}))
    if "epochs" in training:
        if "steps" in training:
            raise SpecError(f"{path}: [training] has both epochs and steps; give one")
        training["steps"] = parsed(
            path, "epochs", training.pop("epochs"), lambda value: round(positive(value) * configurations)
        )
    network = _checked(path, NetworkConfig, content.get("network", {}))
    return Recipe(
        name=path.stem,
        network=NetworkConfig(**network),
        training=TrainingConfig(**_checked(path, TrainingConfig, training)),
    )


def train_recipe(
    name_or_path: str | Path,
    dataset: Path,
    output: Path,
    *,
    seed: int = 0,
    start: Path | None = None,
    phase: Phase | None = None,
    threads: int = 1,
    device: str = "cpu",
    report: Callable[[Progress], None] = lambda progress: None,
) -> Checkpoint:
    """Train a network by a recipe, or go on with a training that was interrupted.

    Parameters
    ----------
    name_or_path : str or Path
        The recipe.
    dataset : Path
        What ``pytest-mlff dataset`` wrote.
    output : Path
        The checkpoint; continued if it exists.
    seed : int
        Of weights, order and augmentation.
    start : Path, optional
        Finished checkpoint whose weights are trained on.
    phase : {"liquid", "solid", "slab"}, optional
        Train on the configurations of this phase alone; the validation is of all phases, and shows what carries over.
    threads : int
        Threads of torch in this process; with one, a resumed training has the bits of an uninterrupted one.
    device : str
        ``auto``, ``cpu`` or ``cuda[:n]``.
    report : callable
        Called with a :class:`Progress` after each validation.

    Returns
    -------
    Checkpoint
        The finished one.

    Raises
    ------
    SpecError, ReferenceDataError
        If the recipe, the dataset, the output or the device cannot be used.
    """
    where = torch_device(device)
    data = read_dataset(dataset)
    chosen: dict[Split, Phase | None] = {"train": phase, "validation": None}
    splits = {str(split): configurations(data, split=split, phase=only) for split, only in chosen.items()}
    recipe = load_recipe(name_or_path, configurations=len(splits["train"]))
    (species,) = symbols2numbers(json.loads(data.attrs["system"])["symbol"])
    torch.set_num_threads(threads)
    return train(
        recipe.network,
        recipe.training,
        splits,
        output,
        species=species,
        seed=seed,
        start=start,
        device=where,
        provenance={
            "dataset": data.attrs["name"],
            "sha256": data.attrs["sha256"],
            **({"phase": phase} if phase else {}),
        },
        report=report,
    )


def _checked(path: Path, kind: type, table: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a dataclass from a table, each of the type of its default."""
    defaults = {item.name: item.default for item in fields(kind) if item.default is not MISSING}
    checked: dict[str, Any] = {}
    for key, value in table.items():
        if key not in defaults:
            raise SpecError(f"{path}: unknown key {shown(key)}{suggest(key, defaults)}; known: {', '.join(defaults)}")
        wanted = defaults[key]
        if key in _WORDS:
            value = parsed(path, key, value, one_of(_WORDS[key]))
        elif isinstance(wanted, float):
            value = parsed(path, key, value, not_negative if key in _MAY_VANISH else positive)
        elif isinstance(wanted, tuple):
            value = parsed(path, key, value, _numbers)
        elif type(value) is not type(wanted):
            raise SpecError(f"{path}: {key} = {shown(value)}: expected a {type(wanted).__name__} such as {wanted!r}")
        checked[key] = value
    return checked


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or any(type(number) is not int for number in value):
        raise ValueError("expected a list of whole numbers such as [18]")
    return tuple(value)
