"""``pytest-mlff calibrate``: the gate measured on itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_mlff.cli import arguments
from pytest_mlff.settings import check_folder


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """Add ``null``, ``power``, ``cost``, ``matrix`` and ``figures``."""
    commands = arguments.add_commands(parser)
    null = commands.add_parser("null", help="spread of every row for the reference against itself")
    power = commands.add_parser("power", help="which defects are found: the reference with ε or σ scaled")
    cost = commands.add_parser("cost", help="force calls to a verdict, with looks and without")
    matrix = commands.add_parser("matrix", help="every mutant through the gate: what is caught, and by which row")
    figures = commands.add_parser("figures", help="draw the null spread and the power curves")
    _add_null(null)
    _add_power(power)
    cost.set_defaults(run=_cost)
    _add_matrix(matrix)
    figures.add_argument("--output", type=arguments.path, default=Path("figures"), metavar="DIR", help="(%(default)s)")
    figures.set_defaults(run=_figures)
    for command in (power, cost, figures):
        _add_file(command, "null")
    for command in (cost, figures):
        _add_file(command, "power")
    for command in (null, power, matrix):
        text = "print the table of all that was measured, and do nothing"
        command.add_argument("--table", action="store_true", help=text)
    for command in (null, power, cost, matrix):
        text = "put the table between its markers in this page"
        command.add_argument("--into", type=arguments.path, metavar="PAGE", help=text)


def _add_null(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=arguments.positive, default=20, metavar="N", help="(%(default)s)")
    parser.add_argument("--protocol", choices=("ci", "full"), default="ci", help="(%(default)s)")
    text = "continued if it exists (null_spread-PROTOCOL.jsonl)"
    parser.add_argument("--output", type=arguments.path, metavar="FILE", help=text)
    parser.set_defaults(run=_null)


def _add_power(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=arguments.positive, default=6, metavar="N", help="(%(default)s)")
    output = Path("power-ci.jsonl")
    parser.add_argument("--output", type=arguments.path, default=output, metavar="FILE", help="(%(default)s)")
    parser.set_defaults(run=_power)


def _add_matrix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mutant", action="append", default=[], metavar="NAME", help="repeatable; all by default")
    parser.add_argument("--named", action="store_true", help="the first strength of each, and the checks named for it")
    text = "repeatable; all by default: run what is missing of this check alone"
    parser.add_argument("--check", action="append", default=[], metavar="NAME", help=text)
    text = "continued if it exists (detection-ci.jsonl)"
    parser.add_argument("--output", type=arguments.path, metavar="FILE", help=text)
    parser.set_defaults(run=_matrix)


def _add_file(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the option that names the file of another calibration."""
    usual = {"null": "null_spread-ci.jsonl", "power": "power-ci.jsonl"}[command]
    text = f"from `pytest-mlff calibrate {command}` (%(default)s)"
    parser.add_argument(f"--{command}", type=arguments.path, default=Path(usual), metavar="FILE", help=text)


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


def _figures(options: argparse.Namespace) -> int:
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
            say=arguments.say,
        )
    _show(table(results), "detection", options.into)
    return 1 if matrix.contradictions(results) else 0
