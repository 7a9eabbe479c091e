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
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from pytest_mlff.errors import CacheError

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
        Directory; made when missing.

    Raises
    ------
    CacheError
        If the directory cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=root):
                pass
        except OSError as error:
            raise CacheError(_cannot_write(root, error)) from error

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

    def lock(self, key: str) -> FileLock:
        """Lock under which ``key`` is computed, so that two workers never do the same work.

        Parameters
        ----------
        key : str
            From :func:`content_key`.

        Returns
        -------
        filelock.FileLock
            Not yet acquired.

        Raises
        ------
        CacheError
            If the directory cannot be written to.
        """
        path = self.path(key).with_suffix(".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()  # the lock itself would report a full disk as a bare OSError
        except OSError as error:
            raise CacheError(_cannot_write(self.root, error)) from error
        return FileLock(path)

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """Read a result.

        Parameters
        ----------
        key : str
            From :func:`content_key`.

        Returns
        -------
        dict of str to ndarray, or None
            None when there is none, or when the file was damaged: then it is renamed to ``*.damaged``.

        Warns
        -----
        CacheWarning
            When a damaged file was set aside.
        """
        path = self.path(key)
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheError(f"cannot read {path}: {error.strerror or error}") from error
        head, _, payload = blob.partition(b"\n")
        if head != _MAGIC + hashlib.sha256(payload).hexdigest().encode():
            aside = path.with_suffix(".damaged")
            try:
                os.replace(path, aside)
            except OSError as error:
                raise CacheError(_cannot_write(self.root, error)) from error
            warnings.warn(
                f"cached file {path.name} fails its checksum: set aside as {aside}, computing it again",
                CacheWarning,
                stacklevel=2,
            )
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

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
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]  # the stub takes them for allow_pickle
        payload = buffer.getvalue()
        head = _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
        write_atomically(self.path(key), head + payload)

    def memo(self, parts: Mapping[str, Any], compute: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Read a result, or compute and keep it, under its lock.

        Parameters
        ----------
        parts : mapping
            For :func:`content_key`.
        compute : callable
            Makes the arrays.

        Returns
        -------
        dict of str to ndarray
            The result.
        """
        key = content_key(parts)
        with self.lock(key):
            found = self.load(key)
            if found is None:
                found = dict(compute())
                self.save(key, found)
        return found


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
            raise CacheError(_cannot_write(path.parent, error)) from error
        raise


def _cannot_write(folder: Path, error: OSError) -> str:
    return (
        f"cannot write to the cache directory {folder}: {error.strerror or error}; "
        "free space there or name another (pytest: --mlff-cache-dir, pytest-mlff: --cache-dir)"
    )
