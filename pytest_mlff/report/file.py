"""The file of ``--mlff-json`` during a run: refused before any physics, rewritten as rows come in, final at the end.

A calculator may end the process with ``os._exit(0)``, and a machine may be switched off: the file then says
``"complete": false``, or is not there. An old one never passes for the records of this run.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.report.records import temporary_beside, write_json
from pytest_mlff.settings import check_folder

ALLOWANCE_S, SHARE = 1.0, 0.02
"""Time that rewriting may take: seconds of it at once, then a share of the run. With 54 rows it takes 7 ms of CPU."""


def check_target(path: Path) -> Path:
    """Refuse a file that could not be written, before hours of work depend on it.

    Parameters
    ----------
    path : Path
        What the user named.

    Returns
    -------
    Path
        What it stands for: the end of a chain of links.

    Raises
    ------
    SpecError
        One line about what is wrong with it.
    """
    try:
        target = path.resolve()  # what a link points at is written
        mode = _mode(target)
    except (OSError, RuntimeError, ValueError) as error:
        raise SpecError(f"--mlff-json={path}: {getattr(error, 'strerror', None) or error}") from None
    check_folder(target.parent, "--mlff-json")
    if mode is not None and stat.S_ISDIR(mode):
        raise SpecError(f"--mlff-json={path} is a folder; name a file")
    if mode is not None and not stat.S_ISREG(mode):
        raise SpecError(f"--mlff-json={path} is no regular file, and would be replaced by one")
    return target


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # its folder is made, or refused, by ``check_folder``
        return None


class RecordsFile:
    """The records of a run on disk.

    Parameters
    ----------
    target : Path
        From :func:`check_target`.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, target: Path, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._target = target
        self._clock = clock
        self._started = clock()
        self._spent = 0.0

    @contextmanager
    def old_one_aside(self) -> Iterator[None]:
        """Keep what an earlier run wrote out of the way; put it back when this run is refused.

        Raises
        ------
        SpecError
            When the folder does not let it be moved, or what is done within cannot write.
        """
        aside = temporary_beside(self._target)
        try:
            with suppress(FileNotFoundError):
                os.replace(self._target, aside)
            yield
        except BaseException as error:
            with suppress(FileNotFoundError):
                os.replace(aside, self._target)
            if isinstance(error, OSError):
                raise SpecError(f"--mlff-json: cannot write {self._target}: {error.strerror or error}") from None
            raise
        aside.unlink(missing_ok=True)

    def offer(self, document: Callable[[], Mapping[str, Any]]) -> None:
        """Rewrite the file while the run goes on, as far as that costs little; what fails now is said at the end.

        Parameters
        ----------
        document : callable
            Makes what to write.
        """
        begun = self._clock()
        if self._spent > ALLOWANCE_S + SHARE * (begun - self._started):
            return
        with suppress(OSError):
            write_json(self._target, document())
        self._spent += self._clock() - begun

    def write(self, document: Mapping[str, Any]) -> None:
        """Write the file.

        Parameters
        ----------
        document : mapping
            What to write.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        write_json(self._target, document)
