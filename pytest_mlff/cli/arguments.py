"""What the commands share: arguments, their parsers, and where progress goes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import SpecError
from pytest_mlff.settings import Settings
from pytest_mlff.settings.options import parse_device, parse_duration
from pytest_mlff.settings.paths import at_home

if TYPE_CHECKING:
    from pytest_mlff.report.progress import Progress


def add_commands(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Make a command a group of commands."""
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def add_cache_dir(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache-dir``, by default the user's cache folder."""
    default = Settings().cache_root
    parser.add_argument("--cache-dir", type=path, default=default, metavar="DIR", help=f"({default})")


def add_device(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Add ``--device``."""
    parser.add_argument(
        "--device", type=parse_device, default=default, metavar="{auto,cpu,cuda[:N]}", help="(%(default)s)"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads`` of torch."""
    parser.add_argument("--threads", type=positive, default=2, metavar="N", help="(%(default)s)")


def path(text: str) -> Path:
    """Path with ``~`` expanded."""
    try:
        return Path(at_home(text))
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole(text: str, least: int = 0) -> int:
    """Whole number that is not below the least one."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= {least}")
    return int(text)


def positive(text: str) -> int:
    """Whole number from 1 on."""
    return whole(text, 1)


def age(text: str) -> float:
    """Seconds of a duration, which may be one of days: ``30d``."""
    days, _, rest = text.strip().lower().partition("d")
    if text.strip().lower().endswith("d") and days.replace(".", "", 1).isdecimal() and not rest:
        return 86400.0 * float(days)
    return parse_duration(text)


def progress() -> Progress:
    """Progress of a command, on the standard error."""
    from pytest_mlff.report.progress import stream_progress

    return stream_progress(sys.stderr)


def say(line: object) -> None:
    """Write a line to the standard error at once."""
    print(line, file=sys.stderr, flush=True)
