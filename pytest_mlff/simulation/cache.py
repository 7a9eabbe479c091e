"""Content-keyed store of expensive results: written whole or not at all, verified on reading, locked.

A file is one line ``pytest-mlff-cache 1 <sha256 of the rest>`` and an ``.npz`` archive. It is written beside
its place and renamed into it, so that a killed run leaves no half file under a valid name.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import Timeout

from pytest_mlff.errors import CacheError
from pytest_mlff.simulation.locks import Wait, cannot_write, held, holder, open_folder
from pytest_mlff.simulation.meter import Meter

Fits = Callable[[Mapping[str, np.ndarray]], bool]

_MAGIC = b"pytest-mlff-cache 1 "


class CacheWarning(UserWarning):
    """A cached file was damaged; it was set aside and its content is computed again."""


def content_key(parts: Mapping[str, Any]) -> str:
    """Hash of everything a result depends on.

    Parameters
    ----------
    parts : mapping
        JSON-able description: model fingerprint, system, state, lengths, versions, seeds.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Cache:
    """Arrays on disk by content key.

    Parameters
    ----------
    root : Path
        Directory; made when missing. Its permissions are those of the folders and locks in it: a group that may write
        to the one shares the others, whatever the umask of who made them.

    Attributes
    ----------
    writable : bool
        False where what is there can be read, and nothing added.
    locks : bool
        False where the file system knows no locks: then nothing is locked, and a thing may be computed twice.

    Raises
    ------
    CacheError
        If the directory cannot be made or read.
    """

    def __init__(self, root: Path) -> None:
        known = open_folder(root)
        self.root, self.writable, self.locks, self._mode = root, known.writable, known.locks, known.mode

    def path(self, key: str) -> Path:
        """Where the result of ``key`` lies or would lie.

        Parameters
        ----------
        key : str
            From :func:`content_key`.

        Returns
        -------
        Path
            The file.
        """
        return self.root / key[:2] / f"{key}.npz"

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock under which ``key`` is computed, so that two workers never do the same work.

        Parameters
        ----------
        key : str
            From :func:`content_key`.

        Raises
        ------
        filelock.Timeout
            At once, where somebody else holds it.
        CacheError
            If the directory cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            try:
                self._make_folder(self.path(key).parent)
                if self.locks:
                    stack.enter_context(held(self._lock_file(key), (self._mode & 0o666) | 0o644))
            except Timeout:
                raise
            except OSError as error:
                raise CacheError(cannot_write(self.root, error)) from error
            yield

    def holder(self, key: str) -> str:
        """Say who computes ``key``.

        Parameters
        ----------
        key : str
            From :func:`content_key`.

        Returns
        -------
        str
            Process, host, and since when, where that is known.
        """
        return holder(self._lock_file(key))

    def _lock_file(self, key: str) -> Path:
        return self.path(key).with_suffix(".lock")

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # another process was faster
                folder.chmod(self._mode)

    def load(self, key: str, fits: Fits | None = None) -> dict[str, np.ndarray] | None:
        """Read a result.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        fits : callable, optional
            Says whether the arrays are what belongs there.

        Returns
        -------
        dict of str to ndarray, or None
            None when there is none, or when the file was damaged: then it is renamed to ``*.damaged``.

        Warns
        -----
        CacheWarning
            When a damaged file was set aside.
        """
        return self._load(self.path(key), fits)

    def load_part(self, key: str, fits: Fits | None = None) -> dict[str, np.ndarray] | None:
        """Read what :meth:`save_part` wrote, as :meth:`load` does.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        fits : callable, optional
            Says whether the arrays are what belongs there.

        Returns
        -------
        dict of str to ndarray, or None
            None when there is none, or when the file was damaged.
        """
        return self._load(self._part(key), fits)

    def _part(self, key: str) -> Path:
        return self.path(key).with_suffix(".partial")

    def _load(self, path: Path, fits: Fits | None) -> dict[str, np.ndarray] | None:
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheError(f"cannot read {path}: {error.strerror or error}") from error
        head, _, payload = blob.partition(b"\n")
        if head != _MAGIC + hashlib.sha256(payload).hexdigest().encode():
            self._set_aside(path, "fails its checksum")
            return None
        with contextlib.suppress(OSError):  # ``pytest-mlff cache clean`` wants to know what is in use
            os.utime(path, (time.time(), path.stat().st_mtime))
        try:
            with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile):
            self._set_aside(path, "holds no arrays")
            return None
        if fits is not None and not fits(found):
            self._set_aside(path, "does not hold what belongs there")
            return None
        return found

    def _set_aside(self, path: Path, why: str) -> None:
        aside = path.with_suffix(".damaged")
        try:
            os.replace(path, aside)
        except OSError as error:
            raise CacheError(cannot_write(self.root, error)) from error
        text = f"cached file {path.name} {why}: set aside as {aside}, computing it again"
        warnings.warn(text, CacheWarning, stacklevel=4)

    def save(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a result, whole or not at all.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        arrays : mapping of str to ndarray
            The result.

        Raises
        ------
        CacheError
            If it cannot be written; nothing is left behind.
        """
        self._save(self.path(key), arrays)

    def save_part(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write how far the computation of a result has come, in place of what was written of it before.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        arrays : mapping of str to ndarray
            What is needed to go on.

        Raises
        ------
        CacheError
            As :meth:`save`.
        """
        self._save(self._part(key), arrays)

    def drop_part(self, key: str) -> None:
        """Remove what :meth:`save_part` wrote: the result is there.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        """
        with contextlib.suppress(OSError):
            self._part(key).unlink(missing_ok=True)

    def _save(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]  # the stub takes them for allow_pickle
        payload = buffer.getvalue()
        head = _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
        try:
            self._make_folder(path.parent)
        except OSError as error:
            raise CacheError(cannot_write(path.parent, error)) from error
        write_atomically(path, head + payload)

    def memo(
        self,
        parts: Mapping[str, Any],
        compute: Callable[[], Mapping[str, np.ndarray]],
        meter: Meter | None = None,
        *,
        holds: Collection[str] = (),
    ) -> dict[str, np.ndarray]:
        """Read a result, or compute and keep it, under its lock.

        Parameters
        ----------
        parts : mapping
            For :func:`content_key`.
        compute : callable
            Makes the arrays.
        meter : Meter, optional
            Of the run, for the time in which another process computes them.
        holds : collection of str, optional
            Names that the result must have: a file without them is set aside and computed again.

        Returns
        -------
        dict of str to ndarray
            The result.

        Raises
        ------
        BudgetExhausted
            If the budget is spent while another process computes it.
        """
        key, wait = content_key(parts), Wait(meter or Meter())

        def fits(arrays: Mapping[str, np.ndarray]) -> bool:
            return set(holds) <= set(arrays)

        while True:
            found = self.load(key, fits)
            if found is not None:
                wait.over()
                return found
            try:
                with self.lock(key):
                    wait.over()
                    found = self.load(key, fits)  # it may have come between
                    if found is None:
                        found = dict(compute())
                        self.save(key, found)
                    return found
            except Timeout:
                wait.pause(self.holder(key))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, then rename it into it.

    Parameters
    ----------
    path : Path
        The file; its folder is made when missing.
    content : bytes
        All of it.

    Raises
    ------
    CacheError
        If it cannot be written; nothing is left behind.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private; others share this cache and read this data
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise CacheError(cannot_write(path.parent, error)) from error
        raise
