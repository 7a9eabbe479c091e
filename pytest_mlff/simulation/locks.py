"""Locks of the cache: who computes a thing, how long others wait for it, and file systems that know no locks.

A lock is taken only to compute. Who holds it writes down beside it who that is, for those who wait.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from filelock import FileLock

from pytest_mlff.errors import CacheError
from pytest_mlff.simulation.meter import Meter

SHOWN_S, SAID_S = 5.0, 10.0
"""Waits in s from which on one is shown as progress, and said in a line that stays."""
POLL_S = 0.2
"""Time in s between two tries to take a lock."""
_UNKNOWN = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})


def locks_work(file: IO[bytes]) -> bool:
    """Say whether a file system knows locks (Lustre without ``flock`` and some NFS do not).

    Parameters
    ----------
    file : file
        Open, on that file system.

    Returns
    -------
    bool
        False where asking for a lock says that there are none.
    """
    try:
        import fcntl
    except ImportError:  # not a Unix
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _UNKNOWN
    return True


@dataclass(frozen=True, slots=True)
class Folder:
    """What the folder of a cache allows.

    Attributes
    ----------
    writable : bool
        Whether anything can be added.
    locks : bool
        Whether its file system knows locks.
    mode : int
        Its permissions.
    """

    writable: bool
    locks: bool
    mode: int


def open_folder(root: Path) -> Folder:
    """Make the folder of a cache where it is missing, and see what it allows.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    Folder
        One that cannot be written to serves if there is something in it.

    Raises
    ------
    CacheError
        If it cannot be made or read.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        mode = root.stat().st_mode & 0o2777
        try:
            with tempfile.TemporaryFile(dir=root) as file:
                return Folder(True, locks_work(file), mode)
        except OSError:
            if next(iter(root.iterdir()), None) is None:
                raise
            return Folder(False, True, mode)
    except OSError as error:
        raise CacheError(cannot_write(root, error)) from error


def cannot_write(folder: Path, error: OSError) -> str:
    """Say that a cache cannot be written to.

    Parameters
    ----------
    folder : Path
        Where.
    error : OSError
        Why.

    Returns
    -------
    str
        With the way out.
    """
    return (
        f"cannot write to the cache directory {folder}: {error.strerror or error}; "
        "free space there or name another (pytest: --mlff-cache-dir, pytest-mlff: --cache-dir)"
    )


@contextmanager
def held(path: Path, mode: int) -> Iterator[None]:
    """Hold a lock.

    Parameters
    ----------
    path : Path
        Its file, which stays.
    mode : int
        Permissions of that file: who may not write to it cannot take the lock.

    Raises
    ------
    filelock.Timeout
        At once, where somebody else holds it.
    OSError
        Where its file cannot be written.
    """
    lock = FileLock(path, mode=mode)
    lock.acquire(timeout=0)
    signature = _signature(path)
    with contextlib.suppress(OSError):  # a courtesy
        signature.unlink(missing_ok=True)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        signature.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            signature.unlink(missing_ok=True)
        lock.release()


def holder(path: Path) -> str:
    """Say who holds a lock.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    str
        Such as ``"process 4711 on node3, which computes it since 2026-11-30T18:02:11+01:00"``.
    """
    try:
        known = json.loads(_signature(path).read_text())
        return f"process {known['pid']} on {known['host']}, which computes it since {known['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return f"another process, which holds {path},"


def _signature(path: Path) -> Path:
    return path.with_suffix(".holder")


class Wait:
    """A wait for what others compute: within the budget, and not in silence.

    Parameters
    ----------
    meter : Meter
        Of the run that waits.
    clock : callable, optional
        Source of time in s, for tests.
    """

    def __init__(self, meter: Meter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter, self._clock = meter, clock
        self._began: float | None = None
        self._said = False

    def pause(self, whom: str) -> None:
        """Wait a little longer.

        Parameters
        ----------
        whom : str
            As :func:`holder` says it.

        Raises
        ------
        BudgetExhausted
            If the budget is spent.
        """
        self._meter.check(f"{whom} was done")
        now = self._clock()
        self._began = now if self._began is None else self._began
        if now - self._began >= SHOWN_S:
            self._meter.progress.wait(whom.rstrip(","))
        if now - self._began >= SAID_S and not self._said:
            self._said = True
            self._meter.progress.say(f"mlff: waiting for {whom.rstrip(',')}")
        time.sleep(POLL_S)

    def over(self) -> None:
        """End the wait."""
        if self._began is not None:
            self._meter.progress.wait("")
