"""Training: the L1 loss of the paper, a learning-rate schedule, checkpoints, and going on after a kill.

What a step does depends on the configuration, the dataset, the seed and the step's number alone: the order of the
configurations and the rotations come from generators seeded with these. A training that was killed and resumed
ends, on one thread, with the same bits. May import this room and below.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

import pytest_mlff
from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pytest_mlff.gnn.dataset import Configuration
from pytest_mlff.gnn.edges import Edges
from pytest_mlff.gnn.graph import EdgeFinder
from pytest_mlff.gnn.network import ForceNetwork, NetworkConfig, initialised, weights_at_cutoff

Schedule = Literal["cosine", "exponential"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
Augmentation = Literal["none", "cubic", "rotation"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    steps : int
        Optimiser steps (Adam), one configuration each.
    learning_rate, final_learning_rate : float
        At the first and the last step.
    schedule : {"cosine", "exponential"}
        Course between them.
    momentum_weight : float
        λ of the loss L1 + λ |mean force|, both in units of the training forces' rms.
    augmentation : {"none", "cubic", "rotation"}
        What is done to each configuration that is shown: nothing; a random one of the 48 axis permutations and
        sign flips; or every other time any rotation or reflection instead.
    validation_steps : int
        Steps between validations.
    validation_configurations : int
        Configurations used for one, evenly spaced in the split.
    """

    steps: int = 27000
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    schedule: Schedule = "cosine"
    momentum_weight: float = 0.01
    augmentation: Augmentation = "cubic"
    validation_steps: int = 1000
    validation_configurations: int = 60

    def __post_init__(self) -> None:
        for name in ("steps", "learning_rate", "final_learning_rate", "validation_steps", "validation_configurations"):
            if not getattr(self, name) > 0:
                raise SpecError(f"training: {name} = {getattr(self, name)} must be positive")

    def rate(self, step: int) -> float:
        """Learning rate of a step.

        Parameters
        ----------
        step : int
            From 0 on.

        Returns
        -------
        float
            Between the first rate and the final one.
        """
        fraction = step / max(1, self.steps - 1)
        if self.schedule == "exponential":
            return float(self.learning_rate * (self.final_learning_rate / self.learning_rate) ** fraction)
        swing = 0.5 * (1.0 + math.cos(math.pi * fraction))
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * swing


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is.

    Attributes
    ----------
    step, steps : int
        Steps done, and in all.
    loss : float
        Mean over the steps since the last report, in units of the training forces' rms.
    validation : dict of str to float
        1 − R² by phase.
    elapsed, left : float
        Seconds of training so far, over all its parts, and still to go.
    """

    step: int
    steps: int
    loss: float
    validation: Mapping[str, float]
    elapsed: float
    left: float

    def __str__(self) -> str:
        errors = ", ".join(f"{phase} {value:.2e}" for phase, value in self.validation.items())
        return (
            f"step {self.step} of {self.steps}: loss {self.loss:.4f}, validation 1-R2 {errors}, "
            f"{self.elapsed / 60:.0f} min done, {self.left / 60:.0f} min left"
        )


@dataclass(frozen=True, slots=True)
class _Example:
    species: Tensor
    edges: Edges
    force: Tensor
    phase: str


def train(
    network: NetworkConfig,
    config: TrainingConfig,
    splits: Mapping[str, Sequence[Configuration]],
    output: Path,
    *,
    provenance: Mapping[str, Any],
    species: int = 18,
    seed: int = 0,
    start: Path | None = None,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Checkpoint:
    """Train a network, or go on with a training that was interrupted.

    Parameters
    ----------
    network : NetworkConfig
        Form of the network.
    config : TrainingConfig
        How to train it.
    splits : mapping of str to sequence of Configuration
        ``train`` and ``validation``.
    output : Path
        The checkpoint: read if it exists, written every ``checkpoint_seconds`` and at the end.
    provenance : mapping
        Plain builtins that say which dataset this is (name, hash); kept in the checkpoint, and a training is only
        resumed with the same.
    species : int
        Atomic number of all atoms of the configurations.
    seed : int
        Of the weights, the order and the augmentation.
    start : Path, optional
        Finished checkpoint whose weights are trained on, in place of fresh ones, at another cutoff if the form has
        one; the record names its training.
    device : str
        Where it is trained, as torch calls it. The checkpoint does not depend on it: a training may go on elsewhere.
    checkpoint_seconds : float
        Time between checkpoints.
    report : callable
        Called with a :class:`Progress` after each validation.

    Returns
    -------
    Checkpoint
        The finished one.

    Raises
    ------
    SpecError
        If ``output`` holds something else than this training, a split is empty, an atom of a kind that the network
        does not know, or the loss not finite; the last checkpoint is kept then.
    """
    for name in ("train", "validation"):
        if not splits.get(name):
            raise SpecError(f"the dataset has no {name} configurations; training needs some")
    if species not in network.species:
        raise SpecError(f"the data are of atomic number {species}; the network's species are {network.species}")
    record = {
        "training": asdict(config),
        "seed": seed,
        "provenance": dict(provenance),
        "versions": {"pytest-mlff": pytest_mlff.__version__, "torch": str(torch.__version__)},
    }
    run = _Training(network, config, seed, record, output, device)
    if start is not None:
        run.begin_from(start)
    if output.exists() and not run.restore():
        return load_checkpoint(output)
    torch.set_flush_denormal(True)  # gradients fall below 1e-38, where arithmetic is a hundred times slower
    try:
        stride = -(-len(splits["validation"]) // config.validation_configurations)
        chosen = {"train": splits["train"], "validation": splits["validation"][::stride]}
        return run.complete(_examples(network, chosen, species, device), checkpoint_seconds, report)
    finally:
        torch.set_flush_denormal(False)


class _Training:
    """The state that a step changes: weights, optimiser, learning curve."""

    def __init__(
        self,
        network: NetworkConfig,
        config: TrainingConfig,
        seed: int,
        record: dict[str, Any],
        output: Path,
        device: str,
    ) -> None:
        self.config, self.seed, self.record, self.output = config, seed, record, output
        self.network = initialised(network, seed=seed).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.step, self.elapsed, self.scale = 0, 0.0, float("nan")
        self.curve: list[dict[str, float]] = []
        self.losses: list[float] = []

    def begin_from(self, start: Path) -> None:
        """Take another training's weights and force scale, and its record into this one's."""
        found, mine = load_checkpoint(start), self.network.config
        if found.resume or replace(found.network, cutoff=mine.cutoff) != mine:
            why = "is still in training" if found.resume else "has a network of another form"
            raise SpecError(f"{start} {why}; training can only start from a finished network of the same form")
        same = found.network == mine
        self.network.load_state_dict(
            dict(found.weights) if same else weights_at_cutoff(found.weights, found.network, mine)
        )
        self.scale = found.force_scale
        self.record["start"] = dict(found.training)

    def restore(self) -> bool:
        """Take up what the output file holds; False where it is finished already."""
        found = load_checkpoint(self.output)
        mine = {key: self.record.get(key) for key in ("training", "seed", "provenance", "start")}
        mine["network"] = asdict(self.network.config)
        theirs = {**found.training, "network": asdict(found.network)}
        differing = [key for key in mine if theirs.get(key) != mine[key]]
        if differing:
            raise SpecError(
                f"{self.output} is of another training (differs in: {', '.join(differing)}); "
                "name another output, or remove it"
            )
        if not found.resume:
            return False
        self.network.load_state_dict(dict(found.weights))
        self.optimizer.load_state_dict(found.resume["optimizer"])
        self.step, self.elapsed = found.resume["step"], found.resume["elapsed"]
        self.losses = list(found.resume["losses"])
        self.curve = list(found.training["curve"])
        return True

    def save(self, *, finished: bool) -> Checkpoint:
        resume = {
            "optimizer": _on_cpu(self.optimizer.state_dict()),
            "step": self.step,
            "elapsed": self.elapsed,
            "losses": self.losses,
        }
        checkpoint = Checkpoint(
            network=self.network.config,
            weights=_on_cpu(self.network.state_dict()),
            force_scale=self.scale,
            training={**self.record, "curve": self.curve, "elapsed_s": self.elapsed},
            resume={} if finished else resume,
        )
        save_checkpoint(checkpoint, self.output)
        return checkpoint

    def complete(
        self,
        splits: Mapping[str, Sequence[_Example]],
        checkpoint_seconds: float,
        report: Callable[[Progress], None],
    ) -> Checkpoint:
        examples, validation = splits["train"], splits["validation"]
        if math.isnan(self.scale):
            self.scale = _rms(examples)
        started = saved = time.monotonic()
        before = self.elapsed
        while self.step < self.config.steps:
            self._advance(examples)
            self.elapsed = before + time.monotonic() - started
            if self.step % self.config.validation_steps == 0 or self.step == self.config.steps:
                report(self._validated(validation))
            if time.monotonic() - saved > checkpoint_seconds:
                self.save(finished=False)
                saved = time.monotonic()
        return self.save(finished=True)

    def _advance(self, examples: Sequence[_Example]) -> None:
        epoch, place = divmod(self.step, len(examples))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(examples))
        example = examples[order[place]]
        turn = torch.from_numpy(_turn(self.config.augmentation, np.random.default_rng([self.seed, 1, self.step])))
        turn = turn.to(example.force.device)
        edges = Edges(example.edges.vector @ turn.T, example.edges.sender, example.edges.receiver)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        predicted = self.network(example.species, edges)
        error = predicted - example.force @ turn.T / self.scale
        loss = error.abs().mean() + self.config.momentum_weight * predicted.mean(dim=0).norm()
        self.losses.append(float(loss.detach()))
        if not math.isfinite(self.losses[-1]):
            raise SpecError(
                f"the training diverged: the loss of step {self.step} is {self.losses[-1]}; lower learning_rate "
                f"({self.config.learning_rate:g}) and name another output"
            )
        loss.backward()
        self.optimizer.step()
        self.step += 1

    def _validated(self, examples: Sequence[_Example]) -> Progress:
        found = relative_errors(self.network, examples, self.scale)
        loss = float(np.mean(self.losses))
        self.losses = []
        self.curve.append({"step": self.step, "loss": loss, **{f"validation_{key}": x for key, x in found.items()}})
        left = self.elapsed / self.step * (self.config.steps - self.step)
        return Progress(self.step, self.config.steps, loss, found, self.elapsed, left)


def relative_errors(network: ForceNetwork, examples: Sequence[_Example], scale: float) -> dict[str, float]:
    """1 − R² of the forces, for each phase.

    Parameters
    ----------
    network : ForceNetwork
        In training.
    examples : sequence of examples
        Held out.
    scale : float
        Force unit of the network in eV/Å.

    Returns
    -------
    dict of str to float
        By phase, in the order of their names.
    """
    residual: dict[str, float] = {}
    total: dict[str, float] = {}
    with torch.no_grad():
        for example in examples:
            error = scale * network(example.species, example.edges) - example.force
            residual[example.phase] = residual.get(example.phase, 0.0) + float((error**2).sum())
            total[example.phase] = total.get(example.phase, 0.0) + float((example.force**2).sum())
    return {phase: residual[phase] / total[phase] for phase in sorted(total)}


def _examples(
    network: NetworkConfig, splits: Mapping[str, Sequence[Configuration]], species: int, device: str
) -> dict[str, list[_Example]]:
    index = network.species.index(species)
    return {name: [_example(item, network.cutoff, index, device) for item in items] for name, items in splits.items()}


def _example(item: Configuration, cutoff: float, index: int, device: str) -> _Example:
    edges = EdgeFinder(cutoff=cutoff)(item.position, np.diag(item.box), (True, True, True))
    force = torch.from_numpy(np.asarray(item.force, dtype=np.float32)).to(device)
    species = torch.full((len(force),), index, device=device)
    return _Example(species, edges.to(device, torch.float32), force, item.phase)


def _on_cpu(state: Any) -> Any:
    """Dicts and lists of tensors and plain builtins, with the tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, Mapping):
        return {key: _on_cpu(value) for key, value in state.items()}
    return [_on_cpu(value) for value in state] if isinstance(state, list) else state


def _rms(examples: Sequence[_Example]) -> float:
    return math.sqrt(np.mean([float((example.force.double() ** 2).mean()) for example in examples]))


def _turn(augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Draw an orthogonal matrix (3, 3), float32."""
    if augmentation == "none":
        return np.eye(3, dtype=np.float32)
    if augmentation == "rotation" and rng.random() < 0.5:
        # the Q of a Gaussian matrix, with the signs of R's diagonal, is uniform (Mezzadri, Notices AMS 54, 592 (2007))
        q, r = np.linalg.qr(rng.standard_normal((3, 3)))
        return np.asarray(q * np.sign(np.diag(r)), dtype=np.float32)
    return np.asarray(np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], size=(3, 1)), dtype=np.float32)
