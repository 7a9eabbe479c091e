"""Care of a cache: what is in it, and removing what nobody needs.

Keys are hashes: a file does not say which model it belongs to. So age and use decide: the cache notes on each entry
when it was read, and what was never read since it was written is *unused*.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from pytest_mlff.errors import CacheError
from pytest_mlff.simulation.locks import held, locks_work

ENTRY = ".npz"
KINDS = {
    ENTRY: "entries",
    ".partial": "interrupted runs",
    ".lock": "locks",
    ".holder": "names of who holds a lock",
    ".damaged": "damaged entries",
    ".part": "files that were being written",
}
"""What lies in a cache, by the end of its name."""
FRESH_S = 3600.0
"""A file that is being written is no older than this."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a kind there is.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    count, size : int
        Files and their bytes.
    oldest : float
        Age of the oldest in s.
    """

    kind: str
    count: int
    size: int
    oldest: float


def contents(root: Path) -> list[Share]:
    """Say what is in a cache.

    Parameters
    ----------
    root : Path
        Its folder.

    Returns
    -------
    list of Share
        Of each kind that is there.

    Raises
    ------
    CacheError
        If there is no such folder.
    """
    now, found = time.time(), dict[str, list[os.stat_result]]()
    for path, known in _files(root):
        found.setdefault(KINDS[path.suffix], []).append(known)
    return _shares(found, now)


def clean(root: Path, *, older_than: float | None = None, unused: bool = False) -> list[Share]:
    """Remove what nobody needs: what is damaged, locks that nobody holds, what was left half written.

    Parameters
    ----------
    root : Path
        Folder of the cache.
    older_than : float, optional
        Also results, and how far interrupted runs came, that were written and last read before so many s.
    unused : bool, optional
        Also results that were not read since they were written; with ``older_than`` only those of that age.

    Returns
    -------
    list of Share
        What was removed.

    Raises
    ------
    CacheError
        If there is no such folder, or a file cannot be removed.
    """
    now, removed = time.time(), dict[str, list[os.stat_result]]()
    for path, known in _files(root):
        if _dispensable(path, known, now) or _old(path, known, now, older_than, unused):
            try:
                gone = _removed(path)
            except OSError as error:
                raise CacheError(f"cannot remove {path}: {error.strerror or error}") from error
            if gone:
                removed.setdefault(KINDS[path.suffix], []).append(known)
    for folder in [folder for folder in root.iterdir() if folder.is_dir()]:
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
    return _shares(removed, now)


def _shares(found: dict[str, list[os.stat_result]], now: float) -> list[Share]:
    return [
        Share(kind, len(all_), sum(one.st_size for one in all_), now - min(one.st_mtime for one in all_))
        for kind, all_ in ((kind, found.get(kind, [])) for kind in KINDS.values())
        if all_
    ]


def _files(root: Path) -> list[tuple[Path, os.stat_result]]:
    """Find all files of the kinds of a cache, with what is known about them."""
    if not root.is_dir():
        raise CacheError(f"there is no cache folder {root}; name another with --cache-dir")
    found = []
    for path in sorted(root.rglob("*")):
        with contextlib.suppress(OSError):  # gone in between
            if path.suffix in KINDS and path.is_file():
                found.append((path, path.stat()))
    return found


def _dispensable(path: Path, known: os.stat_result, now: float) -> bool:
    """Whether a file serves nobody, unless somebody holds it."""
    if path.suffix == ".part":
        return now - known.st_mtime > FRESH_S
    if path.suffix == ".partial":
        return path.with_suffix(ENTRY).exists()  # the whole result is there
    return path.suffix in (".lock", ".holder", ".damaged")


def _old(path: Path, known: os.stat_result, now: float, older_than: float | None, unused: bool) -> bool:
    """Whether a result is old, or was never read."""
    if path.suffix not in (ENTRY, ".partial") or (older_than is None and not unused):
        return False
    used = max(known.st_mtime, known.st_atime)
    is_old = older_than is None or now - used > older_than
    return is_old and (not unused or known.st_atime <= known.st_mtime)


def _removed(path: Path) -> bool:
    """Remove a file; of a lock and its holder's name only where nobody holds it."""
    if path.suffix not in (".lock", ".holder"):
        path.unlink(missing_ok=True)
        return True
    lock = path.with_suffix(".lock")
    with lock.open("ab") as file:
        known = locks_work(file)
    try:
        with held(lock, 0o644) if known else contextlib.nullcontext():
            path.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    except Timeout:
        return False
    return True
