"""``pytest-mlff cache`` and ``doctor``: what this package keeps, and what is wrong with its installation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.cli import arguments

if TYPE_CHECKING:
    from pytest_mlff.simulation.upkeep import Share


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add ``info`` and ``clean``."""
    commands = arguments.add_commands(parser)
    info = commands.add_parser("info", help="files, their size and age")
    info.set_defaults(run=_info)
    clean = commands.add_parser("clean", help="remove stale locks, damaged and temporary files, and old results")
    text = "also results that were written and last read before so long (30d, 12h)"
    clean.add_argument("--older-than", type=arguments.age, metavar="TIME", help=text)
    text = "also results that were never read since; with --older-than only those of that age"
    clean.add_argument("--unused", action="store_true", help=text)
    clean.set_defaults(run=_clean)
    for command in (info, clean):
        arguments.add_cache_dir(command)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    arguments.add_cache_dir(parser)
    parser.set_defaults(run=_doctor)


def _info(options: argparse.Namespace) -> int:
    from pytest_mlff.simulation.upkeep import contents

    return _print_shares(contents(options.cache_dir), options.cache_dir, "nothing")


def _clean(options: argparse.Namespace) -> int:
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
