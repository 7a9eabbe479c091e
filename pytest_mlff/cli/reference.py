"""``pytest-mlff reference``: build the reference data of a system, or recompute a part of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_mlff.cli import arguments
from pytest_mlff.errors import SpecError
from pytest_mlff.settings.names import shown
from pytest_mlff.settings.systems import known_system


def add_reference(parser: argparse.ArgumentParser) -> None:
    """Add ``build`` and ``verify``."""
    commands = arguments.add_commands(parser)
    build = commands.add_parser("build", help="run, measure and write the reference data")
    verify = commands.add_parser("verify", help="recompute a part and compare within error")
    for command in (build, verify):
        command.add_argument("system", metavar="argon|FILE.toml", help="the system")
        command.add_argument("--only", metavar="PART", help="one part instead of all; a wrong name lists them")
        arguments.add_cache_dir(command)
    output = Path("reference_data", "argon")
    build.add_argument("--output", type=arguments.path, default=output, metavar="DIR", help="(%(default)s)")
    build.add_argument("--jobs", type=arguments.positive, default=1, metavar="N", help="processes (%(default)s)")
    build.set_defaults(run=_build)
    verify.set_defaults(run=_verify)


def _build(options: argparse.Namespace) -> int:
    from pytest_mlff.reference.build import build

    system = _system(options)
    progress = arguments.progress()
    build(system, options.output, cache_dir=options.cache_dir, only=options.only, jobs=options.jobs, progress=progress)
    print(f"reference data of {system} written to {options.output}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_mlff.reference.verify import verify
    from pytest_mlff.systems.reading import load_system
    from pytest_mlff.verdict.format import format_estimate

    found = verify(
        load_system(_system(options)), cache_dir=options.cache_dir, only=options.only, progress=arguments.progress()
    )
    for one in found:
        stored = format_estimate(one.stored.value, one.stored.stderr)
        again = format_estimate(one.again.value, one.again.stderr)
        verdict = "agrees" if one.agrees else "DIFFERS"
        print(f"{verdict:<8} {one.name}: stored {stored}, again {again}, off by {one.deviation:.2g} of {one.limit:g}")
    differing = sum(not one.agrees for one in found)
    print(f"{differing} of {len(found)} differ" if differing else f"all {len(found)} agree within error")
    return 1 if differing else 0


def _system(options: argparse.Namespace) -> str:
    try:
        return known_system(options.system)
    except ValueError as error:
        raise SpecError(f"{shown(options.system)}: {error}") from None
