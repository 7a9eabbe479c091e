"""``pytest-mlff dataset`` and ``train``: what networks learn from, and their training."""

from __future__ import annotations

import argparse

from pytest_mlff.cli import arguments


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``dataset``."""
    parser.add_argument("composition", metavar="NAME_OR_TOML", help="a wrong name lists those there are")
    parser.add_argument("--output", type=arguments.path, required=True, metavar="FILE", help="the NetCDF file")
    arguments.add_cache_dir(parser)
    parser.set_defaults(run=_dataset)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``train``."""
    parser.add_argument("recipe", metavar="NAME_OR_TOML", help="a wrong name lists those there are")
    text = "from `pytest-mlff dataset`"
    parser.add_argument("--dataset", type=arguments.path, required=True, metavar="FILE", help=text)
    text = "the checkpoint; continued if it exists"
    parser.add_argument("--output", type=arguments.path, required=True, metavar="FILE", help=text)
    text = "train on from this finished checkpoint"
    parser.add_argument("--start", type=arguments.path, metavar="FILE", help=text)
    text = "train on this phase of the dataset alone; all by default"
    parser.add_argument("--phase", choices=("liquid", "solid", "slab"), help=text)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    arguments.add_threads(parser)
    arguments.add_device(parser, default="cpu")
    parser.set_defaults(run=_train)


def _dataset(options: argparse.Namespace) -> int:
    from pytest_mlff.gnn.composition import load_composition
    from pytest_mlff.gnn.dataset import build_dataset, summary

    composition = load_composition(options.composition)
    progress = arguments.progress()
    for line in summary(build_dataset(composition, options.output, cache_dir=options.cache_dir, progress=progress)):
        print(line)
    print(f"dataset {composition.name} written to {options.output}")
    return 0


def _train(options: argparse.Namespace) -> int:
    from pytest_mlff.models.networks import need_torch

    need_torch()
    from pytest_mlff.gnn.recipe import train_recipe

    checkpoint = train_recipe(
        options.recipe,
        options.dataset,
        options.output,
        seed=options.seed,
        start=options.start,
        phase=options.phase,
        threads=options.threads,
        device=options.device,
        report=arguments.say,
    )
    last = checkpoint.training["curve"][-1]
    print(f"{options.output}: {last['step']} steps, {checkpoint.training['elapsed_s'] / 60:.0f} min of training")
    return 0
