"""The console command ``pytest-mlff``: reference and training data, calibration, what is wrong with an installation.

The gate itself is ``pytest --mlff-model=SPEC``. Each command parses its arguments, imports what it needs and makes
one call; an error of this package is one line and exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_mlff
from pytest_mlff.errors import MlffError, SpecError
from pytest_mlff.settings import Settings, check_folder
from pytest_mlff.settings.options import parse_device, parse_duration
from pytest_mlff.settings.paths import at_home

if TYPE_CHECKING:
    from pytest_mlff.report.progress import Progress
    from pytest_mlff.simulation.upkeep import Share


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code: 0, 1 where something checked is not in order, 2 for an error.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except MlffError as error:
        print(f"pytest-mlff: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-mlff",
        description="Reference data, training data, calibration and installation of pytest-mlff; "
        "the gate itself is `pytest --mlff-model=SPEC`.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-mlff {pytest_mlff.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_reference(commands.add_parser("reference", help="build or verify the reference data"))
    _add_dataset(commands.add_parser("dataset", help="build a training dataset"))
    _add_train(commands.add_parser("train", help="train a network, or go on with a training"))
    _add_ablation(commands.add_parser("ablation", help="what decides whether a network carries over"))
    _add_study(commands.add_parser("study", help="what exists because of the paper"))
    _add_calibrate(commands.add_parser("calibrate", help="measure the gate itself"))
    _add_cache(commands.add_parser("cache", help="what is in the cache, and removing what nobody needs"))
    doctor = commands.add_parser("doctor", help="check this installation")
    _add_cache_dir(doctor)
    doctor.set_defaults(run=_doctor)
    return parser


def _add_reference(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="run, measure and write the reference data")
    build.add_argument("--output", type=_path, default=Path("reference_data"), metavar="DIR", help="(%(default)s)")
    build.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes (%(default)s)")
    build.set_defaults(run=_build)
    verify = commands.add_parser("verify", help="recompute a part and compare within error")
    verify.set_defaults(run=_verify)
    paper = commands.add_parser("paper", help="the paper's tables beside the reference data")
    for letter in "ab":
        text = f"records of a run on model {letter.upper()}, repeatable; then the table of all results"
        paper.add_argument(f"--model-{letter}", type=_path, action="append", default=[], metavar="JSON", help=text)
    text = "results of `pytest-mlff ablation` on both models; then the same table"
    paper.add_argument("--ablation", type=_path, metavar="FILE", help=text)
    text = "results of `pytest-mlff study runs` on both models; then the same table"
    paper.add_argument("--runs", type=_path, metavar="FILE", help=text)
    paper.set_defaults(run=_paper)
    figures = commands.add_parser("figures", help="draw the paper's figures of models beside the reference")
    figures.add_argument("--output", type=_path, default=Path("figures"), metavar="DIR", help="(%(default)s)")
    models = "repeatable; by default the two that come with the package"
    figures.add_argument("--model", action="append", default=[], metavar="SPEC", help=models)
    figures.add_argument("--cached-only", action="store_true", help="leave out what the models have not run")
    _add_cache_dir(figures)
    figures.set_defaults(run=_figures)
    for command in (build, verify):
        command.add_argument("--system", choices=("argon",), default="argon", help="(%(default)s)")
        command.add_argument("--only", metavar="PART", help="one part instead of all; a wrong name lists them")
        _add_cache_dir(command)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("composition", metavar="NAME_OR_TOML", help="a wrong name lists those there are")
    parser.add_argument("--output", type=_path, required=True, metavar="FILE", help="the NetCDF file")
    _add_cache_dir(parser)
    parser.set_defaults(run=_dataset)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="NAME_OR_TOML", help="a wrong name lists those there are")
    parser.add_argument("--dataset", type=_path, required=True, metavar="FILE", help="from `pytest-mlff dataset`")
    parser.add_argument(
        "--output", type=_path, required=True, metavar="FILE", help="the checkpoint; continued if it exists"
    )
    parser.add_argument("--start", type=_path, metavar="FILE", help="train on from this finished checkpoint")
    parser.add_argument(
        "--phase", choices=("liquid", "solid", "slab"), help="train on this phase of the dataset alone; all by default"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    parser.add_argument("--threads", type=_positive, default=2, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--device", type=parse_device, default="cpu", metavar="{auto,cpu,cuda[:N]}", help="(%(default)s)"
    )
    parser.set_defaults(run=_train)


def _add_ablation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=_path, default=Path("ablation"), metavar="DIR", help="checkpoints (%(default)s)"
    )
    parser.add_argument("--output", type=_path, default=Path("ablation.jsonl"), metavar="FILE", help="(%(default)s)")
    parser.add_argument("--cell", action="append", default=[], metavar="NAME", help="repeatable; all by default")
    parser.add_argument(
        "--stage", action="append", choices=("train", "measure", "gate"), help="repeatable; all by default"
    )
    parser.add_argument("--table", action="store_true", help="print the table of what was measured, and do nothing")
    parser.add_argument("--figure", type=_path, metavar="FILE", help="draw what was measured (SVG; extra [report])")
    parser.add_argument("--threads", type=_positive, default=2, metavar="N", help="(%(default)s)")
    _add_cache_dir(parser)
    parser.set_defaults(run=_ablation)


def _add_study(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    runs = commands.add_parser("runs", help="the paper's runs of 4000 atoms and of slabs, with a model")
    runs.add_argument("--model", required=True, metavar="SPEC", help="such as builtin:model-b")
    runs.add_argument(
        "--only", action="append", default=[], metavar="RUN", help="repeatable; a wrong name lists them; all by default"
    )
    runs.add_argument("--first", type=_whole, default=0, metavar="N", help="number of the first replica (%(default)s)")
    runs.add_argument("--replicas", type=_positive, default=2, metavar="N", help="how many (%(default)s)")
    runs.add_argument("--output", type=_path, default=Path("paper-runs.jsonl"), metavar="FILE", help="(%(default)s)")
    runs.add_argument(
        "--device", type=parse_device, default="auto", metavar="{auto,cpu,cuda[:N]}", help="(%(default)s)"
    )
    _add_cache_dir(runs)
    runs.set_defaults(run=_runs)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    null = commands.add_parser("null", help="spread of every row for the reference against itself")
    null.add_argument("--seeds", type=_positive, default=20, metavar="N", help="(%(default)s)")
    null.add_argument("--protocol", choices=("ci", "full"), default="ci", help="(%(default)s)")
    null.add_argument(
        "--output", type=_path, metavar="FILE", help="continued if it exists (null_spread-PROTOCOL.jsonl)"
    )
    null.set_defaults(run=_null)
    power = commands.add_parser("power", help="which defects are found: the reference with ε or σ scaled")
    power.add_argument("--seeds", type=_positive, default=6, metavar="N", help="(%(default)s)")
    power.add_argument("--output", type=_path, default=Path("power-ci.jsonl"), metavar="FILE", help="(%(default)s)")
    power.set_defaults(run=_power)
    cost = commands.add_parser("cost", help="force calls to a verdict, with looks and without")
    cost.set_defaults(run=_cost)
    matrix = commands.add_parser("matrix", help="every mutant through the gate: what is caught, and by which row")
    matrix.add_argument("--mutant", action="append", default=[], metavar="NAME", help="repeatable; all by default")
    matrix.add_argument("--named", action="store_true", help="the first strength of each, and the checks named for it")
    text = "repeatable; all by default: run what is missing of this check alone"
    matrix.add_argument("--check", action="append", default=[], metavar="NAME", help=text)
    matrix.add_argument("--output", type=_path, metavar="FILE", help="continued if it exists (detection-ci.jsonl)")
    matrix.set_defaults(run=_matrix)
    figures = commands.add_parser("figures", help="draw the null spread and the power curves")
    figures.add_argument("--output", type=_path, default=Path("figures"), metavar="DIR", help="(%(default)s)")
    figures.set_defaults(run=_calibration_figures)
    for command in (power, cost, figures):
        text = "from `pytest-mlff calibrate null` (%(default)s)"
        command.add_argument("--null", type=_path, default=Path("null_spread-ci.jsonl"), metavar="FILE", help=text)
    for command in (cost, figures):
        text = "from `pytest-mlff calibrate power` (%(default)s)"
        command.add_argument("--power", type=_path, default=Path("power-ci.jsonl"), metavar="FILE", help=text)
    for command in (null, power, matrix):
        text = "print the table of all that was measured, and do nothing"
        command.add_argument("--table", action="store_true", help=text)
    for command in (null, power, cost, matrix):
        command.add_argument(
            "--into", type=_path, metavar="PAGE", help="put the table between its markers in this page"
        )


def _add_cache(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="files, their size and age")
    info.set_defaults(run=_cache_info)
    clean = commands.add_parser("clean", help="remove stale locks, damaged and temporary files, and old results")
    text = "also results that were written and last read before so long (30d, 12h)"
    clean.add_argument("--older-than", type=_age, metavar="TIME", help=text)
    text = "also results that were never read since; with --older-than only those of that age"
    clean.add_argument("--unused", action="store_true", help=text)
    clean.set_defaults(run=_cache_clean)
    for command in (info, clean):
        _add_cache_dir(command)


def _age(text: str) -> float:
    days, _, rest = text.strip().lower().partition("d")
    if text.strip().lower().endswith("d") and days.replace(".", "", 1).isdecimal() and not rest:
        return 86400.0 * float(days)
    return parse_duration(text)


def _add_cache_dir(parser: argparse.ArgumentParser) -> None:
    default = Settings().cache_root
    parser.add_argument("--cache-dir", type=_path, default=default, metavar="DIR", help=f"({default})")


def _whole(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= {least}")
    return int(text)


def _positive(text: str) -> int:
    return _whole(text, 1)


def _path(text: str) -> Path:
    try:
        return Path(at_home(text))
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _progress() -> Progress:
    from pytest_mlff.report.progress import stream_progress

    return stream_progress(sys.stderr)


def _build(options: argparse.Namespace) -> int:
    from pytest_mlff.reference.build import build

    build(
        options.system,
        options.output,
        cache_dir=options.cache_dir,
        only=options.only,
        jobs=options.jobs,
        progress=_progress(),
    )
    print(f"reference data of {options.system} written to {options.output}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_mlff.reference.verify import verify
    from pytest_mlff.systems.reading import load_system
    from pytest_mlff.verdict.format import format_estimate

    found = verify(load_system("argon"), cache_dir=options.cache_dir, only=options.only, progress=_progress())
    for one in found:
        stored = format_estimate(one.stored.value, one.stored.stderr)
        again = format_estimate(one.again.value, one.again.stderr)
        verdict = "agrees" if one.agrees else "DIFFERS"
        print(f"{verdict:<8} {one.name}: stored {stored}, again {again}, off by {one.deviation:.2g} of {one.limit:g}")
    differing = sum(not one.agrees for one in found)
    print(f"{differing} of {len(found)} differ" if differing else f"all {len(found)} agree within error")
    return 1 if differing else 0


def _paper(options: argparse.Namespace) -> int:
    from pytest_mlff.ablation import MODEL_A, MODEL_B, SHIPPED, journal
    from pytest_mlff.reference.data import Reference
    from pytest_mlff.reference.paper import comparison
    from pytest_mlff.reproduction import read_records, reproduction
    from pytest_mlff.study import runs

    reference = Reference()
    if not (options.model_a or options.model_b or options.ablation or options.runs):
        lines = comparison(reference)
    else:
        measured = journal(options.ablation).read() if options.ablation else {}
        if options.ablation and not {(MODEL_A, "measure"), (MODEL_B, "measure")} & set(measured):
            raise SpecError(f"{options.ablation} holds no results of stage measure on {MODEL_A} or {MODEL_B}")
        long_runs = runs.journal(options.runs).read() if options.runs else {}
        models = ((MODEL_A, options.model_a), (MODEL_B, options.model_b))
        ours = (
            read_records(paths)
            | measured.get((cell, "measure"), {})
            | runs.records(long_runs, f"builtin:{SHIPPED[cell]}")
            for cell, paths in models
        )
        lines = reproduction(*ours, reference=reference)
    for line in lines:
        print(line)
    return 0


def _figures(options: argparse.Namespace) -> int:
    from pytest_mlff.report.gallery import MODELS, draw_gallery

    files = draw_gallery(
        options.output,
        options.model or MODELS,
        cache_dir=options.cache_dir,
        cached_only=options.cached_only,
        progress=_progress(),
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for file in files:
        print(file)
    return 0


def _dataset(options: argparse.Namespace) -> int:
    from pytest_mlff.gnn.composition import load_composition
    from pytest_mlff.gnn.dataset import build_dataset, summary

    composition = load_composition(options.composition)
    dataset = build_dataset(composition, options.output, cache_dir=options.cache_dir, progress=_progress())
    for line in summary(dataset):
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
        report=lambda progress: print(progress, file=sys.stderr, flush=True),
    )
    last = checkpoint.training["curve"][-1]
    print(f"{options.output}: {last['step']} steps, {checkpoint.training['elapsed_s'] / 60:.0f} min of training")
    return 0


def _ablation(options: argparse.Namespace) -> int:
    from pytest_mlff import ablation

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
            say=lambda what: print(what, file=sys.stderr, flush=True),
        )
    results = ablation.journal(options.output).read()
    for line in ablation.table(results):
        print(line)
    if options.figure:
        from pytest_mlff.report.figures.ablation import ablation_figure

        ablation_figure(ablation.measured(results), options.figure)
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
        progress=_progress(),
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return 0


def _null(options: argparse.Namespace) -> int:
    from pytest_mlff.calibration.null import null_spread

    output = options.output or Path(f"null_spread-{options.protocol}.jsonl")
    text = null_spread(seeds=options.seeds, output=output, protocol=options.protocol, only_table=options.table)
    return _show(text, "null-spread", options.into)


def _power(options: argparse.Namespace) -> int:
    from pytest_mlff.calibration.power import power

    text = power(seeds=options.seeds, output=options.output, null=options.null, only_table=options.table)
    return _show(text, "power", options.into)


def _cost(options: argparse.Namespace) -> int:
    from pytest_mlff.calibration.cost import cost

    return _show(cost(null=options.null, power=options.power), "cost", options.into)


def _show(text: str, name: str, page: Path | None) -> int:
    from pytest_mlff.calibration.page import insert

    if page is None:
        print(text)
    else:
        insert(page, name, text)
    return 0


def _calibration_figures(options: argparse.Namespace) -> int:
    from pytest_mlff.calibration.null import in_tolerances, read_null
    from pytest_mlff.calibration.power import curves, read_power
    from pytest_mlff.report.figures.calibration import null_figure, power_figure

    check_folder(options.output, "figures")
    null_figure(in_tolerances(read_null(options.null).values()), options.output / "null-spread.svg")
    power_figure(curves(read_power(options.power)), options.output / "power.svg")
    return 0


def _matrix(options: argparse.Namespace) -> int:
    from pytest_mlff.calibration import matrix
    from pytest_mlff.calibration.matrix_table import table
    from pytest_mlff.gate.catalogue import CHECKS

    output = options.output or Path(f"detection{'-named' if options.named else ''}-{matrix.PROTOCOL}.jsonl")
    if options.table:
        results = matrix.measured(output, only_named=options.named)
    else:
        results = matrix.detection(
            output=output,
            mutants=options.mutant,
            only_named=options.named,
            checks=options.check or CHECKS,
            say=lambda what: print(what, file=sys.stderr, flush=True),
        )
    _show(table(results), "detection", options.into)
    return 1 if matrix.contradictions(results) else 0


def _cache_info(options: argparse.Namespace) -> int:
    from pytest_mlff.simulation.upkeep import contents

    return _print_shares(contents(options.cache_dir), options.cache_dir, "nothing")


def _cache_clean(options: argparse.Namespace) -> int:
    from pytest_mlff.simulation.upkeep import clean

    removed = clean(options.cache_dir, older_than=options.older_than, unused=options.unused)
    return _print_shares(removed, options.cache_dir, "nothing to remove")


def _print_shares(shares: Sequence[Share], folder: Path, nothing: str) -> int:
    for share in shares:
        print(f"{share.count:>7} {share.kind}, {share.size / 1e6:.1f} MB, the oldest {share.oldest / 86400:.1f} days")
    print(f"{folder}: {sum(share.size for share in shares) / 1e6:.1f} MB" if shares else f"{folder}: {nothing}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from pytest_mlff.doctor import findings

    broken = 0
    for name, finding, is_good in findings(options.cache_dir):
        broken += not is_good
        print(f"{'ok' if is_good else 'BROKEN':<7} {name}: {finding}")
    print(f"{broken} broken" if broken else "all in order")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
