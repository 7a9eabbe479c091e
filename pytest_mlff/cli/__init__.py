"""The console command ``pytest-mlff``: reference and training data, calibration, what is wrong with an installation.

The gate itself is ``pytest --mlff-model=SPEC``. One module for each group of commands; each command parses its
arguments, imports what it needs and makes one call. An error of this package is one line and exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pytest_mlff
from pytest_mlff.cli import calibrate, network, reference, study, upkeep
from pytest_mlff.errors import MlffError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console command with the arguments of the process, or with these.

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
    reference.add_reference(commands.add_parser("reference", help="build or verify the reference data"))
    network.add_dataset(commands.add_parser("dataset", help="build a training dataset"))
    network.add_train(commands.add_parser("train", help="train a network, or go on with a training"))
    calibrate.add_calibrate(commands.add_parser("calibrate", help="measure the gate itself"))
    study.add_study(commands.add_parser("study", help="the paper's tables, figures and runs, and the ablation"))
    upkeep.add_cache(commands.add_parser("cache", help="what is in the cache, and removing what nobody needs"))
    upkeep.add_doctor(commands.add_parser("doctor", help="check this installation"))
    return parser
