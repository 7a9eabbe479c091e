"""Records of a run as a file: what is written, when it is safe, and the schema that describes it.

``record.schema.json`` beside this module is the JSON Schema of the file. Nothing here decides anything.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_mlff.schema import SCHEMA_VERSION

VERSIONED = ("pytest-mlff", "pytest", "openmm", "ase", "numpy", "scipy", "xarray", "vesin", "torch")


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of the records file.

    Returns
    -------
    dict
        Draft 2020-12.
    """
    text = (resources.files("pytest_mlff.report") / "record.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def versions() -> Mapping[str, str | None]:
    """Look up what the run was made with, without importing any of it.

    Returns
    -------
    mapping
        ``python`` and each distribution → version; None where it is not installed.
    """
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    if found["pytest-mlff"] is None:  # run from a source tree
        from pytest_mlff import __version__

        found["pytest-mlff"] = __version__
    return MappingProxyType(found)


def describe_models(models: Sequence[Any], *, device: str) -> list[dict[str, Any]]:
    """Say who the models are, as plain builtins.

    Parameters
    ----------
    models : sequence of Model
        The models of the run.
    device : str
        Device asked for; shown where a model does not say where it runs.

    Returns
    -------
    list of dict
        ``name``, ``spec``, ``fingerprint``, ``device``, ``dtype`` (None where unknown), ``provides``.
    """
    return [
        {
            "name": model.name,
            "spec": model.spec,
            "fingerprint": model.fingerprint,
            "device": str(getattr(model, "device", None) or device),
            "dtype": str(model.dtype) if getattr(model, "dtype", None) else None,
            "provides": sorted(model.provides),
        }
        for model in models
    ]


def run_document(
    records: Iterable[Mapping[str, Any]],
    *,
    models: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    complete: bool = True,
) -> dict[str, Any]:
    """Assemble the document that ``--mlff-json`` writes.

    Parameters
    ----------
    records : iterable of mapping
        ``Record.to_dict()`` of each row.
    models : sequence of mapping
        From :func:`describe_models`.
    run : mapping
        Protocol, seed, start, duration and so on.
    complete : bool
        Whether the run is over; ``run["exit_status"]`` is None before.

    Returns
    -------
    dict
        As :func:`json_schema` demands. ``run.model`` and ``run.fingerprint`` are those of the only model, and
        None when there are several: then ``run.models`` tells them apart.
    """
    only = models[0] if len(models) == 1 else None
    head = {
        "model": only["spec"] if only else None,
        "fingerprint": only["fingerprint"] if only else None,
        "models": [dict(model) for model in models],
        "versions": dict(versions()),
        "platform": platform.platform(),
        "argv": list(sys.argv),
    }
    return {
        "schema": SCHEMA_VERSION,
        "complete": complete,
        "run": head | dict(run),
        "records": [dict(record) for record in records],
    }


def temporary_beside(path: Path) -> Path:
    """Name a file in the same folder that nobody uses.

    Parameters
    ----------
    path : Path
        Any name that the folder takes.

    Returns
    -------
    Path
        A short hidden name, whatever the length of the other.
    """
    return path.with_name(f".mlff-{secrets.token_hex(4)}.tmp")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document whole or not at all.

    Parameters
    ----------
    path : Path
        Target; replaced when it exists.
    document : mapping
        Plain builtins, no NaN.

    Raises
    ------
    OSError
        When the folder cannot be written; the old file, if any, is untouched then.
    """
    path = path.resolve()  # what a link points at is replaced, not the link
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    temporary = temporary_beside(path)
    try:
        # a name that is no Unicode (a surrogate) becomes a JSON escape
        with temporary.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
