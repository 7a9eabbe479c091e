"""What is wrong with an installation: one finding for each thing that the gate needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest_mlff
from pytest_mlff.errors import MlffError
from pytest_mlff.settings import check_folder


def findings(cache_dir: Path) -> Iterator[tuple[str, str, bool]]:
    """Look at Python, the requirements, the engine, the reference data and the cache.

    Parameters
    ----------
    cache_dir : Path
        Of the runs to come.

    Yields
    ------
    name, finding : str
        What was looked at, and what was found.
    is_good : bool
        Whether it is in order.
    """
    yield "python", sys.version.split()[0], sys.version_info >= (3, 11)
    yield from requirements()
    yield "OpenMM platforms", *_platforms()
    yield "reference data", *_reference()
    try:
        check_folder(cache_dir, "cache")
        yield "cache", str(cache_dir), True
    except MlffError as error:
        yield "cache", str(error), False


def requirements() -> Iterator[tuple[str, str, bool]]:
    """Look at the package and what it requires, without extras.

    Yields
    ------
    name, finding : str
        Distribution, and its version or what is wrong with it.
    is_good : bool
        Whether it is in order.
    """
    from importlib import metadata

    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in metadata.requires("pytest-mlff") or ()]
    except metadata.PackageNotFoundError:
        yield "pytest-mlff", "not installed: pytest does not find the plugin; pip install pytest-mlff", False
        return
    yield "pytest-mlff", pytest_mlff.__version__, True
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield requirement.name, f"not installed, needs {requirement}", False
            continue
        fits = requirement.specifier.contains(version, prereleases=True)
        yield requirement.name, version if fits else f"{version}, needs {requirement}", fits


def _platforms() -> tuple[str, bool]:
    try:
        import openmm
    except ImportError as error:
        return f"cannot import openmm: {error}", False
    count = openmm.Platform.getNumPlatforms()
    names = [openmm.Platform.getPlatform(index).getName() for index in range(count)]
    return ", ".join(names) or "none", bool(names)


def _reference() -> tuple[str, bool]:
    import hashlib

    try:
        from pytest_mlff.reference.data import Reference

        reference = Reference()
    except ImportError as error:
        return f"cannot import what reads them: {error}", False
    except MlffError as error:
        return str(error), False
    for name, item in reference.manifest["files"].items():
        path = reference.directory / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != item["sha256"]:
            return f"{path} is missing or differs from the manifest", False
    return f"version {reference.version} in {reference.directory}", True
