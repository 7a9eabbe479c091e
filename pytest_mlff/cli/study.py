"""``pytest-mlff study``: the paper's tables, figures and runs beside ours, and the ablation."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_mlff.cli import arguments


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add ``paper``, ``figures``, ``runs`` and ``ablation``."""
    commands = arguments.add_commands(parser)
    _add_paper(commands.add_parser("paper", help="the paper's tables beside the reference data"))
    _add_figures(commands.add_parser("figures", help="draw the paper's figures of models beside the reference"))
    _add_runs(commands.add_parser("runs", help="the paper's runs of 4000 atoms and of slabs, with a model"))
    _add_ablation(commands.add_parser("ablation", help="what decides whether a network carries over"))


def _add_paper(parser: argparse.ArgumentParser) -> None:
    for letter in "ab":
        text = f"records of a run on model {letter.upper()}, repeatable; then the table of all results"
        option = f"--model-{letter}"
        parser.add_argument(option, type=arguments.path, action="append", default=[], metavar="JSON", help=text)
    for name in ("ablation", "runs"):
        text = f"results of `pytest-mlff study {name}` on both models; then the same table"
        parser.add_argument(f"--{name}", type=arguments.path, metavar="FILE", help=text)
    parser.set_defaults(run=_paper)


def _add_figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=arguments.path, default=Path("figures"), metavar="DIR", help="(%(default)s)")
    text = "repeatable; by default the two that come with the package"
    parser.add_argument("--model", action="append", default=[], metavar="SPEC", help=text)
    parser.add_argument("--cached-only", action="store_true", help="leave out what the models have not run")
    arguments.add_cache_dir(parser)
    parser.set_defaults(run=_figures)


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="SPEC", help="such as builtin:model-b")
    text = "repeatable; a wrong name lists them; all by default"
    parser.add_argument("--only", action="append", default=[], metavar="RUN", help=text)
    text = "number of the first replica (%(default)s)"
    parser.add_argument("--first", type=arguments.whole, default=0, metavar="N", help=text)
    parser.add_argument("--replicas", type=arguments.positive, default=2, metavar="N", help="how many (%(default)s)")
    output = Path("paper-runs.jsonl")
    parser.add_argument("--output", type=arguments.path, default=output, metavar="FILE", help="(%(default)s)")
    arguments.add_device(parser, default="auto")
    arguments.add_cache_dir(parser)
    parser.set_defaults(run=_runs)


def _add_ablation(parser: argparse.ArgumentParser) -> None:
    folder, output = Path("ablation"), Path("ablation.jsonl")
    text = "checkpoints (%(default)s)"
    parser.add_argument("--folder", type=arguments.path, default=folder, metavar="DIR", help=text)
    parser.add_argument("--output", type=arguments.path, default=output, metavar="FILE", help="(%(default)s)")
    text = "repeatable; all by default"
    parser.add_argument("--cell", action="append", default=[], metavar="NAME", help=text)
    parser.add_argument("--stage", action="append", choices=("train", "measure", "gate"), help=text)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured, and do nothing")
    text = "draw what was measured (SVG; extra [report])"
    parser.add_argument("--figure", type=arguments.path, metavar="FILE", help=text)
    arguments.add_threads(parser)
    arguments.add_cache_dir(parser)
    parser.set_defaults(run=_ablation)


def _paper(options: argparse.Namespace) -> int:
    from pytest_mlff.reference.data import Reference
    from pytest_mlff.study.paper import comparison
    from pytest_mlff.study.reproduction import of_files

    reference = Reference()
    if not (options.model_a or options.model_b or options.ablation or options.runs):
        lines = comparison(reference)
    else:
        files = {"ablation_file": options.ablation, "runs_file": options.runs}
        lines = of_files(options.model_a, options.model_b, **files, reference=reference)
    for line in lines:
        print(line)
    return 0


def _figures(options: argparse.Namespace) -> int:
    from pytest_mlff.study.gallery import MODELS, draw_gallery

    files = draw_gallery(
        options.output,
        options.model or MODELS,
        cache_dir=options.cache_dir,
        cached_only=options.cached_only,
        progress=arguments.progress(),
        say=arguments.say,
    )
    for file in files:
        print(file)
    return 0


def _runs(options: argparse.Namespace) -> int:
    from pytest_mlff.study import runs

    runs.run(
        options.model,
        options.output,
        cache_dir=options.cache_dir,
        names=options.only,
        replicas=range(options.first, options.first + options.replicas),
        device=options.device,
        progress=arguments.progress(),
        say=arguments.say,
    )
    return 0


def _ablation(options: argparse.Namespace) -> int:
    from pytest_mlff.study import ablation

    if not options.table:
        from pytest_mlff.models.networks import need_torch

        need_torch()
        ablation.run(
            options.folder,
            options.output,
            cache_dir=options.cache_dir,
            names=options.cell,
            stages=options.stage or ablation.STAGES,
            threads=options.threads,
            say=arguments.say,
        )
    results = ablation.journal(options.output).read()
    for line in ablation.table(results):
        print(line)
    if options.figure:
        from pytest_mlff.study.figures.ablation import ablation_figure

        ablation_figure(ablation.measured(results), options.figure)
    return 0
